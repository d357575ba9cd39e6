package objects

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// A walk comes to every name, once, with its attributes and its charge, and leaves out what goes meanwhile.
func TestWalk(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		directory, err := w.tree.Mkdir(RootID, "directory", 0o755, Caller{})
		wantNoError(t, "Mkdir", err)
		entry, object, err := w.tree.Create(directory.ID, "file", 0o640, Caller{})
		wantNoError(t, "Create", err)
		wantNoError(t, "Resize", object.Resize(5000))
		wantNoError(t, "Close", object.Close())
		_, err = w.tree.Symlink(RootID, "link", "directory", Caller{})
		wantNoError(t, "Symlink", err)
		_, err = w.tree.Link(entry.ID, RootID, "again")
		wantNoError(t, "Link", err)
		var paths []string
		wantNoError(t, "Walk", w.tree.Walk(func(found *Found) error {
			paths = append(paths, found.Path)
			if found.Stat.Ino == entry.ID {
				want := int64(0)
				if _, _, strict := w.tree.Charged(); strict {
					want = pages(5000)
				}
				if found.Charged != want || found.Stat.Size != 5000 || found.Stat.Mode != unix.S_IFREG|0o640 {
					t.Errorf("%s: charged %d, %+v", found.Path, found.Charged, found.Stat)
				}
			}
			if found.Path == "directory" {
				wantNoError(t, "Unlink", w.tree.Unlink(directory.ID, "file"))
				wantNoError(t, "Rmdir", w.tree.Rmdir(RootID, "directory"))
			}
			return nil
		}))
		slices.Sort(paths)
		if !slices.Equal(paths, []string{"again", "directory", "link"}) {
			t.Errorf("it came to %q", paths)
		}
	})
}
