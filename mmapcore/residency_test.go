package mmapcore

import (
	"math"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// residencyWays are the two ways of asking the kernel. Each test of both must hold for both.
var residencyWays = map[string]func(t *testing.T){
	"cachestat": requireCachestat,
	"mincore":   func(t *testing.T) { denyCachestat(t, unix.ENOSYS) },
}

func denyCachestat(t *testing.T, errno unix.Errno) {
	replace(t, &kernel.cachestat, func(uint, *unix.CachestatRange, *unix.Cachestat_t, uint) error { return errno })
}

// requireCachestat makes it an error not to get an answer from cachestat(2): no test may take the other way unnoticed.
func requireCachestat(t *testing.T) {
	real := kernel.cachestat
	replace(t, &kernel.cachestat, func(descriptor uint, of *unix.CachestatRange, into *unix.Cachestat_t, flags uint) error {
		err := real(descriptor, of, into, flags)
		if err != nil {
			t.Errorf("cachestat (Linux 6.5 and later): %v", err)
		}
		return err
	})
}

func onEachWay(t *testing.T, test func(t *testing.T)) {
	for name, prepare := range residencyWays {
		t.Run(name, func(t *testing.T) { prepare(t); test(t) })
	}
}

func wantResident(t *testing.T, region *Region, offset, length, want int64) {
	t.Helper()
	got, err := region.Residency(offset, length)
	if err != nil || got.Resident != want {
		t.Errorf("resident of %d bytes at %d: %d, %v; want %d", length, offset, got.Resident, err, want)
	}
}

// On tmpfs the blocks that fstat(2) counts are the truth; here, moreover, the pages touched are known.
func TestResidencyOfTouchedPages(t *testing.T) {
	onEachWay(t, func(t *testing.T) {
		checkNothingLeft(t)
		region := newRegion(t, openMemfd(t))
		wantNoError(t, "Resize", region.Resize(1000*pageSize))
		for _, page := range []int64{0, 1, 5, 500, 999} {
			_, err := region.WriteAt([]byte{1}, page*pageSize+7)
			wantNoError(t, "WriteAt", err)
		}
		wantResident(t, region, 0, 1000*pageSize, 5*pageSize)
		wantResident(t, region, 0, 1000*pageSize, blocks(t, region))
		wantResident(t, region, 0, math.MaxInt64, 5*pageSize)
		wantResident(t, region, 0, 0, 0)
		wantResident(t, region, 0, 1, pageSize)
		wantResident(t, region, 2*pageSize, 3*pageSize, 0)
		wantResident(t, region, 2*pageSize, 3*pageSize+1, pageSize)
		wantResident(t, region, pageSize-1, 2, 2*pageSize)
		wantNoError(t, "Punch", region.Punch(pageSize, pageSize))
		wantResident(t, region, 0, 1000*pageSize, 4*pageSize)
	})
}

func TestResidencyOfHugePages(t *testing.T) {
	onEachWay(t, func(t *testing.T) {
		checkNothingLeft(t)
		region := newRegion(t, openHuge(t))
		wantNoError(t, "Resize", region.Resize(4*hugeSize))
		mapping := mapRegion(t, region, int(4*hugeSize), ReadWrite)
		wantNoError(t, "Store32", mapping.Store32(hugeSize, 1))
		wantResident(t, region, 0, 4*hugeSize, hugeSize)
		wantResident(t, region, 0, 4*hugeSize, blocks(t, region))
		wantResident(t, region, hugeSize+3*pageSize, 2*pageSize, 2*pageSize)
	})
}

// A file on a disk has what was read or written in memory, until it is dropped.
func TestResidencyOfADiskFile(t *testing.T) {
	onEachWay(t, func(t *testing.T) {
		checkNothingLeft(t)
		region := newRegion(t, openInDirectory(t))
		if onTmpfs(t, region) {
			t.Fatal("the temporary directory is on tmpfs: set TMPDIR to a directory on a disk")
		}
		fill(t, region, 64*pageSize)
		wantResident(t, region, 0, 64*pageSize, 64*pageSize)
		wantNoError(t, "Sync", region.Sync(false))
		if got, err := region.Residency(0, 64*pageSize); err != nil || got.Dirty != 0 {
			t.Errorf("dirty after Sync: %d, %v", got.Dirty, err)
		}
		drop := func() error { return unix.Fadvise(region.Descriptor(), 0, 0, unix.FADV_DONTNEED) }
		wantNoError(t, "dropping", drop())
		wantResident(t, region, 0, 64*pageSize, 0)
		wantNoError(t, "no readahead", unix.Fadvise(region.Descriptor(), 0, 0, unix.FADV_RANDOM))
		for _, page := range []int64{0, 30, 63} {
			_, err := region.ReadAt(make([]byte, 1), page*pageSize)
			wantNoError(t, "ReadAt", err)
		}
		wantResident(t, region, 0, 64*pageSize, 3*pageSize)
	})
}

// The one difference between the two ways.
func TestResidencyOfReservedPages(t *testing.T) {
	checkNothingLeft(t)
	region := newRegion(t, openMemfd(t))
	wantNoError(t, "Reserve", region.Reserve(0, 8*pageSize, true))
	wantNoError(t, "Resize", region.Resize(4*pageSize))
	wantResident(t, region, 0, 4*pageSize, 4*pageSize)
	wantResident(t, region, 0, 8*pageSize, 8*pageSize)
	denyCachestat(t, unix.ENOSYS)
	wantResident(t, region, 0, 8*pageSize, 0)
}

// A file may claim the largest size there is; asking about it must not take for ever.
func TestResidencyOfASparseFile(t *testing.T) {
	onEachWay(t, func(t *testing.T) {
		checkNothingLeft(t)
		region := newRegion(t, openMemfd(t))
		wantNoError(t, "Resize", region.Resize(math.MaxInt64))
		for _, offset := range []int64{0, residencyWindow - pageSize, residencyWindow, 1 << 40, 1 << 62, math.MaxInt64 - 2*pageSize} {
			_, err := region.WriteAt([]byte{1}, offset)
			wantNoError(t, "WriteAt", err)
		}
		start := time.Now()
		wantResident(t, region, 0, math.MaxInt64, 6*pageSize)
		if took := time.Since(start); took > time.Minute {
			t.Errorf("took %v", took)
		}
		wantResident(t, region, 1<<40, 1<<61, pageSize)
	})
}

func TestResidencyCountsInBytes(t *testing.T) {
	checkNothingLeft(t)
	region := newRegion(t, openMemfd(t))
	replace(t, &kernel.cachestat, func(_ uint, of *unix.CachestatRange, into *unix.Cachestat_t, _ uint) error {
		if of.Off != 5 || of.Len != 7 {
			t.Errorf("asked about %+v", of)
		}
		*into = unix.Cachestat_t{Cache: 1, Dirty: 2, Writeback: 4, Evicted: 8, Recently_evicted: 16}
		return nil
	})
	got, err := region.Residency(5, 7)
	want := Residency{Resident: pageSize, Dirty: 2 * pageSize, Evicted: 8 * pageSize}
	if err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
}
