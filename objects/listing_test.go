package objects

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestListingShowsNodesAndTypes(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		want := map[string]Name{".": {Inode: RootID, Type: unix.DT_DIR}}
		file, directory := w.create(t, "file"), w.mkdir(t, "directory")
		want["file"] = Name{Inode: file.ID, Type: unix.DT_REG}
		want["directory"] = Name{Inode: directory.ID, Type: unix.DT_DIR}
		link, err := w.tree.Symlink(RootID, "symlink", "target", Caller{})
		wantNoError(t, "Symlink", err)
		want["symlink"] = Name{Inode: link.ID, Type: unix.DT_LNK}
		fifo, err := w.tree.Mknod(RootID, "fifo", unix.S_IFIFO|0o600, 0, Caller{})
		wantNoError(t, "Mknod", err)
		want["fifo"] = Name{Inode: fifo.ID, Type: unix.DT_FIFO}

		listing, err := w.tree.List(RootID, false)
		wantNoError(t, "List", err)
		defer listing.Close()
		got := make(map[string]Name)
		for name, entry := range readAll(t, listing, 4096) {
			entry.Bytes, entry.Cursor = nil, 0
			if name != ".." { // what is above the root is nobody's business
				got[name] = entry
			}
		}
		if len(got) != len(want) {
			t.Errorf("listed %v, want %v", got, want)
		}
		for name := range want {
			if got[name].Inode != want[name].Inode || got[name].Type != want[name].Type {
				t.Errorf("%s is %+v, want %+v", name, got[name], want[name])
			}
		}
		below, err := w.tree.List(directory.ID, false)
		wantNoError(t, "List", err)
		defer below.Close()
		entries := readAll(t, below, 4096)
		if entries["."].Inode != directory.ID || entries[".."].Inode != RootID || len(entries) != 2 {
			t.Errorf("an empty directory lists %v", entries)
		}
		_, err = w.tree.List(file.ID, false)
		wantError(t, "List of a file", err, unix.ENOTDIR)
	})
}

// readAll reads a directory from its start by so many bytes at a time.
func readAll(t *testing.T, listing *Listing, size int) map[string]Name {
	t.Helper()
	all := make(map[string]Name)
	for cursor := int64(0); ; {
		before := len(all)
		err := listing.Read(cursor, size, func(name Name) bool {
			if _, again := all[string(name.Bytes)]; again {
				t.Errorf("%q comes twice", name.Bytes)
			}
			all[string(name.Bytes)] = name
			cursor = name.Cursor
			return true
		})
		wantNoError(t, "reading a directory", err)
		if len(all) == before {
			return all
		}
	}
}

// makeNames makes so many files and forgets them.
func (w *world) makeNames(t *testing.T, count int) map[string]bool {
	t.Helper()
	names := make(map[string]bool)
	for i := range count {
		name := fmt.Sprintf("stable-%03d", i)
		entry := w.create(t, name)
		w.tree.Forget(entry.ID, 1)
		names[name] = true
	}
	return names
}

// A cursor leads on from where it was got, whether reads took all that was offered or not, on any listing of the directory.
func TestCursorsGoOnAnywhere(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		names := w.makeNames(t, 60)
		names["."], names[".."] = true, true
		listings := make([]*Listing, 2)
		for i := range listings {
			listing, err := w.tree.List(RootID, false)
			wantNoError(t, "List", err)
			defer listing.Close()
			listings[i] = listing
		}
		seen := make(map[string]bool)
		var cursors []int64
		for cursor, read := int64(0), 0; ; read++ {
			taken := 0
			err := listings[read/3%2].Read(cursor, 600, func(name Name) bool {
				if taken == 3 {
					return false
				}
				taken++
				if seen[string(name.Bytes)] {
					t.Errorf("%q comes twice", name.Bytes)
				}
				seen[string(name.Bytes)] = true
				cursor = name.Cursor
				return true
			})
			wantNoError(t, "Read", err)
			if taken == 0 {
				break
			}
			cursors = append(cursors, cursor)
		}
		if !maps.Equal(seen, names) {
			t.Errorf("saw %d names, want %d", len(seen), len(names))
		}
		// Back to a cursor of long ago: what follows is what followed then.
		rest := 0
		for cursor, last := cursors[4], int64(-1); cursor != last; {
			last = cursor
			err := listings[0].Read(cursor, 4096, func(name Name) bool { rest++; cursor = name.Cursor; return true })
			wantNoError(t, "Read", err)
		}
		if want := len(names) - 15; rest != want {
			t.Errorf("%d names follow the fifth cursor, want %d", rest, want)
		}
	})
}

// Whoever takes nothing is offered the same again.
func TestListingOffersAgainWhatWasNotTaken(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		names := w.makeNames(t, 10)
		listing, err := w.tree.List(RootID, false)
		wantNoError(t, "List", err)
		defer listing.Close()
		var cursor int64
		for range 3 {
			taken := 0
			err := listing.Read(cursor, 4096, func(name Name) bool {
				if taken == 2 {
					return false
				}
				taken++
				cursor = name.Cursor
				delete(names, string(name.Bytes))
				return true
			})
			wantNoError(t, "Read", err)
			var first, again string
			for _, offered := range []*string{&first, &again} {
				err := listing.Read(cursor, 4096, func(name Name) bool { *offered = string(name.Bytes); return false })
				wantNoError(t, "Read without taking", err)
			}
			if first == "" || first != again {
				t.Errorf("offered %q, then %q", first, again)
			}
		}
		for last := int64(-1); cursor != last; {
			last = cursor
			err := listing.Read(cursor, 4096, func(name Name) bool {
				cursor = name.Cursor
				delete(names, string(name.Bytes))
				return true
			})
			wantNoError(t, "Read", err)
		}
		if len(names) != 0 {
			t.Errorf("never offered: %v", names)
		}
	})
}

// Names that stay are seen exactly once, whatever comes and goes while the directory is read.
func TestListingWhileNamesComeAndGo(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		stable := slices.Sorted(maps.Keys(w.makeNames(t, 80)))
		stop := make(chan struct{})
		var churn sync.WaitGroup
		for worker := range 2 {
			churn.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					if err := w.comeAndGo(fmt.Sprintf("churn-%d-%d", worker, i%17)); err != nil {
						t.Errorf("coming and going: %v", err)
						return
					}
				}
			})
		}
		for range 20 {
			listing, err := w.tree.List(RootID, false)
			wantNoError(t, "List", err)
			var seen []string
			for cursor, more := int64(0), true; more; {
				more = false
				err := listing.Read(cursor, 700, func(name Name) bool {
					more = true
					cursor = name.Cursor
					if name.Bytes[0] == 's' {
						seen = append(seen, string(name.Bytes))
					}
					return true
				})
				wantNoError(t, "Read", err)
			}
			wantNoError(t, "closing a listing", listing.Close())
			slices.Sort(seen)
			wantSame(t, "stable names", seen, stable)
		}
		close(stop)
		churn.Wait()
	})
}

func (w *world) comeAndGo(name string) error {
	entry, err := createFile(w.tree, RootID, name, 0o600, Caller{})
	if err != nil {
		return err
	}
	if err := w.tree.Unlink(RootID, name); err != nil {
		return err
	}
	w.tree.Forget(entry.ID, 1)
	return nil
}

// Reading from the start again shows what has changed since.
func TestListingFromTheStartAgain(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		listing, err := w.tree.List(RootID, false)
		wantNoError(t, "List", err)
		defer listing.Close()
		if all := readAll(t, listing, 4096); len(all) != 2 {
			t.Errorf("an empty directory lists %v", all)
		}
		w.create(t, "file")
		if _, listed := readAll(t, listing, 4096)["file"]; !listed {
			t.Error("the new name is not listed")
		}
		w.unlink(t, "file")
		if _, listed := readAll(t, listing, 4096)["file"]; listed {
			t.Error("the old name is listed")
		}
		wantNoError(t, "Sync", listing.Sync())
	})
}

func TestListingOfARemovedDirectory(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		directory := w.mkdir(t, "directory")
		listing, err := w.tree.List(directory.ID, false)
		wantNoError(t, "List", err)
		defer listing.Close()
		wantNoError(t, "Rmdir", w.tree.Rmdir(RootID, "directory"))
		emitted := 0
		err = listing.Read(0, 4096, func(Name) bool { emitted++; return true })
		wantError(t, "Read", err, unix.ENOENT)
		if emitted != 0 {
			t.Errorf("%d names in what was removed", emitted)
		}
		w.tree.Forget(directory.ID, 1)
	})
}
