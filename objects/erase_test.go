package objects

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func TestEraseRemovesEveryName(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		file, directory := w.create(t, "sem.a"), w.mkdir(t, "directory")
		for _, name := range []string{"sem.b", "sem.c (deleted)"} {
			_, err := w.tree.Link(file.ID, RootID, name)
			wantNoError(t, "Link", err)
		}
		other := w.create(t, "sem.d")
		erased, err := w.tree.Erase(file.ID)
		wantNoError(t, "Erase", err)
		var names []string
		for _, link := range erased {
			if link.Parent != RootID {
				t.Errorf("%q stood in node %d, not in the root", link.Name, link.Parent)
			}
			names = append(names, link.Name)
		}
		slices.Sort(names)
		if want := []string{"sem.a", "sem.b", "sem.c (deleted)"}; !slices.Equal(names, want) {
			t.Errorf("erased %q, want %q", names, want)
		}
		w.wantNoPath(t, file.ID)
		w.wantPath(t, other.ID, "sem.d")
		erased, err = w.tree.Erase(file.ID)
		if len(erased) > 0 || err != nil {
			t.Errorf("erasing once more: %v, %v; want nothing", erased, err)
		}
		_, err = w.tree.Erase(directory.ID)
		wantError(t, "erasing a directory", err, unix.EISDIR)
	})
}

func TestEraseBelowTheRoot(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		directory := w.mkdir(t, "directory")
		file := w.create(t, "sem.a")
		wantNoError(t, "Rename", w.tree.Rename(RootID, "sem.a", directory.ID, "moved", 0, Caller{}))
		erased, err := w.tree.Erase(file.ID)
		if want := []Link{{Parent: directory.ID, Name: "moved"}}; err != nil || !slices.Equal(erased, want) {
			t.Errorf("erased %v (%v), want %v", erased, err, want)
		}
	})
}

func TestEraseUnknownNode(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		_, err := w.tree.Erase(4711)
		wantError(t, "erasing an unknown node", err, unix.ESTALE)
	})
}
