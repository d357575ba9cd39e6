package objects

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"shmfs/mmapcore"

	"golang.org/x/sys/unix"
)

// onEachStoreInABubble is onEachStore with the clock of a bubble, which moves only while everybody waits.
func onEachStoreInABubble(t *testing.T, limit int64, test func(t *testing.T, w *world)) {
	for name, kind := range storeKinds {
		t.Run(name, func(t *testing.T) {
			path := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, kind, path, limit)
				defer func() { w.close(t) }()
				test(t, w)
			})
		})
	}
}

// Where nothing is about to come free, nobody waits for it.
func TestFullStoreAnswersAtOnce(t *testing.T) {
	onEachStoreInABubble(t, 4*pageSize, func(t *testing.T, w *world) {
		object := w.openObject(t, w.create(t, "file").ID)
		defer object.Close()
		unlinked := w.create(t, "unlinked")
		w.unlink(t, "unlinked")
		w.tree.Forget(unlinked.ID, 1)
		start := time.Now()
		wantError(t, "Resize to more than fits", object.Resize(5*pageSize), unix.ENOSPC)
		if waited := time.Since(start); waited != 0 {
			t.Errorf("waited for %v", waited)
		}
	})
}

// Whoever finds the store full while an unlinked file is about to go waits for it, but not for long.
func TestGrowthWaitsForWhatIsAboutToGo(t *testing.T) {
	onEachStoreInABubble(t, 4*pageSize, func(t *testing.T, w *world) {
		object := w.openObject(t, w.create(t, "file").ID)
		defer object.Close()
		unlinked := w.create(t, "unlinked")
		w.write(t, unlinked.ID, "x", 3*pageSize)
		w.unlink(t, "unlinked")
		start := time.Now()
		wantError(t, "Resize while it is there", object.Resize(pageSize), unix.ENOSPC)
		if waited := time.Since(start); waited != patience {
			t.Errorf("waited for %v, want %v", waited, patience)
		}
		start = time.Now()
		resized := make(chan error)
		go func() { resized <- object.Resize(4 * pageSize) }()
		time.Sleep(patience / 2)
		synctest.Wait()
		w.tree.Forget(unlinked.ID, 1)
		wantNoError(t, "Resize when it went", <-resized)
		if waited := time.Since(start); waited != patience/2 {
			t.Errorf("waited for %v, want %v", waited, patience/2)
		}
	})
}

// A lower limit waits too for an unlinked file that is about to go, under either kind of commit.
func TestLowerLimitWaitsForWhatIsAboutToGo(t *testing.T) {
	for name, strict := range map[string]bool{"strict": true, "lazy": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { lowerLimitWhileUnlinked(t, strict) })
		})
	}
}

func lowerLimitWhileUnlinked(t *testing.T, strict bool) {
	before, lower := Limits{Size: 8 * pageSize}, Limits{Size: 2 * pageSize}
	options := mmapcore.TmpfsOptions{Size: before.Size, Mode: 0o755}
	w := &world{}
	if strict {
		w.ledger, options.Size = NewLedger(before.Size), 0
	}
	store, err := mmapcore.NewTmpfs(options)
	wantNoError(t, "NewTmpfs", err)
	w.tree, err = New(store, w.ledger)
	wantNoError(t, "New", err)
	defer w.tree.Close()
	unlinked := w.create(t, "unlinked")
	w.write(t, unlinked.ID, strings.Repeat("x", int(4*pageSize)), 0)
	w.unlink(t, "unlinked")
	start := time.Now()
	wantError(t, "SetLimits while it is there", w.tree.SetLimits(before, lower), unix.EINVAL)
	if waited := time.Since(start); waited != limitPatience {
		t.Errorf("waited for %v, want %v", waited, limitPatience)
	}
	start = time.Now()
	set := make(chan error)
	go func() { set <- w.tree.SetLimits(before, lower) }()
	time.Sleep(limitPatience / 2)
	synctest.Wait()
	w.tree.Forget(unlinked.ID, 1)
	wantNoError(t, "SetLimits when it went", <-set)
	if waited := time.Since(start); waited < limitPatience/2 || waited >= limitPatience {
		t.Errorf("waited for %v, want %v", waited, limitPatience/2)
	}
}

// Whoever finds no inode left while an unlinked file is about to go waits for it: to make anything, and to give a file another name.
func TestMakingWaitsForWhatIsAboutToGo(t *testing.T) {
	for name, take := range map[string]func(w *world, kept uint64) error{
		"Create": func(w *world, _ uint64) error {
			_, err := createFile(w.tree, RootID, "made", 0o600, Caller{})
			return err
		},
		"Mkdir": func(w *world, _ uint64) error {
			_, err := w.tree.Mkdir(RootID, "made", 0o700, Caller{})
			return err
		},
		"Symlink": func(w *world, _ uint64) error {
			_, err := w.tree.Symlink(RootID, "made", "target", Caller{})
			return err
		},
		"Link": func(w *world, kept uint64) error {
			_, err := w.tree.Link(kept, RootID, "made")
			return err
		},
		"Rename with a whiteout": func(w *world, _ uint64) error {
			return w.tree.Rename(RootID, "kept", RootID, "made", unix.RENAME_WHITEOUT, Caller{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { takeInodeWhileUnlinked(t, take) })
		})
	}
}

func takeInodeWhileUnlinked(t *testing.T, take func(w *world, kept uint64) error) {
	store, err := mmapcore.NewTmpfs(mmapcore.TmpfsOptions{Inodes: 3, Mode: 0o755}) // the root is one
	wantNoError(t, "NewTmpfs", err)
	w := &world{}
	w.tree, err = New(store, nil)
	wantNoError(t, "New", err)
	defer w.tree.Close()
	kept, unlinked := w.create(t, "kept"), w.create(t, "unlinked")
	start := time.Now()
	wantError(t, "while nothing is about to go", take(w, kept.ID), unix.ENOSPC)
	if waited := time.Since(start); waited != 0 {
		t.Errorf("waited for %v", waited)
	}
	w.unlink(t, "unlinked")
	wantError(t, "while it is there", take(w, kept.ID), unix.ENOSPC)
	if waited := time.Since(start); waited != patience {
		t.Errorf("waited for %v, want %v", waited, patience)
	}
	start = time.Now()
	wantError(t, "right after a wait in vain", take(w, kept.ID), unix.ENOSPC)
	if waited := time.Since(start); waited != 0 {
		t.Errorf("waited for %v right after a wait in vain", waited)
	}
	time.Sleep(vainRest)
	start = time.Now()
	taken := make(chan error)
	go func() { taken <- take(w, kept.ID) }()
	time.Sleep(patience / 2)
	synctest.Wait()
	w.tree.Forget(unlinked.ID, 1)
	wantNoError(t, "when it went", <-taken)
	if waited := time.Since(start); waited > patience/2+recheck {
		t.Errorf("waited for %v, want %v", waited, patience/2)
	}
}
