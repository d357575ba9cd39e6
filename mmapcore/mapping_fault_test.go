package mmapcore

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// descriptorPath leads any process to a region's file, be it nameless.
func descriptorPath(region *Region) string {
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), region.Descriptor())
}

func TestAccessPastTheEndIsAnError(t *testing.T) {
	onEachBacking(t, func(t *testing.T, region *Region) {
		wantNoError(t, "Resize", region.Resize(pageSize))
		mapping := mapRegion(t, region, int(hugeSize+pageSize), ReadWrite)
		past := hugeSize // beyond what a huge page would cover
		for name, access := range accesses(mapping, past) {
			err := access()
			wantError(t, name, err, ErrFault)
			wantError(t, name, err, unix.EFAULT)
		}
		wantNoError(t, "Resize", region.Resize(hugeSize+pageSize))
		for name, access := range accesses(mapping, past) {
			wantNoError(t, name+" once the file has grown", access())
		}
	})
}

// A copy that faults says how much it copied.
func TestCopyUpToTheFault(t *testing.T) {
	checkNothingLeft(t)
	region := newRegion(t, openMemfd(t))
	content := fill(t, region, 2*pageSize)
	mapping := mapRegion(t, region, int(4*pageSize), ReadWrite)
	buffer := make([]byte, 3*pageSize)
	n, err := mapping.ReadAt(buffer, 10)
	wantError(t, "ReadAt", err, ErrFault)
	if want := int(2*pageSize - 10); n != want || string(buffer[:n]) != string(content[10:]) {
		t.Errorf("read %d bytes, want %d, or others than there are", n, want)
	}
	n, err = mapping.WriteAt(make([]byte, 3*pageSize), 10)
	wantError(t, "WriteAt", err, ErrFault)
	if want := int(2*pageSize - 10); n != want {
		t.Errorf("wrote %d bytes, want %d", n, want)
	}
	clear(content[10:])
	wantContent(t, region, content)
}

// A store to a page that a full file system cannot allocate raises the same signal.
func TestStoreOnAFullFileSystemIsAnError(t *testing.T) {
	checkNothingLeft(t)
	region := newRegion(t, openHuge(t)) // on 64 MiB
	wantNoError(t, "Resize", region.Resize(80<<20))
	mapping := mapRegion(t, region, 80<<20, ReadWrite)
	var err error
	stored := int64(0)
	for ; err == nil && stored < 80<<20; stored += pageSize {
		err = mapping.Store32(stored, 1)
	}
	wantError(t, fmt.Sprintf("Store32 at %d", stored), err, ErrFault)
	wantNoError(t, "Punch", region.Punch(0, 4<<20))
	wantNoError(t, "Store32 once there is space", mapping.Store32(stored-pageSize, 1))
}

func TestAnotherProcessTruncates(t *testing.T) {
	checkNothingLeft(t)
	path := filepath.Join(t.TempDir(), backingName)
	descriptor, err := unix.Open(path, unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0o600)
	wantNoError(t, "opening", err)
	region := newRegion(t, descriptor)
	wantNoError(t, "Resize", region.Resize(pageSize))
	mapping := mapRegion(t, region, int(pageSize), ReadWrite)
	wantNoError(t, "Store64", mapping.Store64(0, 1))
	if output, err := exec.Command("truncate", "--size=0", path).CombinedOutput(); err != nil {
		t.Fatalf("running truncate (install coreutils): %v: %s", err, output)
	}
	for name, access := range accesses(mapping, 0) {
		wantError(t, name, access(), ErrFault)
	}
	if output, err := exec.Command("truncate", "--size=8", path).CombinedOutput(); err != nil {
		t.Fatalf("running truncate: %v: %s", err, output)
	}
	if value, err := mapping.Load64(0); value != 0 || err != nil {
		t.Errorf("loaded %d, %v", value, err)
	}
}

// The file shrinks and grows as fast as it can while every kind of access goes on. Each either works or is ErrFault.
func TestTruncationDuringAccesses(t *testing.T) {
	onEachBacking(t, func(t *testing.T, region *Region) {
		wantNoError(t, "Resize", region.Resize(pageSize))
		mapping := mapRegion(t, region, int(pageSize), ReadWrite)
		var over atomic.Bool
		var users sync.WaitGroup
		calls := accesses(mapping, 8)
		worked, faulted := make(map[string]*atomic.Int64), make(map[string]*atomic.Int64)
		for name := range calls {
			worked[name], faulted[name] = new(atomic.Int64), new(atomic.Int64)
		}
		for name, access := range calls {
			users.Go(func() {
				for !over.Load() {
					err := access()
					switch {
					case err == nil:
						worked[name].Add(1)
					case errors.Is(err, ErrFault):
						faulted[name].Add(1)
					default:
						t.Errorf("%s: %v", name, err)
						return
					}
				}
			})
		}
		enough := func() bool {
			for name := range calls {
				if worked[name].Load() < 5 || faulted[name].Load() < 5 {
					return false
				}
			}
			return true
		}
		deadline := time.Now().Add(60 * time.Second)
		for round := 0; round < 500 || (!enough() && time.Now().Before(deadline)); round++ {
			if err := region.Resize(int64(round%2) * pageSize); err != nil {
				t.Error(err)
				break
			}
		}
		over.Store(true)
		users.Wait()
		for name := range calls {
			if worked[name].Load() < 5 || faulted[name].Load() < 5 {
				t.Errorf("%s worked %d times and faulted %d times", name, worked[name].Load(), faulted[name].Load())
			}
		}
	})
}

// Only a fault in the mapping is an error. What else goes wrong is a bug and must be seen.
func TestGuardLetsOtherPanicsPass(t *testing.T) {
	checkNothingLeft(t)
	region := newRegion(t, openMemfd(t))
	mapping := mapRegion(t, region, int(pageSize), ReadWrite)
	foreign := mapRegion(t, region, int(pageSize), ReadWrite)
	cases := map[string]func(){
		"a value":            func() { panic("a value") },
		"an error":           func() { panic(ErrFault) },
		"a nil pointer":      func() { var nothing *int; *nothing = 1 },
		"an index":           func() { mapping.memory[len(mapping.memory):][0] = 1 },
		"a foreign mapping":  func() { foreign.memory[0] = 1 },
		"the panic of Fatal": func() { panic(runtime.Error(nil)) },
	}
	for name, access := range cases {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("the panic did not pass")
				}
				if debug.SetPanicOnFault(false) {
					t.Error("faults still panic")
				}
			}()
			err := mapping.guard(access)
			t.Errorf("returned %v", err)
		})
	}
}

func TestGuardSetsBackHowFaultsAreHandled(t *testing.T) {
	checkNothingLeft(t)
	region := newRegion(t, openMemfd(t))
	mapping := mapRegion(t, region, int(pageSize), ReadWrite)
	for _, before := range []bool{true, false} {
		debug.SetPanicOnFault(before)
		wantError(t, "Load32", second(mapping.Load32(0)), ErrFault)
		if after := debug.SetPanicOnFault(false); after != before {
			t.Errorf("SetPanicOnFault was %v and is %v", before, after)
		}
	}
}
