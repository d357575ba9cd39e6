package mmapcore

import (
	"math"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func wantHuge(t *testing.T, region *Region, want int64) {
	t.Helper()
	before := blocks(t, region)
	got, err := region.HugeBytes()
	if err != nil || got != want {
		t.Errorf("%d bytes in huge pages, %v; want %d", got, err, want)
	}
	if after := blocks(t, region); after != before {
		t.Errorf("looking at huge pages changed %d bytes of memory to %d", before, after)
	}
}

// checkNoUserfaultfdLeft does for userfaultfds what checkNothingLeft does for other descriptors.
func checkNoUserfaultfdLeft(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		entries, err := os.ReadDir("/proc/self/fd")
		wantNoError(t, "reading descriptors", err)
		for _, entry := range entries {
			if target, err := os.Readlink("/proc/self/fd/" + entry.Name()); err == nil && strings.Contains(target, "userfaultfd") {
				t.Errorf("descriptor %s is a userfaultfd", entry.Name())
			}
		}
	})
}

// newHugeRegion makes an empty region whose pages are huge.
func newHugeRegion(t *testing.T) *Region {
	t.Helper()
	checkNothingLeft(t)
	checkNoUserfaultfdLeft(t)
	return newRegion(t, openHuge(t))
}

func TestHugeBytesOfTouchedPages(t *testing.T) {
	region := newHugeRegion(t)
	wantHuge(t, region, 0)
	wantNoError(t, "Resize", region.Resize(8*hugeSize))
	wantHuge(t, region, 0)
	mapping := mapRegion(t, region, int(8*hugeSize), ReadWrite)
	for i, place := range []int64{2, 3, 6} {
		wantNoError(t, "Store32", mapping.Store32(place*hugeSize+hugeSize/2, 1))
		wantHuge(t, region, int64(i+1)*hugeSize)
	}
	wantNoError(t, "Punch", region.Punch(3*hugeSize, hugeSize))
	wantHuge(t, region, 2*hugeSize)
	wantNoError(t, "Resize", region.Resize(0))
	wantHuge(t, region, 0)
}

// A huge page may reach beyond the end of the file; what is there is not counted.
func TestHugeBytesEndWithTheFile(t *testing.T) {
	region := newHugeRegion(t)
	wantNoError(t, "Resize", region.Resize(2*hugeSize))
	mapping := mapRegion(t, region, int(2*hugeSize), ReadWrite)
	wantNoError(t, "Store32", mapping.Store32(hugeSize, 1))
	wantNoError(t, "Resize", region.Resize(2*hugeSize-pageSize-1)) // within the page before the last
	resident, err := region.Residency(0, 2*hugeSize-pageSize-1)
	wantNoError(t, "Residency", err)
	huge, err := region.HugeBytes()
	wantNoError(t, "HugeBytes", err)
	if huge != 0 && huge != hugeSize-pageSize { // the kernel may split the page that the end is in
		t.Errorf("%d bytes in huge pages", huge)
	}
	if huge > resident.Resident {
		t.Errorf("%d bytes in huge pages, %d in memory", huge, resident.Resident)
	}
}

func TestHugeBytesOfSmallPages(t *testing.T) {
	checkNothingLeft(t)
	checkNoUserfaultfdLeft(t)
	store := newStore(t, TmpfsOptions{Size: 64 << 20, Inodes: 10, Huge: "never", Mode: 0o700})
	region := newRegion(t, createIn(t, store, "file"))
	wantNoError(t, "Resize", region.Resize(3*hugeSize))
	_, err := region.WriteAt(make([]byte, hugeSize), hugeSize)
	wantNoError(t, "WriteAt", err)
	_, err = region.WriteAt([]byte{1}, 2*hugeSize+hugeSize/2)
	wantNoError(t, "WriteAt", err)
	wantHuge(t, region, 0)
}

// What was reserved and not touched stays so.
func TestHugeBytesTouchNoReservedPage(t *testing.T) {
	region := newHugeRegion(t)
	wantNoError(t, "Resize", region.Resize(4*hugeSize))
	wantNoError(t, "Reserve", region.Reserve(hugeSize, hugeSize, false))
	wantHuge(t, region, 0)
	wantError(t, "NextData", second(region.NextData(0)), unix.ENXIO)
}

func TestHugeBytesOfASparseFile(t *testing.T) {
	region := newHugeRegion(t)
	wantNoError(t, "Resize", region.Resize(math.MaxInt64))
	for _, offset := range []int64{0, hugeWindow - hugeSize, hugeWindow, 1 << 40, 1 << 62} {
		mapping, err := region.Map(offset, int(hugeSize), ReadWrite)
		wantNoError(t, "Map", err)
		wantNoError(t, "Store32", mapping.Store32(hugeSize-4, 1))
		wantNoError(t, "Unmap", mapping.Unmap())
	}
	_, err := region.WriteAt([]byte{1}, math.MaxInt64-pageSize) // which no window reaches
	wantNoError(t, "WriteAt", err)
	start := time.Now()
	wantHuge(t, region, 5*hugeSize)
	if took := time.Since(start); took > time.Minute {
		t.Errorf("took %v", took)
	}
}

// While others punch and store, the look neither fails nor makes a page.
func TestHugeBytesWhileTheFileChanges(t *testing.T) {
	region := newHugeRegion(t)
	wantNoError(t, "Resize", region.Resize(4*hugeSize))
	done := make(chan struct{})
	var changing sync.WaitGroup
	changing.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			if _, err := region.WriteAt([]byte{1}, hugeSize); err != nil {
				t.Errorf("WriteAt: %v", err)
			}
			if err := region.Punch(0, 4*hugeSize); err != nil {
				t.Errorf("Punch: %v", err)
			}
		}
	})
	for range 2000 {
		if huge, err := region.HugeBytes(); err != nil || huge > hugeSize {
			t.Errorf("%d bytes in huge pages, %v", huge, err)
		}
	}
	close(done)
	changing.Wait()
	if got := blocks(t, region); got != 0 {
		t.Errorf("%d bytes were made in a file without pages", got)
	}
}

// A page that goes between the look for data and the fault is not made again.
func TestHugeBytesOfAPageThatGoes(t *testing.T) {
	region := newHugeRegion(t)
	wantNoError(t, "Resize", region.Resize(2*hugeSize))
	_, err := region.WriteAt([]byte{1}, 0)
	wantNoError(t, "WriteAt", err)
	real, populated := kernel.madvise, 0
	replace(t, &kernel.madvise, func(memory []byte, advice int) error {
		populated++
		wantNoError(t, "Punch", region.Punch(0, hugeSize))
		return real(memory, advice)
	})
	huge, err := region.HugeBytes()
	if err != nil || huge != 0 || populated == 0 {
		t.Errorf("%d bytes in huge pages, %v, after %d looks", huge, err, populated)
	}
	if got := blocks(t, region); got != 0 {
		t.Errorf("%d bytes were made", got)
	}
}

func TestHugeBytesOfAnotherFileSystem(t *testing.T) {
	checkNothingLeft(t)
	checkNoUserfaultfdLeft(t)
	region := newRegion(t, openInDirectory(t))
	fill(t, region, 100)
	wantError(t, "HugeBytes", second(region.HugeBytes()), unix.EINVAL)
	wantNoError(t, "Close", region.Close())
	wantError(t, "HugeBytes", second(region.HugeBytes()), ErrClosed)
}

// A region that can only be read is opened again for this.
func TestHugeBytesOfAReadOnlyRegion(t *testing.T) {
	region := newHugeRegion(t)
	wantNoError(t, "Resize", region.Resize(hugeSize))
	wantNoError(t, "Store32", mapRegion(t, region, int(hugeSize), ReadWrite).Store32(0, 1))
	descriptor, err := unix.Open(descriptorPath(region), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	wantNoError(t, "opening again", err)
	wantHuge(t, newRegion(t, descriptor), hugeSize)
}

// Each call that fails comes out with its errno and leaves nothing behind.
func TestHugeBytesFaults(t *testing.T) {
	const errno = unix.EIO
	failOpen := func(path string) func() {
		real := kernel.open
		return func() {
			kernel.open = func(opened string, flags int) (int, error) {
				if strings.HasPrefix(opened, path) {
					return -1, errno
				}
				return real(opened, flags)
			}
		}
	}
	failIoctl := func(failing uintptr) func() {
		real := kernel.ioctl
		return func() {
			kernel.ioctl = func(descriptor int, request uintptr, argument unsafe.Pointer) (int, error) {
				if request == failing {
					return -1, errno
				}
				return real(descriptor, request, argument)
			}
		}
	}
	for name, fail := range map[string]func(){
		"fstat":           func() { failFstat(errno) },
		"opening again":   failOpen("/proc/self/fd/"),
		"opening pagemap": failOpen("/proc/self/pagemap"),
		"userfaultfd":     func() { kernel.userfaultfd = func(int) (int, error) { return -1, errno } },
		"setting up":      failIoctl(ioctlUserfaultUse),
		"lseek":           func() { failLseek(errno) },
		"reserving":       func() { failMmap(errno) },
		"mapping":         func() { kernel.mmapOver = func([]byte, int, int64, int, int) error { return errno } },
		"registering":     failIoctl(ioctlUserfaultRegister),
		"populating":      func() { failMadvise(errno) },
		"scanning":        failIoctl(ioctlPagemapScan),
		"unmapping":       func() { failMunmapOnce(errno) },
		"closing":         func() { kernel.close = func(descriptor int) error { _ = unix.Close(descriptor); return errno } },
	} {
		t.Run(name, func(t *testing.T) {
			region := newHugeRegion(t)
			wantNoError(t, "Resize", region.Resize(hugeSize))
			wantNoError(t, "Store32", mapRegion(t, region, int(hugeSize), ReadWrite).Store32(0, 1))
			restore := replace(t, &kernel, kernel)
			fail()
			_, err := region.HugeBytes()
			restore()
			wantError(t, "HugeBytes", err, errno)
			wantHuge(t, region, hugeSize)
		})
	}
}

func TestHugeBytesWhereHugePagesAreDisabled(t *testing.T) {
	region := newHugeRegion(t)
	replace(t, &kernel.prctl, func(int) (int, error) { return 1, nil })
	wantError(t, "HugeBytes", second(region.HugeBytes()), unix.EOPNOTSUPP)
}

func TestHugeBytesOfTooManyPlaces(t *testing.T) {
	region := newHugeRegion(t)
	wantNoError(t, "Resize", region.Resize(2*hugeSize))
	_, err := region.WriteAt(make([]byte, 2*hugeSize), 0)
	wantNoError(t, "WriteAt", err)
	look, err := region.newHugeLook()
	wantNoError(t, "newHugeLook", err)
	look.places = mostHugePlaces - 1
	_, err = look.count(2 * hugeSize)
	wantNoError(t, "close", look.close())
	wantError(t, "count", err, unix.EFBIG)
}
