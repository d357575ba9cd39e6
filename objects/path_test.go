package objects

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

func (w *world) wantPath(t reporter, id uint64, want string) {
	t.Helper()
	got, err := w.tree.Path(id)
	if err != nil || got != want {
		t.Errorf("the path is %q (%v), want %q", got, err, want)
	}
}

func (w *world) wantNoPath(t reporter, id uint64) {
	t.Helper()
	got, err := w.tree.Path(id)
	wantError(t, fmt.Sprintf("finding the path of what has no name (it is %q)", got), err, unix.ENOENT)
}

func TestPath(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		w.wantPath(t, RootID, ".")
		file, directory := w.create(t, "sem.file"), w.mkdir(t, "directory")
		w.wantPath(t, file.ID, "sem.file")
		w.wantPath(t, directory.ID, "directory")
		wantNoError(t, "Rename", w.tree.Rename(RootID, "sem.file", directory.ID, "moved", 0, Caller{}))
		w.wantPath(t, file.ID, "directory/moved")
		wantNoError(t, "Rename", w.tree.Rename(RootID, "directory", RootID, "renamed", 0, Caller{}))
		w.wantPath(t, file.ID, "renamed/moved")
		wantNoError(t, "Unlink", w.tree.Unlink(directory.ID, "moved"))
		w.wantNoPath(t, file.ID)
		if generation, err := w.tree.Generation(file.ID); err != nil || generation != file.Generation {
			t.Errorf("the generation is %d (%v), not %d", generation, err, file.Generation)
		}
		_, err := w.tree.Generation(4711)
		wantError(t, "finding the generation of an unknown node", err, unix.ESTALE)
		_, err = w.tree.Path(4711)
		wantError(t, "finding the path of an unknown node", err, unix.ESTALE)
	})
}

// Names that look like what the kernel says of others.
func TestPathOfStrangeNames(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		for _, name := range []string{"sem.a (deleted)", "(unreachable)", "with\nnewline", "\\134", " ", "\xff"} {
			entry := w.create(t, name)
			w.wantPath(t, entry.ID, name)
			w.unlink(t, name)
			w.wantNoPath(t, entry.ID)
			w.tree.Forget(entry.ID, 1)
		}
		gone := w.create(t, "sem.b")
		w.unlink(t, "sem.b")
		other := w.create(t, "sem.b (deleted)")
		w.wantNoPath(t, gone.ID)
		w.wantPath(t, other.ID, "sem.b (deleted)")
		again := w.create(t, "sem.b")
		w.wantNoPath(t, gone.ID)
		w.wantPath(t, again.ID, "sem.b")
	})
}

// One of the names is enough, whichever the node was made known by.
func TestPathOfSeveralNames(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		file := w.create(t, "first")
		for number := range 300 { // more than one reading of the directory
			w.create(t, fmt.Sprintf("%0200d", number))
		}
		_, err := w.tree.Link(file.ID, RootID, "second")
		wantNoError(t, "Link", err)
		w.unlink(t, "first")
		w.wantPath(t, file.ID, "second")
		_, err = w.tree.Link(file.ID, RootID, "third")
		wantNoError(t, "Link", err)
		w.unlink(t, "second")
		w.wantPath(t, file.ID, "third")
		w.unlink(t, "third")
		w.wantNoPath(t, file.ID)
	})
}

// A file made without a name has a path once it is linked.
func TestPathOfAFileMadeWithoutAName(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		entry, object, err := w.tree.Tmpfile(RootID, 0o600, Caller{})
		wantNoError(t, "Tmpfile", err)
		defer object.Close()
		w.wantNoPath(t, entry.ID)
		_, err = w.tree.Link(entry.ID, RootID, "sem.linked")
		wantNoError(t, "Link", err)
		w.wantPath(t, entry.ID, "sem.linked")
	})
}

// A directory store that is opened anew may find its inodes by handle before it has seen their names.
func TestPathAfterReopening(t *testing.T) {
	for _, name := range []string{"directory", "directory without handles"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, storeKinds[name], t.TempDir(), smallLimit)
			defer func() { w.close(t) }()
			w.create(t, "sem.kept")
			w.reopen(t)
			w.wantPath(t, w.lookup(t, "sem.kept").ID, "sem.kept")
		})
	}
}
