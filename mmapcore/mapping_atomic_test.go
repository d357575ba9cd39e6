package mmapcore

import (
	"encoding/binary"
	"math"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAtomics32(t *testing.T) {
	onEachBacking(t, func(t *testing.T, region *Region) {
		wantNoError(t, "Resize", region.Resize(pageSize))
		mapping := mapRegion(t, region, int(pageSize), ReadWrite)
		const at = 12
		wantNoError(t, "Store32", mapping.Store32(at, 0x80000001))
		if value, err := mapping.Load32(at); value != 0x80000001 || err != nil {
			t.Errorf("loaded %#x, %v", value, err)
		}
		if swapped, err := mapping.CompareAndSwap32(at, 1, 2); swapped || err != nil {
			t.Errorf("swapped another value: %v, %v", swapped, err)
		}
		if swapped, err := mapping.CompareAndSwap32(at, 0x80000001, math.MaxUint32); !swapped || err != nil {
			t.Errorf("swapped: %v, %v", swapped, err)
		}
		if sum, err := mapping.Add32(at, 3); sum != 2 || err != nil {
			t.Errorf("sum is %d, %v", sum, err)
		}
		around := make([]byte, 12)
		_, err := region.ReadAt(around, 8)
		wantNoError(t, "ReadAt", err)
		if want := "\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00"; string(around) != want {
			t.Errorf("the file holds % x", around)
		}
	})
}

func TestAtomics64(t *testing.T) {
	onEachBacking(t, func(t *testing.T, region *Region) {
		wantNoError(t, "Resize", region.Resize(pageSize))
		mapping := mapRegion(t, region, int(pageSize), ReadWrite)
		const at, value = 16, 0x8000000100000002
		wantNoError(t, "Store64", mapping.Store64(at, value))
		if got, err := mapping.Load64(at); got != value || err != nil {
			t.Errorf("loaded %#x, %v", got, err)
		}
		if swapped, err := mapping.CompareAndSwap64(at, 2, 3); swapped || err != nil {
			t.Errorf("swapped another value: %v, %v", swapped, err)
		}
		if swapped, err := mapping.CompareAndSwap64(at, value, math.MaxUint64); !swapped || err != nil {
			t.Errorf("swapped: %v, %v", swapped, err)
		}
		if sum, err := mapping.Add64(at, 1<<32+1); sum != 1<<32 || err != nil {
			t.Errorf("sum is %#x, %v", sum, err)
		}
		around := make([]byte, 24)
		_, err := region.ReadAt(around, 8)
		wantNoError(t, "ReadAt", err)
		for i, want := range []uint64{0, 1 << 32, 0} {
			if got := binary.LittleEndian.Uint64(around[8*i:]); got != want {
				t.Errorf("the file holds %#x at %d, want %#x", got, 8+8*i, want)
			}
		}
	})
}

// Through two mappings of the same words, no addition is lost.
func TestAtomicsAreAtomic(t *testing.T) {
	onEachBacking(t, func(t *testing.T, region *Region) {
		wantNoError(t, "Resize", region.Resize(pageSize))
		const each = 2000
		var done sync.WaitGroup
		for range 4 {
			mapping := mapRegion(t, region, int(pageSize), ReadWrite)
			done.Go(func() {
				for range each {
					_, err32 := mapping.Add32(0, 1)
					_, err64 := mapping.Add64(8, 1)
					if err32 != nil || err64 != nil {
						t.Error(err32, err64)
					}
					increment(t, mapping)
				}
			})
		}
		done.Wait()
		mapping := mapRegion(t, region, int(pageSize), ReadOnly)
		added32, _ := mapping.Load32(0)
		added64, _ := mapping.Load64(8)
		swapped32, _ := mapping.Load32(16)
		swapped64, _ := mapping.Load64(24)
		if added32 != 4*each || added64 != 4*each || swapped32 != 4*each || swapped64 != 4*each {
			t.Errorf("counted %d, %d, %d, %d; want %d", added32, added64, swapped32, swapped64, 4*each)
		}
	})
}

// increment counts the words at 16 and 24 up with compare-and-swap.
func increment(t *testing.T, mapping *Mapping) {
	for swapped := false; !swapped; {
		value, err := mapping.Load32(16)
		if err == nil {
			swapped, err = mapping.CompareAndSwap32(16, value, value+1)
		}
		if err != nil {
			t.Error(err)
			return
		}
	}
	for swapped := false; !swapped; {
		value, err := mapping.Load64(24)
		if err == nil {
			swapped, err = mapping.CompareAndSwap64(24, value, value+1)
		}
		if err != nil {
			t.Error(err)
			return
		}
	}
}

// Semaphores stand on these: an access must cost no memory.
func TestAccessesDoNotAllocate(t *testing.T) {
	checkNothingLeft(t)
	region := newRegion(t, openMemfd(t))
	wantNoError(t, "Resize", region.Resize(pageSize))
	mapping := mapRegion(t, region, int(pageSize), ReadWrite)
	for name, access := range accesses(mapping, 8) {
		if name == "FutexWait" {
			continue // it has an error to wrap
		}
		if allocations := testing.AllocsPerRun(100, func() { _ = access() }); allocations != 0 {
			t.Errorf("%s allocates %v times", name, allocations)
		}
	}
}

func BenchmarkAccesses(b *testing.B) {
	descriptor, err := unix.MemfdCreate(backingName, unix.MFD_CLOEXEC)
	if err != nil {
		b.Fatal(err)
	}
	region := NewRegion(descriptor)
	defer region.Close()
	if err := region.Resize(pageSize); err != nil {
		b.Fatal(err)
	}
	mapping, err := region.Map(0, int(pageSize), ReadWrite)
	if err != nil {
		b.Fatal(err)
	}
	defer mapping.Unmap()
	for name, access := range accesses(mapping, 8) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := access(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
