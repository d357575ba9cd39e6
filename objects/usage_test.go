package objects

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"shmfs/mmapcore"

	"golang.org/x/sys/unix"
)

func TestUsageIsTheLedgers(t *testing.T) {
	onEachStore(t, 100*pageSize, func(t *testing.T, w *world) {
		entry := w.create(t, "file")
		w.write(t, entry.ID, "x", 29*pageSize)
		figures, err := w.tree.Usage()
		wantNoError(t, "Usage", err)
		total, free := int64(figures.Blocks)*figures.Bsize, int64(figures.Bfree)*figures.Bsize
		if total != 100*pageSize || free != 70*pageSize || figures.Bavail != figures.Bfree {
			t.Errorf("%d bytes, %d free, %d blocks available", total, free, figures.Bavail)
		}
	})
}

func TestUsageWithoutALimit(t *testing.T) {
	onEachStore(t, 0, func(t *testing.T, w *world) {
		figures, err := w.tree.Usage()
		wantNoError(t, "Usage", err)
		own, err := w.tree.store.Usage()
		wantNoError(t, "the store's Usage", err)
		if figures.Blocks != own.Blocks || figures.Bsize != own.Bsize {
			t.Errorf("%d blocks of %d bytes, the store has %d of %d", figures.Blocks, figures.Bsize, own.Blocks, own.Bsize)
		}
	})
}

func TestSetLimitsOfTheLedger(t *testing.T) {
	onEachStore(t, 4*pageSize, func(t *testing.T, w *world) {
		object := w.openObject(t, w.create(t, "file").ID)
		defer object.Close()
		wantNoError(t, "Resize", object.Resize(4*pageSize))
		wantError(t, "Resize to more than fits", object.Resize(5*pageSize), unix.ENOSPC)
		wantNoError(t, "SetLimits up", w.tree.SetLimits(Limits{}, Limits{Size: 8 * pageSize}))
		wantNoError(t, "Resize", object.Resize(8*pageSize))
		wantError(t, "SetLimits below what is charged", w.tree.SetLimits(Limits{}, Limits{Size: 7 * pageSize}), unix.EINVAL)
		wantError(t, "Resize to more than fits", object.Resize(9*pageSize), unix.ENOSPC)
		wantNoError(t, "Resize", object.Resize(2*pageSize))
		wantNoError(t, "SetLimits down", w.tree.SetLimits(Limits{}, Limits{Size: 2 * pageSize}))
		wantError(t, "Resize to more than fits", object.Resize(3*pageSize), unix.ENOSPC)
		wantNoError(t, "SetLimits to none", w.tree.SetLimits(Limits{}, Limits{Size: 0}))
		wantNoError(t, "Resize", object.Resize(100*pageSize))
	})
}

// Where one of two limits is refused, both stay as they were.
func TestSetLimitsChangesAllOrNothing(t *testing.T) {
	for name, strict := range map[string]bool{"strict": true, "lazy": false} {
		t.Run(name, func(t *testing.T) {
			limits := mmapcore.TmpfsOptions{Size: 8 * pageSize, Inodes: 10, Mode: 0o755}
			var ledger *Ledger
			if strict {
				ledger, limits.Size = NewLedger(limits.Size), 0
			}
			store, err := mmapcore.NewTmpfs(limits)
			wantNoError(t, "NewTmpfs", err)
			tree, err := New(store, ledger)
			wantNoError(t, "New", err)
			defer tree.Close()
			w := &world{tree: tree, ledger: ledger}
			for _, name := range []string{"a", "b", "c"} {
				w.write(t, w.create(t, name).ID, "x", 0)
			}
			wantLimits := func(size int64, inodes uint64) {
				t.Helper()
				figures, err := tree.Usage()
				wantNoError(t, "Usage", err)
				if got := int64(figures.Blocks) * figures.Bsize; got != size || figures.Files != inodes {
					t.Errorf("%d bytes and %d inodes, want %d and %d", got, figures.Files, size, inodes)
				}
			}
			wantError(t, "too few bytes", tree.SetLimits(Limits{}, Limits{Size: 2 * pageSize, Inodes: 20}), unix.EINVAL)
			wantLimits(8*pageSize, 10)
			wantError(t, "too few inodes", tree.SetLimits(Limits{}, Limits{Size: 16 * pageSize, Inodes: 2}), unix.EINVAL)
			wantLimits(8*pageSize, 10)
			err = tree.SetLimits(Limits{}, Limits{Size: 16 * pageSize, Inodes: 20, Huge: "sometimes"})
			wantError(t, "an unknown huge policy", err, unix.EINVAL)
			wantLimits(8*pageSize, 10)
			wantNoError(t, "both", tree.SetLimits(Limits{}, Limits{Size: 3 * pageSize, Inodes: 4, Huge: "advise"}))
			wantLimits(3*pageSize, 4)
			_, err = createFile(tree, RootID, "one too many", 0o600, Caller{})
			wantError(t, "Create beyond the inodes", err, unix.ENOSPC)
		})
	}
}

func TestSetLimitsOfALazyDirectory(t *testing.T) {
	w := newWorld(t, storeKind{directory: true, handles: true}, t.TempDir(), -1)
	defer func() { w.close(t) }()
	wantError(t, "SetLimits", w.tree.SetLimits(Limits{}, Limits{Size: 1 << 20}), unix.EOPNOTSUPP)
}

// onEachDirectory is onEachStore with the stores that outlive a tree.
func onEachDirectory(t *testing.T, limit int64, test func(t *testing.T, w *world)) {
	onEachStore(t, limit, func(t *testing.T, w *world) {
		if w.kind.directory {
			test(t, w)
		}
	})
}

// Whoever opens a directory again finds charged what was charged.
func TestRecountAgreesWithTheLedger(t *testing.T) {
	onEachDirectory(t, 200*pageSize, func(t *testing.T, w *world) {
		random := rand.New(rand.NewPCG(1, 2))
		for range 5 {
			w.changeAtRandom(t, random, 60)
			_, used := w.ledger.Figures()
			w.reopen(t)
			w.wantUsed(t, used)
		}
		w.removeAll(t)
		w.wantEmpty(t)
	})
}

// A directory store's directory belongs to others too: what they remove while it is counted is passed over.
func TestRecountWhileOthersRemove(t *testing.T) {
	onEachDirectory(t, smallLimit, func(t *testing.T, w *world) {
		var ended atomic.Bool
		var others sync.WaitGroup
		for other := range 4 {
			others.Go(func() {
				for !ended.Load() {
					makeAndRemove(t, filepath.Join(w.path, strconv.Itoa(other)))
				}
			})
		}
		for range 1000 {
			if _, err := w.tree.unknown(); err != nil {
				t.Errorf("recounting: %v", err)
				break
			}
		}
		ended.Store(true)
		others.Wait()
	})
}

// makeAndRemove makes a directory with a file and a directory in it, and removes all of it.
func makeAndRemove(t *testing.T, path string) {
	file, below := filepath.Join(path, "file"), filepath.Join(path, "below")
	err := errors.Join(os.Mkdir(path, 0o755), os.Mkdir(below, 0o755), os.WriteFile(file, []byte("text"), 0o600),
		os.Remove(file), os.Remove(below), os.Remove(path))
	if err != nil {
		t.Error(err)
	}
}

// The two moments at which a removal is noticed, each by itself: before a name is looked at, and before a directory is read.
func TestRecountOfWhatIsGone(t *testing.T) {
	onEachDirectory(t, smallLimit, func(t *testing.T, w *world) {
		path := filepath.Join(w.path, "removed")
		wantNoError(t, "making a directory", os.Mkdir(path, 0o755))
		removed, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		wantNoError(t, "opening a directory", err)
		defer unix.Close(removed)
		wantNoError(t, "removing it", os.Remove(path))
		found := 0
		visit := func(int, string, *unix.Stat_t) error { found++; return nil }
		r := recounting{tree: w.tree, visit: visit, seen: make(map[uint64]struct{})}
		wantNoError(t, "counting below a removed directory", r.below(removed))
		wantNoError(t, "counting a name that is gone", r.named(removed, "gone"))
		if found != 0 {
			t.Errorf("%d inodes were found", found)
		}
	})
}

// changeAtRandom creates, links, writes, resizes, allocates, punches and removes, and ends with all references given back.
func (w *world) changeAtRandom(t *testing.T, random *rand.Rand, steps int) {
	t.Helper()
	names := []string{"a", "b", "c", "d", "e"}
	for range steps {
		name, other := names[random.IntN(len(names))], names[random.IntN(len(names))]
		entry, err := w.tree.Lookup(RootID, name)
		if errors.Is(err, unix.ENOENT) {
			entry, err = createFile(w.tree, RootID, name, 0o600, Caller{})
		}
		wantNoError(t, "finding or creating "+name, err)
		object := w.openObject(t, entry.ID)
		offset, length := random.Int64N(10*pageSize), 1+random.Int64N(10*pageSize)
		switch random.IntN(7) {
		case 0:
			_, err = object.WriteAt(make([]byte, length), offset)
		case 1:
			err = object.Resize(offset)
		case 2:
			err = object.Allocate(0, offset, length)
		case 3:
			err = object.Allocate(unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, offset, length)
		case 4:
			err = w.tree.Unlink(RootID, name)
		case 5:
			_ = w.dropped(w.tree.Link(entry.ID, RootID, other)) // unless it is taken
		case 6:
			err = w.tree.Rename(RootID, name, RootID, other, 0, Caller{})
		}
		wantNoError(t, "changing at random", err)
		wantNoError(t, "closing", object.Close())
		w.tree.Forget(entry.ID, 1)
	}
}

// removeAll looks up and removes every name of the root.
func (w *world) removeAll(t reporter) {
	t.Helper()
	for _, name := range w.names(t, RootID) {
		entry := w.lookup(t, name)
		if entry.Stat.Mode&unix.S_IFMT == unix.S_IFDIR {
			wantNoError(t, "Rmdir", w.tree.Rmdir(RootID, name))
		} else {
			w.unlink(t, name)
		}
		w.tree.Forget(entry.ID, 1)
	}
}

// What was reserved behind the end of a file is a matter of its life; but what is charged for it anew must come back.
func TestReservationsAcrossReopening(t *testing.T) {
	const keep = unix.FALLOC_FL_KEEP_SIZE
	onEachDirectory(t, 200*pageSize, func(t *testing.T, w *world) {
		for name, offset := range map[string]int64{"from the start": 0, "with a gap": 50 * pageSize} {
			entry := w.create(t, name)
			w.write(t, entry.ID, "hello", 0)
			object := w.openObject(t, entry.ID)
			wantNoError(t, "Allocate", object.Allocate(keep, offset, 10*pageSize))
			wantNoError(t, "closing", object.Close())
			w.tree.Forget(entry.ID, 1)
		}
		w.reopen(t)
		if _, used := w.ledger.Figures(); used < 2*pageSize {
			t.Errorf("%d bytes are charged for two files", used)
		}
		for _, name := range []string{"from the start", "with a gap"} {
			entry := w.lookup(t, name)
			w.wantContent(t, entry.ID, "hello")
			object := w.openObject(t, entry.ID)
			wantNoError(t, "Resize", object.Resize(30*pageSize))
			wantNoError(t, "Resize", object.Resize(0))
			wantNoError(t, "closing", object.Close())
			w.unlink(t, name)
			w.tree.Forget(entry.ID, 1)
		}
		w.wantEmpty(t)
	})
}

// Names that nobody has asked for since the store was opened can be removed too.
func TestRemovingWhatNobodyLookedUp(t *testing.T) {
	onEachDirectory(t, smallLimit, func(t *testing.T, w *world) {
		for _, name := range []string{"unlinked", "replaced", "linked"} {
			entry := w.create(t, name)
			w.write(t, entry.ID, "hello", 0)
			w.tree.Forget(entry.ID, 1)
		}
		w.reopen(t)
		w.wantUsed(t, 3*pageSize)
		w.unlink(t, "unlinked")
		wantNoError(t, "Rename", w.tree.Rename(RootID, "linked", RootID, "replaced", 0, Caller{}))
		w.wantUsed(t, pageSize)
		w.unlink(t, "replaced")
		w.wantEmpty(t)
	})
}

// Huge pages take more memory than a small file is charged for. What is found again must be charged what it was.
func TestHugePagesAreNotCharged(t *testing.T) {
	for name, handles := range map[string]bool{"with handles": true, "without handles": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, storeKind{handles: handles, huge: "always"}, "", 100*pageSize)
			defer func() { w.close(t) }()
			entry := w.create(t, "file")
			w.write(t, entry.ID, "hello", 0)
			w.wantUsed(t, pageSize)
			w.tree.Forget(entry.ID, 1)
			entry = w.lookup(t, "file")
			w.write(t, entry.ID, "again", 0)
			w.wantUsed(t, pageSize)
			w.unlink(t, "file")
			w.tree.Forget(entry.ID, 1)
			w.wantEmpty(t)
		})
	}
}

// What is reserved behind the end of a file stays reserved, and charged, while nobody refers to the file.
func TestReservationsOfForgottenNames(t *testing.T) {
	onEachStore(t, 200*pageSize, func(t *testing.T, w *world) {
		entry := w.create(t, "file")
		object := w.openObject(t, entry.ID)
		wantNoError(t, "Allocate", object.Allocate(unix.FALLOC_FL_KEEP_SIZE, 50*pageSize, 10*pageSize))
		wantNoError(t, "closing", object.Close())
		w.wantUsed(t, 60*pageSize)
		w.tree.Forget(entry.ID, 1)
		w.wantUsed(t, 60*pageSize)
		entry = w.lookup(t, "file")
		w.write(t, entry.ID, "hello", 0)
		w.wantUsed(t, 60*pageSize)
		w.unlink(t, "file")
		w.tree.Forget(entry.ID, 1)
		w.wantEmpty(t)
	})
}

// A link's target that does not fit into the inode takes memory, and is charged for as long as the link lives.
func TestLongLinksAreCharged(t *testing.T) {
	onEachStore(t, 2*pageSize, func(t *testing.T, w *world) {
		short, err := w.tree.Symlink(RootID, "short", "target", Caller{})
		wantNoError(t, "Symlink", err)
		w.wantUsed(t, 0)
		target := strings.Repeat("t", 2000)
		for _, name := range []string{"first", "second"} {
			entry, err := w.tree.Symlink(RootID, name, target, Caller{})
			wantNoError(t, "Symlink", err)
			w.tree.Forget(entry.ID, 1)
		}
		w.wantUsed(t, 2*pageSize)
		_, err = w.tree.Symlink(RootID, "third", target, Caller{})
		wantError(t, "one link too many", err, unix.ENOSPC)
		_, err = w.tree.Symlink(RootID, "short", target[:10], Caller{})
		wantError(t, "a name that is taken", err, unix.EEXIST)
		w.wantUsed(t, 2*pageSize)
		w.unlink(t, "first")
		_, err = w.tree.Symlink(RootID, "short", target, Caller{})
		wantError(t, "a name that is taken", err, unix.EEXIST)
		w.wantUsed(t, pageSize)
		if w.kind.directory {
			w.tree.Forget(short.ID, 1)
			w.reopen(t)
			w.wantUsed(t, pageSize)
			short = w.lookup(t, "short")
		}
		second := w.lookup(t, "second")
		if got, err := w.tree.Readlink(second.ID); got != target || err != nil {
			t.Errorf("the link leads to %d bytes, %v", len(got), err)
		}
		w.unlink(t, "second")
		w.unlink(t, "short")
		w.tree.Forget(second.ID, 1)
		w.tree.Forget(short.ID, 1)
		w.wantEmpty(t)
	})
}
