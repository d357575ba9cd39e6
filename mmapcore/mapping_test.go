package mmapcore

import (
	"errors"
	"math"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMappingSharesTheFile(t *testing.T) {
	onEachBacking(t, func(t *testing.T, region *Region) {
		wantNoError(t, "Resize", region.Resize(3*pageSize))
		one := mapRegion(t, region, int(3*pageSize), ReadWrite)
		two, err := region.Map(pageSize, 2*int(pageSize)-5, ReadOnly)
		wantNoError(t, "Map", err)
		defer two.Unmap()
		if two.Len() != 2*int(pageSize)-5 {
			t.Errorf("length is %d", two.Len())
		}
		text := []byte("over the pages' border")
		if n, err := one.WriteAt(text, 2*pageSize-4); n != len(text) || err != nil {
			t.Fatalf("wrote %d, %v", n, err)
		}
		wantNoError(t, "Sync", one.Sync(unix.MS_SYNC))
		got := make([]byte, len(text))
		if n, err := two.ReadAt(got, pageSize-4); n != len(got) || err != nil || string(got) != string(text) {
			t.Errorf("the other mapping reads %d, %v: %q", n, err, got)
		}
		if _, err := region.ReadAt(got, 2*pageSize-4); err != nil || string(got) != string(text) {
			t.Errorf("the region reads %q, %v", got, err)
		}
	})
}

func TestMappingSyncAndAdvise(t *testing.T) {
	onEachBacking(t, func(t *testing.T, region *Region) {
		fill(t, region, 3*pageSize)
		mapping := mapRegion(t, region, int(3*pageSize)-100, ReadWrite)
		for _, flags := range []int{unix.MS_ASYNC, unix.MS_SYNC, unix.MS_SYNC | unix.MS_INVALIDATE} {
			wantNoError(t, "Sync", mapping.Sync(flags))
		}
		wantError(t, "Sync both ways", mapping.Sync(unix.MS_SYNC|unix.MS_ASYNC), unix.EINVAL)
		wantNoError(t, "Advise to the end", mapping.Advise(pageSize, 2*int(pageSize)-100, unix.MADV_WILLNEED))
		wantError(t, "unknown advice", mapping.Advise(0, int(pageSize), 9999), unix.EINVAL)
		wantNoError(t, "MADV_REMOVE", mapping.Advise(pageSize, int(pageSize), unix.MADV_REMOVE))
		wantZeros(t, region, pageSize, 2*pageSize)
		readOnly := mapRegion(t, region, int(pageSize), ReadOnly)
		wantError(t, "MADV_REMOVE when read-only", readOnly.Advise(0, int(pageSize), unix.MADV_REMOVE), unix.EACCES)
		wantNoError(t, "Resize", region.Resize(0))
		err := mapping.Advise(0, int(pageSize), unix.MADV_POPULATE_READ)
		wantError(t, "populating past the end (Linux 5.14 and later)", err, ErrFault)
	})
}

func TestMappingRefusesArguments(t *testing.T) {
	onEachBacking(t, func(t *testing.T, region *Region) {
		fill(t, region, 2*pageSize)
		length := 2*int(pageSize) - 4
		mapping := mapRegion(t, region, length, ReadWrite)
		end, page := int64(length), int(pageSize)
		two := make([]byte, 2)
		restore := replace(t, &kernel, kernel)
		forbidSystemCalls(t)
		cases := []struct {
			name string
			err  error
		}{
			{"ReadAt -1", second(mapping.ReadAt(two, -1))},
			{"ReadAt over the end", second(mapping.ReadAt(two, end-1))},
			{"ReadAt far", second(mapping.ReadAt(two, math.MaxInt64))},
			{"ReadAt more than all", second(mapping.ReadAt(make([]byte, length+1), 0))},
			{"WriteAt -1", second(mapping.WriteAt(two, -1))},
			{"WriteAt over the end", second(mapping.WriteAt(two, end-1))},
			{"Load32 -4", second(mapping.Load32(-4))},
			{"Load32 at 2", second(mapping.Load32(2))},
			{"Load32 at the end", second(mapping.Load32(end))},
			{"Load64 at 4", second(mapping.Load64(4))},
			{"Load64 over the end", second(mapping.Load64(end - 4))},
			{"Load64 far", second(mapping.Load64(math.MaxInt64 &^ 7))},
			{"Store32 at 1", mapping.Store32(1, 1)},
			{"Store64 at 1", mapping.Store64(1, 1)},
			{"CompareAndSwap32 at 1", second(mapping.CompareAndSwap32(1, 1, 1))},
			{"CompareAndSwap64 at 1", second(mapping.CompareAndSwap64(1, 1, 1))},
			{"Add32 at 1", second(mapping.Add32(1, 1))},
			{"Add64 at 1", second(mapping.Add64(1, 1))},
			{"FutexWait at 1", mapping.FutexWait(1, 0, 0)},
			{"FutexWait -4", mapping.FutexWait(-4, 0, 0)},
			{"FutexWait at the end", mapping.FutexWait(end, 0, 0)},
			{"FutexWait for -1", mapping.FutexWait(0, 0, -1)},
			{"FutexWake at 1", second(mapping.FutexWake(1, 1))},
			{"FutexWake at the end", second(mapping.FutexWake(end, 1))},
			{"FutexWake none", second(mapping.FutexWake(0, 0))},
			{"FutexWake -1", second(mapping.FutexWake(0, -1))},
			{"FutexWake too many", second(mapping.FutexWake(0, math.MaxInt32+1))},
			{"Advise -1", mapping.Advise(-int64(page), page, unix.MADV_NORMAL)},
			{"Advise within a page", mapping.Advise(1, page, unix.MADV_NORMAL)},
			{"Advise to within a page", mapping.Advise(0, 1, unix.MADV_NORMAL)},
			{"Advise nothing", mapping.Advise(0, 0, unix.MADV_NORMAL)},
			{"Advise over the end", mapping.Advise(0, length+4, unix.MADV_NORMAL)},
			{"Advise too much", mapping.Advise(int64(page), math.MaxInt, unix.MADV_NORMAL)},
		}
		restore()
		for _, c := range cases {
			if !errors.Is(c.err, unix.EINVAL) {
				t.Errorf("%s: %v, want EINVAL", c.name, c.err)
			}
		}
		if n, err := mapping.ReadAt(nil, end); n != 0 || err != nil {
			t.Errorf("reading nothing at the end: %d, %v", n, err)
		}
	})
}

func TestReadOnlyMappingRefusesStores(t *testing.T) {
	onEachBacking(t, func(t *testing.T, region *Region) {
		content := fill(t, region, pageSize)
		mapping := mapRegion(t, region, int(pageSize), ReadOnly)
		errs := map[string]error{
			"WriteAt":            second(mapping.WriteAt([]byte{1}, 0)),
			"Store32":            mapping.Store32(0, 1),
			"Store64":            mapping.Store64(0, 1),
			"CompareAndSwap32":   second(mapping.CompareAndSwap32(0, 1, 1)),
			"CompareAndSwap64":   second(mapping.CompareAndSwap64(0, 1, 1)),
			"CompareAndSwapPair": second(mapping.CompareAndSwapPair(0, Pair{1}, Pair{1})),
			"Add32":              second(mapping.Add32(0, 1)),
			"Add64":              second(mapping.Add64(0, 1)),
		}
		for name, err := range errs {
			wantError(t, name, err, unix.EACCES)
		}
		wantContent(t, region, content)
	})
}

func TestReadOnlyDescriptorCannotBeMappedForWriting(t *testing.T) {
	onEachBacking(t, func(t *testing.T, region *Region) {
		wantNoError(t, "Resize", region.Resize(1))
		again, err := unix.Open(descriptorPath(region), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		wantNoError(t, "opening for reading", err)
		reader := newRegion(t, again)
		wantError(t, "Map", second(reader.Map(0, 1, ReadWrite)), unix.EACCES)
		mapRegion(t, reader, 1, ReadOnly)
		wantError(t, "Resize", reader.Resize(0), unix.EINVAL)
		wantError(t, "Reserve", reader.Reserve(0, 1, true), unix.EBADF)
		wantError(t, "WriteAt", second(reader.WriteAt([]byte{1}, 0)), unix.EBADF)
	})
}

// accesses is one call of each method that reaches the mapping's memory at offset, which is a multiple of 8.
func accesses(mapping *Mapping, offset int64) map[string]func() error {
	into, from := make([]byte, 16), make([]byte, 16)
	return map[string]func() error{
		"ReadAt":           func() error { return second(mapping.ReadAt(into, offset)) },
		"WriteAt":          func() error { return second(mapping.WriteAt(from, offset)) },
		"Load32":           func() error { return second(mapping.Load32(offset)) },
		"Load64":           func() error { return second(mapping.Load64(offset)) },
		"Store32":          func() error { return mapping.Store32(offset, 0) },
		"Store64":          func() error { return mapping.Store64(offset, 0) },
		"CompareAndSwap32": func() error { return second(mapping.CompareAndSwap32(offset, 0, 0)) },
		"CompareAndSwap64": func() error { return second(mapping.CompareAndSwap64(offset, 0, 0)) },
		"CompareAndSwapPair": func() error {
			return second(mapping.CompareAndSwapPair(offset&^(pairSize-1), Pair{}, Pair{}))
		},
		"Add32": func() error { return second(mapping.Add32(offset, 0)) },
		"Add64": func() error { return second(mapping.Add64(offset, 0)) },
		"FutexWait": func() error {
			err := mapping.FutexWait(offset, 0, 0)
			if errors.Is(err, unix.ETIMEDOUT) {
				return nil
			}
			return err
		},
		"FutexWake": func() error { return second(mapping.FutexWake(offset, 1)) },
	}
}

func TestUnmapIsFinal(t *testing.T) {
	onEachBacking(t, func(t *testing.T, region *Region) {
		wantNoError(t, "Resize", region.Resize(pageSize))
		mapping, err := region.Map(0, int(pageSize), ReadWrite)
		wantNoError(t, "Map", err)
		if mappings := heldMappings(t); len(mappings) != 1 {
			t.Errorf("mappings are %v", mappings)
		}
		for name, access := range accesses(mapping, 0) {
			wantNoError(t, name, access())
		}
		wantNoError(t, "Unmap", mapping.Unmap())
		if mappings := heldMappings(t); len(mappings) != 0 {
			t.Errorf("mappings after Unmap are %v", mappings)
		}
		wantNoError(t, "second Unmap", mapping.Unmap())
		for name, access := range accesses(mapping, 0) {
			wantError(t, name, access(), ErrClosed)
		}
		wantError(t, "Sync", mapping.Sync(unix.MS_SYNC), ErrClosed)
		wantError(t, "Advise", mapping.Advise(0, int(pageSize), unix.MADV_NORMAL), ErrClosed)
	})
}

func TestUnmapDuringAccesses(t *testing.T) {
	onEachBacking(t, func(t *testing.T, region *Region) {
		wantNoError(t, "Resize", region.Resize(pageSize))
		for range 4 {
			mapping, err := region.Map(0, int(pageSize), ReadWrite)
			wantNoError(t, "Map", err)
			var users, unmappers sync.WaitGroup
			var started sync.WaitGroup
			for name, access := range accesses(mapping, 8) {
				started.Add(1)
				users.Go(func() {
					err := access()
					for started.Done(); err == nil; err = access() {
					}
					if !errors.Is(err, ErrClosed) {
						t.Errorf("%s: %v", name, err)
					}
				})
			}
			started.Wait()
			for range 3 {
				unmappers.Go(func() {
					if err := mapping.Unmap(); err != nil {
						t.Error(err)
					}
				})
			}
			unmappers.Wait()
			users.Wait()
		}
	})
}
