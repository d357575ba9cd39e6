package mmapcore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// TestMain fails if any test has left a goroutine, such as one that sleeps in a futex.
func TestMain(m *testing.M) {
	if path := os.Getenv(pairPeerFile); path != "" {
		if err := runPairPeer(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// backingName is in the name of every backing file here, and so in the maps and descriptors that they leave.
const backingName = "mmapcore-backing"

// backings make a file on each kind of file system that regions are for. The descriptor is the caller's.
var backings = map[string]func(t *testing.T) int{
	"memfd":     openMemfd,
	"directory": openInDirectory,
	"huge":      openHuge,
}

func openMemfd(t *testing.T) int {
	t.Helper()
	descriptor, err := unix.MemfdCreate(backingName, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		t.Fatalf("memfd_create: %v", err)
	}
	return descriptor
}

func openInDirectory(t *testing.T) int {
	t.Helper()
	descriptor, err := unix.Open(filepath.Join(t.TempDir(), backingName), unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0o600)
	if err != nil {
		t.Fatalf("opening a file: %v", err)
	}
	return descriptor
}

// openHuge opens a file that gets huge pages, on a tmpfs of its own.
func openHuge(t *testing.T) int {
	t.Helper()
	store, err := NewTmpfs(TmpfsOptions{Size: 64 << 20, Inodes: 100, Huge: "always", Mode: 0o700})
	if err != nil {
		t.Fatalf("making a tmpfs with huge pages (run the tests as root): %v", err)
	}
	defer store.Close()
	flags := unix.O_RDWR | unix.O_CREAT | unix.O_CLOEXEC
	descriptor, err := unix.Openat(store.Root(), backingName, flags, 0o600)
	if err != nil {
		t.Fatalf("opening a file: %v", err)
	}
	return descriptor
}

// onEachBacking runs a test on a region of each kind, and checks that the test leaves nothing behind.
func onEachBacking(t *testing.T, test func(t *testing.T, region *Region)) {
	for name, open := range backings {
		t.Run(name, func(t *testing.T) {
			checkNothingLeft(t)
			test(t, newRegion(t, open(t)))
		})
	}
}

// newRegion makes a region that the test's end closes.
func newRegion(t *testing.T, descriptor int) *Region {
	t.Helper()
	region := NewRegion(descriptor)
	t.Cleanup(func() {
		if err := region.Close(); err != nil {
			t.Errorf("closing the region: %v", err)
		}
	})
	return region
}

// mapRegion makes a mapping that the test's end unmaps.
func mapRegion(t *testing.T, region *Region, length int, access Access) *Mapping {
	t.Helper()
	mapping, err := region.Map(0, length, access)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := mapping.Unmap(); err != nil {
			t.Errorf("unmapping: %v", err)
		}
	})
	return mapping
}

// checkNothingLeft makes the test fail if at its end there are other descriptors or mappings than now. It is to be called
// before what must be gone is made.
func checkNothingLeft(t *testing.T) {
	t.Helper()
	before := held(t)
	t.Cleanup(func() {
		if after := held(t); !slices.Equal(before, after) {
			t.Errorf("descriptors and mappings were\n%s\nand are\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
		}
	})
}

// held lists the process's descriptors, but for the runtime's own, and its mappings of backing files.
func held(t *testing.T) []string {
	t.Helper()
	var all []string
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		target, err := os.Readlink("/proc/self/fd/" + entry.Name())
		if err == nil && !strings.HasPrefix(target, "anon_inode:") {
			all = append(all, "descriptor "+entry.Name()+" "+target)
		}
	}
	return append(all, heldMappings(t)...)
}

func heldMappings(t *testing.T) []string {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for line := range strings.Lines(string(maps)) {
		if strings.Contains(line, backingName) {
			all = append(all, "mapping "+line)
		}
	}
	return all
}

// replace makes a system call another function until the returned function or the test's end sets it back.
func replace[F any](t *testing.T, call *F, by F) (restore func()) {
	t.Helper()
	real := *call
	restore = func() { *call = real }
	t.Cleanup(restore)
	*call = by
	return restore
}

func wantError(t *testing.T, doing string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s: error is %v, want %v", doing, err, want)
	}
}

func wantNoError(t *testing.T, doing string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", doing, err)
	}
}

func wantSize(t *testing.T, region *Region, want int64) {
	t.Helper()
	size, err := region.Size()
	if err != nil || size != want {
		t.Fatalf("size is %d, %v; want %d", size, err, want)
	}
}

func TestFutexWaiterHasTheKernelsLayout(t *testing.T) {
	var waiter futexWaiter
	if size := unsafe.Sizeof(waiter); size != 24 {
		t.Errorf("size is %d, the kernel's is 24", size)
	}
	if offset := unsafe.Offsetof(waiter.flags); offset != 16 {
		t.Errorf("flags are at %d, the kernel's at 16", offset)
	}
}

func TestMonotonicDeadline(t *testing.T) {
	for _, timeout := range []time.Duration{0, 1, time.Second - 1, 3 * time.Second / 2, NoTimeout - 1} {
		var before, after unix.Timespec
		wantNoError(t, "clock_gettime", unix.ClockGettime(unix.CLOCK_MONOTONIC, &before))
		deadline, err := monotonicDeadline(timeout)
		wantNoError(t, "deadline", err)
		wantNoError(t, "clock_gettime", unix.ClockGettime(unix.CLOCK_MONOTONIC, &after))
		if deadline.Nsec < 0 || deadline.Nsec >= 1e9 {
			t.Errorf("after %v: %d nanoseconds", timeout, deadline.Nsec)
		}
		// Compared as what is left of the timeout, which cannot overflow.
		since := time.Duration(deadline.Sec-before.Sec)*time.Second + time.Duration(deadline.Nsec-before.Nsec)
		until := time.Duration(deadline.Sec-after.Sec)*time.Second + time.Duration(deadline.Nsec-after.Nsec)
		if since-timeout < 0 || until-timeout > 0 {
			t.Errorf("after %v: deadline is %v after the start and %v after the end", timeout, since, until)
		}
	}
}

// Each call that may be interrupted is made again; the error does not come out.
func TestInterruptedCallsAreMadeAgain(t *testing.T) {
	checkNothingLeft(t)
	region := newRegion(t, openMemfd(t))
	mapping := mapRegion(t, region, int(pageSize), ReadWrite)
	buffer := make([]byte, 10)
	interrupted := map[string]int{}
	once := func(name string) bool { interrupted[name]++; return interrupted[name] == 1 }
	first := kernel
	replace(t, &kernel, kernel)
	kernel.fallocate = func(descriptor int, mode uint32, offset, length int64) error {
		if once("fallocate") {
			return unix.EINTR
		}
		return first.fallocate(descriptor, mode, offset, length)
	}
	kernel.ftruncate = func(descriptor int, size int64) error {
		if once("ftruncate") {
			return unix.EINTR
		}
		return first.ftruncate(descriptor, size)
	}
	kernel.pread = func(descriptor int, into []byte, offset int64) (int, error) {
		if once("pread") {
			return -1, unix.EINTR
		}
		return first.pread(descriptor, into, offset)
	}
	kernel.pwrite = func(descriptor int, from []byte, offset int64) (int, error) {
		if once("pwrite") {
			return -1, unix.EINTR
		}
		return first.pwrite(descriptor, from, offset)
	}
	kernel.fsync = func(descriptor int) error {
		if once("fsync") {
			return unix.EINTR
		}
		return first.fsync(descriptor)
	}
	kernel.fdatasync = func(descriptor int) error {
		if once("fdatasync") {
			return unix.EINTR
		}
		return first.fdatasync(descriptor)
	}
	kernel.msync = func(memory []byte, flags int) error {
		if once("msync") {
			return unix.EINTR
		}
		return first.msync(memory, flags)
	}
	kernel.madvise = func(memory []byte, advice int) error {
		if once("madvise") {
			return unix.EINTR
		}
		return first.madvise(memory, advice)
	}
	kernel.futexWaitAny = func(waiters []futexWaiter, deadline *unix.Timespec) (int, error) {
		if once("futexWaitAny") {
			return -1, unix.EINTR
		}
		return first.futexWaitAny(waiters, deadline)
	}
	wantNoError(t, "Resize", region.Resize(pageSize))
	wantNoError(t, "Reserve", region.Reserve(0, 10, false))
	_, err := region.WriteAt(buffer, 0)
	wantNoError(t, "WriteAt", err)
	_, err = region.ReadAt(buffer, 0)
	wantNoError(t, "ReadAt", err)
	wantNoError(t, "Sync", region.Sync(false))
	wantNoError(t, "Sync of data", region.Sync(true))
	wantNoError(t, "mapping Sync", mapping.Sync(unix.MS_SYNC))
	wantNoError(t, "Advise", mapping.Advise(0, int(pageSize), unix.MADV_NORMAL))
	wantError(t, "FutexWait", mapping.FutexWait(0, 0, 0), unix.ETIMEDOUT)
	if len(interrupted) != 9 {
		t.Errorf("interrupted only %v", interrupted)
	}
	for name, calls := range interrupted {
		if calls < 2 {
			t.Errorf("%s was called %d times", name, calls)
		}
	}
}

// close(2) is never made again: by then the number may be another file's.
func TestInterruptedCloseIsNotMadeAgain(t *testing.T) {
	checkNothingLeft(t)
	region := NewRegion(openMemfd(t))
	calls := 0
	restore := replace(t, &kernel.close, func(descriptor int) error {
		calls++
		_ = unix.Close(descriptor)
		return unix.EINTR
	})
	wantError(t, "Close", region.Close(), unix.EINTR)
	restore()
	wantNoError(t, "second Close", region.Close())
	wantError(t, "Resize after Close", region.Resize(1), ErrClosed)
	if calls != 1 {
		t.Errorf("close was called %d times", calls)
	}
}
