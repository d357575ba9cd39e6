package mmapcore

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"golang.org/x/sys/unix"
)

// onTmpfs tells whether a file is on tmpfs: a temporary directory may be, or on a disk.
func onTmpfs(t *testing.T, region *Region) bool {
	t.Helper()
	var status unix.Statfs_t
	wantNoError(t, "fstatfs", unix.Fstatfs(region.Descriptor(), &status))
	return status.Type == unix.TMPFS_MAGIC
}

// blocks are the bytes that a file takes.
func blocks(t *testing.T, region *Region) int64 {
	t.Helper()
	var status unix.Stat_t
	wantNoError(t, "fstat", unix.Fstat(region.Descriptor(), &status))
	return status.Blocks * 512
}

func TestResize(t *testing.T) {
	onEachBacking(t, func(t *testing.T, region *Region) {
		for _, size := range []int64{0, 1, pageSize, pageSize + 1, 3 * hugeSize, 5, 0} {
			wantNoError(t, "Resize", region.Resize(size))
			wantSize(t, region, size)
		}
		if err := region.Resize(math.MaxInt64); err == nil {
			wantSize(t, region, math.MaxInt64) // tmpfs
			wantNoError(t, "Resize back", region.Resize(0))
		} else {
			wantError(t, "Resize to the utmost", err, unix.EFBIG)
			wantSize(t, region, 0)
		}
	})
}

// At the largest offsets the rounding up to pages and huge pages must not overflow.
func TestResizeFromTheLastPage(t *testing.T) {
	checkNothingLeft(t)
	region := newRegion(t, openMemfd(t))
	for _, size := range []int64{math.MaxInt64 - hugeSize - 1, math.MaxInt64 - pageSize, math.MaxInt64 - 1} {
		wantNoError(t, "Resize", region.Resize(size))
		wantNoError(t, "Resize to the utmost", region.Resize(math.MaxInt64))
		wantSize(t, region, math.MaxInt64)
	}
}

func TestReserve(t *testing.T) {
	onEachBacking(t, func(t *testing.T, region *Region) {
		wantNoError(t, "Reserve and keep the size", region.Reserve(0, 2*hugeSize, true))
		wantSize(t, region, 0)
		if taken := blocks(t, region); taken < 2*hugeSize {
			t.Errorf("%d bytes are taken, want %d", taken, 2*hugeSize)
		}
		wantNoError(t, "Reserve", region.Reserve(10, hugeSize, false))
		wantSize(t, region, hugeSize+10)
		wantNoError(t, "Reserve inside", region.Reserve(0, 10, false))
		wantSize(t, region, hugeSize+10)
	})
}

// What was reserved past the end stays reserved when the file grows over it, scribbled over or not.
func TestGrowingKeepsReservations(t *testing.T) {
	onEachBacking(t, func(t *testing.T, region *Region) {
		const size = 100
		wantNoError(t, "Resize", region.Resize(size))
		wantNoError(t, "Reserve", region.Reserve(0, hugeSize, true))
		mapping := mapRegion(t, region, int(hugeSize), ReadWrite)
		scribble(t, mapping, size)
		before := blocks(t, region)
		wantNoError(t, "Resize", region.Resize(pageSize+5))
		wantNoError(t, "Resize", region.Resize(hugeSize))
		if after := blocks(t, region); after < min(before, hugeSize) {
			t.Errorf("%d bytes were taken, and are %d", before, after)
		}
		wantZeros(t, region, size, hugeSize)
	})
}

func TestReserveMoreThanThereIs(t *testing.T) {
	checkNothingLeft(t)
	region := newRegion(t, openHuge(t)) // on 64 MiB
	wantNoError(t, "Resize", region.Resize(100))
	wantError(t, "Reserve", region.Reserve(0, 1<<30, false), unix.ENOSPC)
	wantSize(t, region, 100)
	wantNoError(t, "Resize to more than there is", region.Resize(1<<30))
	wantNoError(t, "Reserve less", region.Reserve(0, 1<<20, false))
}

func TestPunch(t *testing.T) {
	onEachBacking(t, func(t *testing.T, region *Region) {
		size := 2 * hugeSize
		content := fill(t, region, size)
		wantNoError(t, "Punch", region.Punch(10, hugeSize))
		wantSize(t, region, size)
		clear(content[10 : hugeSize+10])
		wantContent(t, region, content)
		wantNoError(t, "Sync", region.Sync(false)) // a disk file system gives blocks on writing
		if taken := blocks(t, region); taken > hugeSize+2*pageSize {
			t.Errorf("%d bytes are taken after the punch", taken)
		}
		wantNoError(t, "Punch past the end", region.Punch(size, hugeSize))
		wantSize(t, region, size)
		wantContent(t, region, content)
	})
}

func TestZero(t *testing.T) {
	onEachBacking(t, func(t *testing.T, region *Region) {
		content := fill(t, region, 3*pageSize)
		err := region.Zero(10, pageSize)
		if onTmpfs(t, region) {
			wantError(t, "Zero on tmpfs", err, unix.EOPNOTSUPP)
		} else {
			wantNoError(t, "Zero", err)
			clear(content[10 : pageSize+10])
		}
		wantSize(t, region, 3*pageSize)
		wantContent(t, region, content)
	})
}

func TestSealedFile(t *testing.T) {
	checkNothingLeft(t)
	region := newRegion(t, openMemfd(t))
	wantNoError(t, "Resize", region.Resize(pageSize))
	seals := unix.F_SEAL_GROW | unix.F_SEAL_SHRINK | unix.F_SEAL_WRITE
	_, err := unix.FcntlInt(uintptr(region.Descriptor()), unix.F_ADD_SEALS, seals)
	wantNoError(t, "sealing", err)
	wantError(t, "Resize up", region.Resize(pageSize+1), unix.EPERM)
	wantError(t, "Resize down", region.Resize(1), unix.EPERM)
	wantError(t, "Reserve", region.Reserve(0, pageSize+1, false), unix.EPERM)
	wantError(t, "Punch", region.Punch(0, 1), unix.EPERM)
	wantError(t, "WriteAt", second(region.WriteAt([]byte{1}, 0)), unix.EPERM)
	wantError(t, "Map for writing", second(region.Map(0, 1, ReadWrite)), unix.EPERM)
	mapRegion(t, region, 1, ReadOnly)
	wantSize(t, region, pageSize)
}

// fill writes a region full of bytes other than 0, and returns them.
func fill(t *testing.T, region *Region, size int64) []byte {
	t.Helper()
	content := bytes.Repeat([]byte("some bytes, none of them zero; "), int(size/31)+1)[:size]
	_, err := region.WriteAt(content, 0)
	wantNoError(t, "WriteAt", err)
	return content
}

func wantContent(t *testing.T, region *Region, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := region.ReadAt(got, 0); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(got, want) {
		return
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("byte %d is %d, want %d", i, got[i], want[i])
		}
	}
}

func wantZeros(t *testing.T, region *Region, from, to int64) {
	t.Helper()
	got := make([]byte, to-from)
	if _, err := region.ReadAt(got, from); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(got, make([]byte, len(got))) {
		return
	}
	if rest := bytes.TrimLeft(got, "\x00"); len(rest) > 0 {
		t.Fatalf("byte %d is %d, want 0", to-int64(len(rest)), rest[0])
	}
}

// scribble stores past the end of the file through a mapping, as far as the kernel lets it, and returns how far that was.
func scribble(t *testing.T, mapping *Mapping, end int64) int64 {
	t.Helper()
	noise := bytes.Repeat([]byte{0xff}, mapping.Len()-int(end))
	n, err := mapping.WriteAt(noise, end)
	if err != nil && !errors.Is(err, ErrFault) {
		t.Fatal(err)
	}
	return end + int64(n)
}
