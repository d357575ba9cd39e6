package mmapcore

import (
	"errors"
	"io"
	"math"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRegionCloseIsFinal(t *testing.T) {
	onEachBacking(t, func(t *testing.T, region *Region) {
		wantNoError(t, "Resize", region.Resize(10))
		if region.Descriptor() < 0 {
			t.Fatal("no descriptor")
		}
		wantNoError(t, "Close", region.Close())
		wantNoError(t, "second Close", region.Close())
		if descriptor := region.Descriptor(); descriptor != -1 {
			t.Errorf("descriptor is %d after Close", descriptor)
		}
		calls := map[string]func() error{
			"Size":      func() error { _, err := region.Size(); return err },
			"Resize":    func() error { return region.Resize(1) },
			"Reserve":   func() error { return region.Reserve(0, 1, false) },
			"Punch":     func() error { return region.Punch(0, 1) },
			"Zero":      func() error { return region.Zero(0, 1) },
			"ReadAt":    func() error { _, err := region.ReadAt(make([]byte, 1), 0); return err },
			"WriteAt":   func() error { _, err := region.WriteAt(make([]byte, 1), 0); return err },
			"Sync":      func() error { return region.Sync(false) },
			"NextData":  func() error { _, err := region.NextData(0); return err },
			"NextHole":  func() error { _, err := region.NextHole(0); return err },
			"Residency": func() error { _, err := region.Residency(0, 1); return err },
			"Map":       func() error { _, err := region.Map(0, 1, ReadOnly); return err },
		}
		for name, call := range calls {
			err := call()
			wantError(t, name, err, ErrClosed)
			wantError(t, name, err, unix.EBADF)
		}
	})
}

// While one goroutine closes, no call may reach a descriptor that is another file's by then.
func TestRegionCloseDuringCalls(t *testing.T) {
	checkNothingLeft(t)
	for range 50 {
		region := NewRegion(openMemfd(t))
		wantNoError(t, "Resize", region.Resize(1))
		var users sync.WaitGroup
		for range 3 {
			users.Go(func() {
				for {
					size, err := region.Size()
					if errors.Is(err, ErrClosed) {
						return
					}
					if err != nil || size != 1 {
						t.Errorf("size is %d, %v", size, err)
						return
					}
				}
			})
		}
		var closers sync.WaitGroup
		for range 2 {
			closers.Go(func() {
				if err := region.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		closers.Wait()
		other := openMemfd(t) // most likely the same number
		users.Wait()
		wantNoError(t, "closing", unix.Close(other))
	}
}

func TestMappingOutlivesItsRegion(t *testing.T) {
	onEachBacking(t, func(t *testing.T, region *Region) {
		_, err := region.WriteAt([]byte("kept"), 0)
		wantNoError(t, "WriteAt", err)
		mapping := mapRegion(t, region, 4, ReadOnly)
		wantNoError(t, "Close", region.Close())
		got := make([]byte, 4)
		if _, err := mapping.ReadAt(got, 0); err != nil || string(got) != "kept" {
			t.Errorf("read %q, %v", got, err)
		}
	})
}

func TestRegionRefusesArguments(t *testing.T) {
	onEachBacking(t, func(t *testing.T, region *Region) {
		wantNoError(t, "Resize", region.Resize(100))
		one := make([]byte, 1)
		restore := replace(t, &kernel, kernel)
		forbidSystemCalls(t)
		cases := []struct {
			name string
			err  error
			want error
		}{
			{"Resize -1", region.Resize(-1), unix.EINVAL},
			{"Reserve at -1", region.Reserve(-1, 1, false), unix.EINVAL},
			{"Reserve nothing", region.Reserve(0, 0, false), unix.EINVAL},
			{"Reserve -1", region.Reserve(0, -1, true), unix.EINVAL},
			{"Reserve too far", region.Reserve(math.MaxInt64, 1, false), unix.EFBIG},
			{"Punch at -1", region.Punch(-1, 1), unix.EINVAL},
			{"Punch nothing", region.Punch(0, 0), unix.EINVAL},
			{"Punch too far", region.Punch(1, math.MaxInt64), unix.EFBIG},
			{"Zero at -1", region.Zero(-1, 1), unix.EINVAL},
			{"Zero nothing", region.Zero(0, 0), unix.EINVAL},
			{"Zero too far", region.Zero(2, math.MaxInt64-1), unix.EFBIG},
			{"ReadAt -1", second(region.ReadAt(one, -1)), unix.EINVAL},
			{"ReadAt too far", second(region.ReadAt(one, math.MaxInt64)), unix.EINVAL},
			{"WriteAt -1", second(region.WriteAt(one, -1)), unix.EINVAL},
			{"WriteAt too far", second(region.WriteAt(one, math.MaxInt64)), unix.EFBIG},
			{"NextData -1", second(region.NextData(-1)), unix.EINVAL},
			{"NextHole -1", second(region.NextHole(-1)), unix.EINVAL},
			{"Residency at -1", second(region.Residency(-1, 1)), unix.EINVAL},
			{"Residency -1", second(region.Residency(0, -1)), unix.EINVAL},
			{"Residency too far", second(region.Residency(1, math.MaxInt64)), unix.EINVAL},
			{"Map at -1", second(region.Map(-pageSize, 1, ReadOnly)), unix.EINVAL},
			{"Map within a page", second(region.Map(1, 1, ReadOnly)), unix.EINVAL},
			{"Map nothing", second(region.Map(0, 0, ReadOnly)), unix.EINVAL},
			{"Map -1", second(region.Map(0, -1, ReadOnly)), unix.EINVAL},
			{"Map too far", second(region.Map(math.MaxInt64/pageSize*pageSize, 1, ReadOnly)), unix.EOVERFLOW},
			{"Map too much", second(region.Map(pageSize, math.MaxInt64, ReadOnly)), unix.EOVERFLOW},
			{"Map for nothing", second(region.Map(0, 1, Access(2))), unix.EINVAL},
			{"Map for less", second(region.Map(0, 1, Access(-1))), unix.EINVAL},
		}
		restore()
		for _, c := range cases {
			if !errors.Is(c.err, c.want) {
				t.Errorf("%s: %v, want %v", c.name, c.err, c.want)
			}
		}
		wantSize(t, region, 100)
	})
}

func second[T any](_ T, err error) error { return err }

// forbidSystemCalls makes every system call that an argument could reach fail the test.
func forbidSystemCalls(t *testing.T) {
	forbidden := func(name string) error { t.Errorf("%s was called", name); return unix.EIO }
	kernel.fallocate = func(int, uint32, int64, int64) error { return forbidden("fallocate") }
	kernel.ftruncate = func(int, int64) error { return forbidden("ftruncate") }
	kernel.pread = func(int, []byte, int64) (int, error) { return 0, forbidden("pread") }
	kernel.pwrite = func(int, []byte, int64) (int, error) { return 0, forbidden("pwrite") }
	kernel.fstat = func(int, *unix.Stat_t) error { return forbidden("fstat") }
	kernel.lseek = func(int, int64, int) (int64, error) { return 0, forbidden("lseek") }
	kernel.cachestat = func(uint, *unix.CachestatRange, *unix.Cachestat_t, uint) error { return forbidden("cachestat") }
	kernel.mmap = func(int, int64, int, int, int) ([]byte, error) { return nil, forbidden("mmap") }
	kernel.madvise = func([]byte, int) error { return forbidden("madvise") }
	kernel.futexWaitAny = func([]futexWaiter, *unix.Timespec) (int, error) { return 0, forbidden("futex_waitv") }
}

func TestNextDataAndHole(t *testing.T) {
	onEachBacking(t, func(t *testing.T, region *Region) {
		_, err := region.NextData(0)
		wantError(t, "NextData of an empty file", err, unix.ENXIO)
		// Apart by more than any page, so that huge pages make no difference.
		data, end := 2*hugeSize, 6*hugeSize
		wantNoError(t, "Resize", region.Resize(end))
		_, err = region.WriteAt(make([]byte, hugeSize), data)
		wantNoError(t, "WriteAt", err)
		cases := []struct {
			name       string
			find       func(int64) (int64, error)
			from, want int64
		}{
			{"NextData", region.NextData, 0, data},
			{"NextData", region.NextData, data + 5, data + 5},
			{"NextHole", region.NextHole, 0, 0},
			{"NextHole", region.NextHole, data, data + hugeSize},
		}
		for _, c := range cases {
			if found, err := c.find(c.from); err != nil || found != c.want {
				t.Errorf("%s from %d: %d, %v; want %d", c.name, c.from, found, err, c.want)
			}
		}
		_, err = region.NextData(data + hugeSize)
		wantError(t, "NextData after the last", err, unix.ENXIO)
		_, err = region.NextHole(end)
		wantError(t, "NextHole at the end", err, unix.ENXIO)
	})
}

func TestBulkAccess(t *testing.T) {
	onEachBacking(t, func(t *testing.T, region *Region) {
		n, err := region.WriteAt([]byte("hello"), 3)
		if n != 5 || err != nil {
			t.Fatalf("wrote %d, %v", n, err)
		}
		wantSize(t, region, 8)
		got := make([]byte, 8)
		if n, err := region.ReadAt(got, 0); n != 8 || err != nil || string(got) != "\x00\x00\x00hello" {
			t.Errorf("read %d, %v: %q", n, err, got)
		}
		if n, err := region.ReadAt(got, 5); n != 3 || err != io.EOF || string(got[:3]) != "llo" {
			t.Errorf("read over the end: %d, %v: %q", n, err, got[:3])
		}
		if n, err := region.ReadAt(nil, 0); n != 0 || err != nil {
			t.Errorf("read nothing: %d, %v", n, err)
		}
		if n, err := region.WriteAt(nil, 100); n != 0 || err != nil {
			t.Errorf("wrote nothing: %d, %v", n, err)
		}
		wantSize(t, region, 8)
		wantNoError(t, "Sync", region.Sync(false))
		wantNoError(t, "Sync of data", region.Sync(true))
	})
}

// Appends by many goroutines, with gaps, lose nothing to each other's clearing of the gap.
func TestConcurrentExtendingWritesKeepAllBytes(t *testing.T) {
	onEachBacking(t, func(t *testing.T, region *Region) {
		const writers, each, step = 4, 60, 24
		var done sync.WaitGroup
		for writer := range writers {
			done.Go(func() {
				for i := range each {
					offset := int64((i*writers + writer) * step)
					if _, err := region.WriteAt([]byte{1, 2, 3, 4}, offset); err != nil {
						t.Error(err)
					}
				}
			})
		}
		done.Wait()
		got := make([]byte, 4)
		for i := range int64(writers * each) {
			if _, err := region.ReadAt(got, i*step); err != nil || string(got) != "\x01\x02\x03\x04" {
				t.Fatalf("at %d: %v, %v", i*step, got, err)
			}
		}
	})
}
