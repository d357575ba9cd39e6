package mmapcore

import (
	"bytes"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// growths are the ways in which a region's end moves on to newEnd.
var growths = map[string]func(region *Region, newEnd int64) error{
	"Resize":  func(region *Region, newEnd int64) error { return region.Resize(newEnd) },
	"Reserve": func(region *Region, newEnd int64) error { return region.Reserve(0, newEnd, false) },
	"WriteAt": func(region *Region, newEnd int64) error {
		_, err := region.WriteAt([]byte{0}, newEnd-1)
		return err
	},
}

// scribbleAndGrow scribbles past the end of a file of size bytes, has it grow, and looks at what it gained.
func scribbleAndGrow(t *testing.T, region *Region, size, newEnd int64, grow func(region *Region, newEnd int64) error) {
	t.Helper()
	wantNoError(t, "Resize", region.Resize(0))
	wantNoError(t, "Resize", region.Resize(size))
	mapping := mapRegion(t, region, int(2*hugeSize), ReadWrite)
	content := bytes.Repeat([]byte{1}, int(size))
	// Stored, not written: a write would make tmpfs take small pages.
	_, err := mapping.WriteAt(content, 0)
	wantNoError(t, "WriteAt", err)
	if reached := scribble(t, mapping, size); reached < roundUp(size, pageSize) {
		t.Fatalf("scribbled to %d only", reached)
	}
	wantNoError(t, "growing", grow(region, newEnd))
	wantSize(t, region, newEnd)
	wantContent(t, region, content)
	wantZeros(t, region, size, newEnd)
	// And what lies past the new end must not come out by growing again.
	wantNoError(t, "growing again", region.Resize(2*hugeSize))
	wantZeros(t, region, size, 2*hugeSize)
}

func TestGrowingShowsNoScribble(t *testing.T) {
	sizes := []struct{ size, newEnd int64 }{
		{100, 101},
		{100, pageSize},
		{100, pageSize + 1},
		{100, hugeSize},
		{pageSize, pageSize + 1},
		{pageSize, hugeSize + 1},
		{2*pageSize - 1, 2 * hugeSize},
		{hugeSize - 1, hugeSize},
		{hugeSize + 1, hugeSize + pageSize + 1},
	}
	onEachBacking(t, func(t *testing.T, region *Region) {
		for name, grow := range growths {
			for _, s := range sizes {
				t.Run(fmt.Sprintf("%s from %d to %d", name, s.size, s.newEnd), func(t *testing.T) {
					scribbleAndGrow(t, region, s.size, s.newEnd, grow)
				})
			}
		}
	})
}

// The tests above prove nothing about huge pages unless the kernel lets a scribble reach past the page.
func TestScribbleReachesTheHugePagesEnd(t *testing.T) {
	checkNothingLeft(t)
	region := newRegion(t, openHuge(t))
	wantNoError(t, "Resize", region.Resize(100))
	mapping := mapRegion(t, region, int(2*hugeSize), ReadWrite)
	if reached := scribble(t, mapping, 100); reached != hugeSize {
		t.Errorf("the kernel let a scribble reach %d, not %d: has it transparent huge pages?", reached, hugeSize)
	}
}

// Kernels before 6.5 have no cachestat(2); the page's rest and the huge page's must read zero there too.
func TestGrowingShowsNoScribbleWithoutCachestat(t *testing.T) {
	for _, errno := range []unix.Errno{unix.ENOSYS, unix.EPERM, unix.EOPNOTSUPP} {
		onEachBacking(t, func(t *testing.T, region *Region) {
			denyCachestat(t, errno)
			scribbleAndGrow(t, region, 100, hugeSize, growths["Resize"])
		})
	}
}

// denyPunch makes the file system one that has no holes.
func denyPunch(t *testing.T) {
	real := kernel.fallocate
	replace(t, &kernel.fallocate, func(descriptor int, mode uint32, offset, length int64) error {
		if mode&unix.FALLOC_FL_PUNCH_HOLE != 0 {
			return unix.EOPNOTSUPP
		}
		return real(descriptor, mode, offset, length)
	})
}

func TestGrowingShowsNoScribbleWithoutHoles(t *testing.T) {
	for name, grow := range growths {
		for _, newEnd := range []int64{101, pageSize, pageSize + 1, hugeSize} {
			t.Run(fmt.Sprintf("%s to %d", name, newEnd), func(t *testing.T) {
				checkNothingLeft(t)
				region := newRegion(t, openMemfd(t))
				denyPunch(t)
				scribbleAndGrow(t, region, 100, newEnd, grow)
			})
		}
	}
}

// Where zeros were written past the end and growing fails, the end goes back to where it was.
func TestFailedGrowthWithoutHolesSetsTheSizeBack(t *testing.T) {
	for name, grow := range growths {
		t.Run(name, func(t *testing.T) {
			checkNothingLeft(t)
			region := newRegion(t, openMemfd(t))
			content := fill(t, region, 100)
			first := kernel
			restore := replace(t, &kernel, kernel)
			kernel.fallocate = func(_ int, mode uint32, _, _ int64) error {
				if mode&unix.FALLOC_FL_PUNCH_HOLE != 0 {
					return unix.EOPNOTSUPP
				}
				return unix.ENOSPC
			}
			kernel.ftruncate = func(descriptor int, size int64) error {
				if size == 3*pageSize {
					return unix.ENOSPC
				}
				return first.ftruncate(descriptor, size)
			}
			kernel.pwrite = func(descriptor int, from []byte, offset int64) (int, error) {
				if offset >= pageSize {
					return -1, unix.ENOSPC
				}
				return first.pwrite(descriptor, from, offset)
			}
			wantError(t, "growing", grow(region, 3*pageSize), unix.ENOSPC)
			wantSize(t, region, 100)
			kernel.ftruncate = func(int, int64) error { return unix.EIO }
			err := grow(region, 3*pageSize)
			wantError(t, "growing, without a way back", err, unix.EIO)
			if name != "Resize" {
				wantError(t, "growing, without a way back", err, unix.ENOSPC)
			}
			restore()
			wantNoError(t, "Resize back", region.Resize(100))
			wantNoError(t, "growing", grow(region, 3*pageSize))
			wantContent(t, region, content)
			wantZeros(t, region, 100, 3*pageSize)
		})
	}
}
