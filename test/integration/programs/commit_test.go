package programs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"shmfs/test/integration/rig"

	"golang.org/x/sys/unix"
)

// filled is what the program fill tells.
type filled struct {
	sigbus, enospc, bytes int64
}

const (
	commitSize      = 32 << 20
	commitProcesses = 5
	commitRounds    = 60
)

// TestNothingIsPromisedTwice fills a strict mount to its last byte by every call that grows a file, from several processes
// that also punch holes: what does not fit is ENOSPC, and a byte inside a file can always be written.
func TestNothingIsPromisedTwice(t *testing.T) {
	program := compile(t, "gcc", "fill.c", "-pthread")
	for _, kind := range []struct {
		huge  string
		calls []string
	}{
		// A huge page takes more than was asked for: with them, too, what was promised to others must stay.
		{"advise", []string{"t", "f", "w", "tfwps"}},
		{"within_size", []string{"tfwps"}},
		{"always", []string{"tfwps"}},
	} {
		t.Run(kind.huge, func(t *testing.T) {
			options := fmt.Sprintf("size=%d,huge=%s", commitSize, kind.huge)
			places := []place{passthroughStrict.with(options), cachedStrict.with(options)}
			inEach(t, places, func(t *testing.T, place place) {
				directory := place.mount(t)
				for _, methods := range kind.calls {
					fillUp(t, directory, program, methods)
					requireAllFree(t, directory)
				}
			})
		})
	}
}

// TestNothingIsPromisedTwiceOnDisk does the same with a store on a disk: one that holds more than the mount's size, and one
// that is full long before.
func TestNothingIsPromisedTwiceOnDisk(t *testing.T) {
	program := compile(t, "gcc", "fill.c", "-pthread")
	inEach(t, []place{passthroughStrict, cachedStrict}, func(t *testing.T, place place) {
		t.Run("within the disk", func(t *testing.T) {
			store := newDisk(t, 3*commitSize).store(t)
			directory := place.with(fmt.Sprintf("size=%d,store=%s", commitSize, store)).mount(t)
			fillUp(t, directory, program, "tfwp")
			requireAllFree(t, directory)
		})
		t.Run("beyond the disk", func(t *testing.T) {
			store := newDisk(t, commitSize).store(t)
			directory := place.with(fmt.Sprintf("size=%d,store=%s", 3*commitSize, store)).mount(t)
			if result := fill(t, directory, program, "tfw"); result.sigbus != 0 || result.enospc == 0 || result.bytes >= commitSize {
				t.Errorf("%+v, want no SIGBUS, ENOSPC, and less than the disk's %d bytes", result, commitSize)
			}
		})
	})
}

// TestAllocationOnTmpfsAndLazy is the reference: allocated (not merely sized) bytes are safe on a plain tmpfs and on a lazy
// mount too, as long as nobody punches holes.
func TestAllocationOnTmpfsAndLazy(t *testing.T) {
	program := compile(t, "gcc", "fill.c", "-pthread")
	options := fmt.Sprintf("size=%d", commitSize)
	places := []place{tmpfs.with(options), passthroughLazy.with(options)}
	inEach(t, places, func(t *testing.T, place place) {
		directory := place.mount(t)
		fillUp(t, directory, program, "fws")
		requireAllFree(t, directory)
	})
}

// TestSizesAlonePromiseNothing shows that the program sees SIGBUS where it must be seen: on tmpfs, and on shmfs where
// commit=lazy asks for tmpfs's behaviour.
func TestSizesAlonePromiseNothing(t *testing.T) {
	program := compile(t, "gcc", "fill.c", "-pthread")
	options := fmt.Sprintf("size=%d", commitSize)
	places := []place{tmpfs.with(options), passthroughLazy.with(options)}
	inEach(t, places, func(t *testing.T, place place) {
		directory := place.mount(t)
		if result := fill(t, directory, program, "t"); result.sigbus == 0 || result.bytes <= commitSize {
			t.Errorf("%+v, want SIGBUS and more than %d bytes promised", result, commitSize)
		}
		requireAllFree(t, directory)
	})
}

// TestLongLinksCount makes symbolic links with targets too long to be kept beside the inode until the mount is full: as on
// tmpfs each takes a page of the mount's size.
func TestLongLinksCount(t *testing.T) {
	const size = 4 << 20
	options := fmt.Sprintf("size=%d", size)
	inEach(t, everywhere, func(t *testing.T, place place) {
		directory := place.with(options).mount(t)
		target, made := strings.Repeat("t", 2000), 0
		var err error
		for made <= size/4096 && err == nil {
			if err = os.Symlink(target, filepath.Join(directory, strconv.Itoa(made))); err == nil {
				made++
			}
		}
		if made != size/4096 || !errors.Is(err, unix.ENOSPC) {
			t.Errorf("%d links fit into %d bytes, then %v, want %d and ENOSPC", made, size, err, size/4096)
		}
		removeAll(t, directory)
	})
}

// fill runs the program; its random numbers are seeded by the clock, and the seed is in the log.
func fill(t *testing.T, directory, program, methods string) filled {
	t.Helper()
	seed := strconv.Itoa(int(time.Now().UnixNano() % 1_000_000))
	run := command(program, directory, strconv.Itoa(commitProcesses), strconv.Itoa(commitRounds), seed, methods)
	output := rig.MustRun(t, directory, 5*time.Minute, run)
	t.Logf("seed %s, methods %s: %s", seed, methods, output)
	var result filled
	if _, err := fmt.Sscanf(output, "sigbus %d enospc %d bytes %d", &result.sigbus, &result.enospc, &result.bytes); err != nil {
		t.Fatalf("reading %q: %v", output, err)
	}
	return result
}

// fillUp runs the program and fails unless the mount was full at the end and no access was refused.
func fillUp(t *testing.T, directory, program, methods string) {
	t.Helper()
	result := fill(t, directory, program, methods)
	if result.sigbus != 0 {
		t.Errorf("%d accesses to mapped bytes inside a file raised SIGBUS", result.sigbus)
	}
	if result.enospc == 0 {
		t.Error("no ENOSPC: the mount was never full")
	}
	// Whether links count is TestLongLinksCount's matter.
	if result.bytes != commitSize && (result.bytes < commitSize || !strings.Contains(methods, "s")) {
		t.Errorf("the full mount holds %d bytes, want %d", result.bytes, commitSize)
	}
}

// requireAllFree fails unless an empty file system reports all its blocks free, at the latest when the daemon has heard of
// the last close.
func requireAllFree(t *testing.T, directory string) {
	t.Helper()
	var status unix.Statfs_t
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if err := unix.Statfs(directory, &status); err != nil {
			t.Fatal(err)
		}
		if status.Bfree == status.Blocks {
			break
		}
	}
	if total := int64(status.Blocks) * status.Bsize; total != commitSize || status.Bfree != status.Blocks {
		t.Errorf("after all files were removed %d of %d blocks are free (in all %d bytes, want %d)",
			status.Bfree, status.Blocks, total, commitSize)
	}
}
