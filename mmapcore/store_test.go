package mmapcore

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// newStore makes a tmpfs store that the test's end closes.
func newStore(t *testing.T, options TmpfsOptions) *Store {
	t.Helper()
	store, err := NewTmpfs(options)
	if err != nil {
		t.Fatalf("making a tmpfs store (run the tests as root): %v", err)
	}
	t.Cleanup(func() { wantNoError(t, "closing the store", store.Close()) })
	return store
}

// newDirectoryStore makes a store of a new directory, which the test's end closes.
func newDirectoryStore(t *testing.T) *Store {
	t.Helper()
	store, err := OpenDirectory(t.TempDir())
	wantNoError(t, "opening a directory store", err)
	t.Cleanup(func() { wantNoError(t, "closing the store", store.Close()) })
	return store
}

var defaultOptions = TmpfsOptions{Size: 4 << 20, Inodes: 100, Mode: 0o700}

// checkNoDescriptorLeft makes the test fail if at its end there are other descriptors than now, contexts of fsopen(2) and
// fspick(2) included, which checkNothingLeft passes over.
func checkNoDescriptorLeft(t *testing.T) {
	t.Helper()
	before := descriptors(t)
	t.Cleanup(func() { wantDescriptors(t, before) })
}

func wantDescriptors(t *testing.T, want []string) {
	t.Helper()
	if now := descriptors(t); !slices.Equal(want, now) {
		t.Errorf("descriptors were\n%s\nand are\n%s", strings.Join(want, "\n"), strings.Join(now, "\n"))
	}
}

// descriptors lists what the process has open, but for what the runtime polls with.
func descriptors(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	wantNoError(t, "listing descriptors", err)
	var all []string
	for _, entry := range entries {
		target, err := os.Readlink("/proc/self/fd/" + entry.Name())
		if err != nil || target == "anon_inode:[eventpoll]" || target == "anon_inode:[eventfd]" {
			continue
		}
		all = append(all, entry.Name()+" "+target)
	}
	return all
}

// mountOptions attaches a store's mount in a mount namespace of its own, which ends with the call, and returns the file
// system's options as mountinfo shows them.
func mountOptions(t *testing.T, store *Store) []string {
	t.Helper()
	type answer struct {
		options []string
		err     error
	}
	answers := make(chan answer)
	directory := t.TempDir()
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine, and its namespace with it
		options, err := attach(store.mount, directory)
		answers <- answer{options, err}
	}()
	got := <-answers
	wantNoError(t, "attaching the store in a mount namespace (run the tests as root)", got.err)
	return got.options
}

func attach(mount int, directory string) ([]string, error) {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return nil, fmt.Errorf("unshare: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return nil, fmt.Errorf("making mounts private: %w", err)
	}
	if err := unix.MoveMount(mount, "", unix.AT_FDCWD, directory, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return nil, fmt.Errorf("move_mount: %w", err)
	}
	table, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(table)) {
		before, after, _ := strings.Cut(line, " - ")
		if fields := strings.Fields(before); len(fields) > 4 && fields[4] == directory {
			fields = strings.Fields(after)
			return append(strings.Split(fields[2], ","), "source="+fields[1], "type="+fields[0]), nil
		}
	}
	return nil, errors.New("the mount is not in mountinfo")
}

func TestNewTmpfsHonoursItsOptions(t *testing.T) {
	checkNoDescriptorLeft(t)
	store := newStore(t, TmpfsOptions{Size: 8 << 20, Inodes: 77, Mode: 0o1751, UID: 12, GID: 34, Huge: "within_size"})
	options := mountOptions(t, store)
	for _, want := range []string{
		"size=8192k", "nr_inodes=77", "mode=1751", "uid=12", "gid=34", "huge=within_size", "inode64", "source=shmfs", "type=tmpfs",
	} {
		if !slices.Contains(options, want) {
			t.Errorf("no %s in %v", want, options)
		}
	}
	var stat unix.Stat_t
	wantNoError(t, "stat", unix.Fstat(store.Root(), &stat))
	if stat.Mode != unix.S_IFDIR|0o1751 || stat.Uid != 12 || stat.Gid != 34 {
		t.Errorf("the root is %o %d:%d", stat.Mode, stat.Uid, stat.Gid)
	}
	figures, err := store.Usage()
	wantNoError(t, "Usage", err)
	if size := int64(figures.Blocks) * figures.Bsize; size != 8<<20 || figures.Files != 77 {
		t.Errorf("%d bytes, %d inodes", size, figures.Files)
	}
}

func TestNewTmpfsHonoursEachHugePolicy(t *testing.T) {
	for _, policy := range []string{"never", "always", "within_size", "advise"} {
		t.Run(policy, func(t *testing.T) {
			options := defaultOptions
			options.Huge = policy
			shown := mountOptions(t, newStore(t, options))
			// The kernel does not show its default.
			if policy != "never" && !slices.Contains(shown, "huge="+policy) {
				t.Errorf("no huge=%s in %v", policy, shown)
			}
			if policy == "never" && strings.Contains(strings.Join(shown, ","), "huge=") {
				t.Errorf("huge pages in %v", shown)
			}
		})
	}
}

func TestNewTmpfsWithoutLimits(t *testing.T) {
	store := newStore(t, TmpfsOptions{Mode: 0o700})
	figures, err := store.Usage()
	wantNoError(t, "Usage", err)
	if figures.Blocks != 0 || figures.Files != 0 {
		t.Errorf("limits of %d blocks and %d inodes, want none", figures.Blocks, figures.Files)
	}
	descriptor := createIn(t, store, "file")
	wantNoError(t, "closing", unix.Close(descriptor))
}

// createIn makes a file in the root and returns a descriptor of it.
func createIn(t *testing.T, store *Store, name string) int {
	t.Helper()
	flags := unix.O_RDWR | unix.O_CREAT | unix.O_EXCL | unix.O_CLOEXEC
	descriptor, err := unix.Openat(store.Root(), name, flags, 0o600)
	if err != nil {
		t.Fatalf("creating %s: %v", name, err)
	}
	return descriptor
}

// What the limits forbid is refused with tmpfs's own errors.
func TestTmpfsStoreKeepsToItsLimits(t *testing.T) {
	checkNoDescriptorLeft(t)
	store := newStore(t, TmpfsOptions{Size: 2 * pageSize, Inodes: 2, Mode: 0o700})
	region := newRegion(t, createIn(t, store, "file"))
	n, err := region.WriteAt(make([]byte, 3*pageSize), 0)
	wantError(t, "writing too much", err, unix.ENOSPC)
	if int64(n) != 2*pageSize {
		t.Errorf("wrote %d bytes, room was for %d", n, 2*pageSize)
	}
	_, err = unix.Openat(store.Root(), "another", unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0o600)
	wantError(t, "a third inode", err, unix.ENOSPC)
}

// Nobody gets at the store by a path: neither the mount table nor its device leads there.
func TestTmpfsStoreIsReachedByNoPath(t *testing.T) {
	before := mountTable(t)
	store := newStore(t, defaultOptions)
	after := mountTable(t)
	if before != after {
		t.Errorf("the mount table has changed from\n%s\nto\n%s", before, after)
	}
	var stat unix.Stat_t
	wantNoError(t, "stat", unix.Fstat(store.Root(), &stat))
	device := fmt.Sprintf(" %d:%d ", unix.Major(stat.Dev), unix.Minor(stat.Dev))
	if strings.Contains(after, device) {
		t.Errorf("device%sis in the mount table:\n%s", device, after)
	}
}

func mountTable(t *testing.T) string {
	t.Helper()
	table, err := os.ReadFile("/proc/self/mountinfo")
	wantNoError(t, "reading the mount table", err)
	return string(table)
}

// Two stores are two file systems.
func TestTmpfsStoresShareNothing(t *testing.T) {
	first, second := newStore(t, defaultOptions), newStore(t, defaultOptions)
	wantNoError(t, "closing", unix.Close(createIn(t, first, "file")))
	var stat unix.Stat_t
	wantError(t, "stat in the other", unix.Fstatat(second.Root(), "file", &stat, 0), unix.ENOENT)
}

// Inode numbers go on from file to file and never come back, even when the file is gone.
func TestTmpfsInodeNumbersAreNotReused(t *testing.T) {
	store := newStore(t, defaultOptions)
	seen := make(map[uint64]bool)
	for range 200 { // more than there may be at a time
		descriptor := createIn(t, store, "file")
		var stat unix.Stat_t
		wantNoError(t, "stat", unix.Fstat(descriptor, &stat))
		wantNoError(t, "closing", unix.Close(descriptor))
		wantNoError(t, "unlink", unix.Unlinkat(store.Root(), "file", 0))
		if seen[stat.Ino] {
			t.Fatalf("inode %d again", stat.Ino)
		}
		seen[stat.Ino] = true
	}
}

func TestTmpfsStoreIsNotPersistent(t *testing.T) {
	if newStore(t, defaultOptions).Persistent() {
		t.Error("a tmpfs store says that it outlives the daemon")
	}
	if !newDirectoryStore(t).Persistent() {
		t.Error("a directory store says that it does not outlive the daemon")
	}
}

// A mount's descriptor makes a store anew, with what the one before it held: so a daemon is replaced.
func TestStoreOnMountFindsWhatIsThere(t *testing.T) {
	checkNoDescriptorLeft(t)
	mount, err := MountTmpfs(defaultOptions)
	wantNoError(t, "MountTmpfs", err)
	second, err := unix.FcntlInt(uintptr(mount), unix.F_DUPFD_CLOEXEC, 0)
	wantNoError(t, "dup", err)
	store, err := StoreOnMount(mount)
	wantNoError(t, "StoreOnMount", err)
	region := NewRegion(createIn(t, store, "file"))
	_, err = region.WriteAt([]byte("kept"), 0)
	wantNoError(t, "WriteAt", err)
	handle, err := store.Identify(region.Descriptor())
	wantNoError(t, "Identify", err)
	wantNoError(t, "closing the region", region.Close())
	wantNoError(t, "closing the first store", store.Close())

	store, err = StoreOnMount(second)
	wantNoError(t, "StoreOnMount again", err)
	defer store.Close()
	descriptor, err := store.Reopen(handle, unix.O_RDONLY)
	wantNoError(t, "Reopen", err)
	got := make([]byte, 4)
	if _, err := newRegion(t, descriptor).ReadAt(got, 0); err != nil || string(got) != "kept" {
		t.Errorf("read %q, %v", got, err)
	}
}

// A kernel that knows no huge pages refuses the option; the store is made without.
func TestNewTmpfsWithoutHugePagesInTheKernel(t *testing.T) {
	checkNoDescriptorLeft(t)
	real := storeCalls.fsconfigString
	refused := 0
	replace(t, &storeCalls.fsconfigString, func(context int, key, value string) error {
		if key == "huge" {
			refused++
			return unix.EINVAL
		}
		return real(context, key, value)
	})
	options := defaultOptions
	options.Huge = "always"
	shown := mountOptions(t, newStore(t, options))
	if refused != 1 || strings.Contains(strings.Join(shown, ","), "huge=") {
		t.Errorf("refused %d times, options %v", refused, shown)
	}
}

// A kernel before 5.9 does not know inode64.
func TestNewTmpfsWithoutInode64InTheKernel(t *testing.T) {
	checkNoDescriptorLeft(t)
	replace(t, &storeCalls.fsconfigFlag, func(int, string) error { return unix.EINVAL })
	store := newStore(t, defaultOptions)
	wantNoError(t, "closing", unix.Close(createIn(t, store, "file")))
}
