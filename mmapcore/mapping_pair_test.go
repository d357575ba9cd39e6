package mmapcore

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestPairs(t *testing.T) {
	onEachBacking(t, func(t *testing.T, region *Region) {
		wantNoError(t, "Resize", region.Resize(pageSize))
		mapping := mapRegion(t, region, int(pageSize), ReadWrite)
		const at = 32
		first, second := Pair{1 << 63, 2}, Pair{3, 1<<63 | 4}
		swap := func(expected, replacement Pair, want bool) {
			t.Helper()
			swapped, err := mapping.CompareAndSwapPair(at, expected, replacement)
			wantNoError(t, "CompareAndSwapPair", err)
			if swapped != want {
				t.Errorf("swapped %x for %x: %v", expected, replacement, swapped)
			}
		}
		swap(Pair{}, first, true)
		swap(Pair{first[0], second[1]}, second, false)
		swap(Pair{second[0], first[1]}, second, false)
		swap(second, first, false)
		swap(first, second, true)
		around := make([]byte, 32)
		_, err := region.ReadAt(around, 24)
		wantNoError(t, "ReadAt", err)
		for i, want := range []uint64{0, second[0], second[1], 0} {
			if got := binary.LittleEndian.Uint64(around[8*i:]); got != want {
				t.Errorf("the file holds %#x at %d, want %#x", got, 24+8*i, want)
			}
		}
	})
}

func TestPairsAreAligned(t *testing.T) {
	checkNothingLeft(t)
	region := newRegion(t, openMemfd(t))
	wantNoError(t, "Resize", region.Resize(pageSize))
	mapping := mapRegion(t, region, int(pageSize), ReadWrite)
	for _, offset := range []int64{-16, 1, 4, 8, 24, pageSize - 8, pageSize} {
		_, err := mapping.CompareAndSwapPair(offset, Pair{}, Pair{})
		wantError(t, fmt.Sprintf("CompareAndSwapPair at %d", offset), err, unix.EINVAL)
	}
}

// pairRounds is how often each of those who use a pair at the same time changes it.
const pairRounds = 20_000

// Swaps of pairs and of their words, in threads and through mappings of their own, are each one step: none is lost, and a pair never
// takes back what happened to one of its words.
func TestPairsAmongWords(t *testing.T) {
	onEachBacking(t, func(t *testing.T, region *Region) {
		wantNoError(t, "Resize", region.Resize(pageSize))
		mappings := make([]*Mapping, 4)
		for i := range mappings {
			mappings[i] = mapRegion(t, region, int(pageSize), ReadWrite)
		}
		var users sync.WaitGroup
		for _, use := range []func(*Mapping) error{countPairs, countPairs, countWords, countHalves} {
			mapping := mappings[0]
			mappings = mappings[1:]
			users.Go(func() {
				if err := use(mapping); err != nil {
					t.Error(err)
				}
			})
		}
		users.Wait()
		wantPair(t, region, 3*pairRounds, pairRounds<<32|2*pairRounds)
	})
}

func TestPairsAmongWordsOfAnotherProcess(t *testing.T) {
	onEachBacking(t, func(t *testing.T, region *Region) {
		wantNoError(t, "Resize", region.Resize(pageSize))
		mapping := mapRegion(t, region, int(pageSize), ReadWrite)
		peer := exec.Command("/proc/self/exe")
		peer.Env = append(os.Environ(), pairPeerFile+"="+descriptorPath(region))
		peer.Stderr = os.Stderr
		wantNoError(t, "starting the other process", peer.Start())
		counted := countPairs(mapping)
		wantNoError(t, "the other process", peer.Wait())
		wantNoError(t, "counting pairs", counted)
		wantPair(t, region, 2*pairRounds, pairRounds)
	})
}

// pairPeerFile is set to the file whose first word the process shall count up, rather than run tests.
const pairPeerFile = "MMAPCORE_PAIR_PEER_FILE"

// runPairPeer is the other process.
func runPairPeer(path string) error {
	descriptor, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening %s: %w", strconv.Quote(path), err)
	}
	region := NewRegion(descriptor)
	defer region.Close()
	mapping, err := region.Map(0, int(pageSize), ReadWrite)
	if err != nil {
		return err
	}
	defer mapping.Unmap()
	return countWords(mapping)
}

// countPairs counts both words at 0 up, in one step.
func countPairs(mapping *Mapping) error {
	for range pairRounds {
		for swapped := false; !swapped; {
			var found Pair
			var err error
			for i := range found {
				if found[i], err = mapping.Load64(int64(8 * i)); err != nil {
					return err
				}
			}
			if swapped, err = mapping.CompareAndSwapPair(0, found, Pair{found[0] + 1, found[1] + 1}); err != nil {
				return err
			}
		}
	}
	return nil
}

// countWords counts the first word up.
func countWords(mapping *Mapping) error {
	for range pairRounds {
		for swapped := false; !swapped; {
			found, err := mapping.Load64(0)
			if err == nil {
				swapped, err = mapping.CompareAndSwap64(0, found, found+1)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// countHalves counts the upper half of the second word up.
func countHalves(mapping *Mapping) error {
	for range pairRounds {
		if _, err := mapping.Add32(12, 1); err != nil {
			return err
		}
	}
	return nil
}

func wantPair(t *testing.T, region *Region, want ...uint64) {
	t.Helper()
	content := make([]byte, pairSize)
	_, err := region.ReadAt(content, 0)
	wantNoError(t, "ReadAt", err)
	for i := range want {
		if got := binary.LittleEndian.Uint64(content[8*i:]); got != want[i] {
			t.Errorf("word %d is %#x, want %#x", i, got, want[i])
		}
	}
}
