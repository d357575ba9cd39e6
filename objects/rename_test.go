package objects

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestRenameMovesANode(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		entry, directory := w.create(t, "file"), w.mkdir(t, "directory")
		w.write(t, entry.ID, "hello", 0)
		wantNoError(t, "Rename", w.tree.Rename(RootID, "file", directory.ID, "moved", 0, Caller{}))
		_, err := w.tree.Lookup(RootID, "file")
		wantError(t, "looking up the old name", err, unix.ENOENT)
		found, err := w.tree.Lookup(directory.ID, "moved")
		wantNoError(t, "looking up the new name", err)
		if found.ID != entry.ID {
			t.Errorf("the new name is %d, want %d", found.ID, entry.ID)
		}
		w.wantContent(t, entry.ID, "hello")
		wantNoError(t, "Rename of a directory", w.tree.Rename(RootID, "directory", RootID, "other", 0, Caller{}))
		if found := w.lookup(t, "other"); found.ID != directory.ID {
			t.Errorf("the directory is %d, want %d", found.ID, directory.ID)
		}
		err = w.tree.Rename(RootID, "other", directory.ID, "inside itself", 0, Caller{})
		wantError(t, "Rename into itself", err, unix.EINVAL)
		wantError(t, "Rename of nothing", w.tree.Rename(RootID, "absent", RootID, "name", 0, Caller{}), unix.ENOENT)
	})
}

// What a rename replaces stays for whoever refers to it.
func TestRenameHoldsItsVictim(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		victim, entry := w.create(t, "victim"), w.create(t, "file")
		w.write(t, victim.ID, "victim", 0)
		w.write(t, entry.ID, "file", 0)
		wantNoError(t, "Rename", w.tree.Rename(RootID, "file", RootID, "victim", 0, Caller{}))
		if found := w.lookup(t, "victim"); found.ID != entry.ID {
			t.Errorf("the name is %d, want %d", found.ID, entry.ID)
		}
		if stat := w.stat(t, victim.ID); stat.Nlink != 0 {
			t.Errorf("the victim has %d links", stat.Nlink)
		}
		w.wantContent(t, victim.ID, "victim")
		w.wantUsed(t, 2*pageSize)
		w.tree.Forget(victim.ID, 1)
		w.wantGone(t, victim.ID)
		w.wantUsed(t, pageSize)
		w.unlink(t, "victim")
		w.tree.Forget(entry.ID, 2)
		w.wantEmpty(t)
	})
}

func TestRenameOverALinkedVictim(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		victim, entry := w.create(t, "victim"), w.create(t, "file")
		_, err := w.tree.Link(victim.ID, RootID, "second")
		wantNoError(t, "Link", err)
		w.write(t, victim.ID, "victim", 0)
		wantNoError(t, "Rename", w.tree.Rename(RootID, "file", RootID, "victim", 0, Caller{}))
		w.tree.Forget(victim.ID, 2)
		w.wantUsed(t, pageSize)
		found := w.lookup(t, "second")
		w.wantContent(t, found.ID, "victim")
		w.unlink(t, "second")
		w.unlink(t, "victim")
		w.tree.Forget(victim.ID, 1)
		w.tree.Forget(entry.ID, 1)
		w.wantEmpty(t)
	})
}

// rename(2) between two names of one file does nothing.
func TestRenameBetweenLinksOfOneNode(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		entry := w.create(t, "first")
		_, err := w.tree.Link(entry.ID, RootID, "second")
		wantNoError(t, "Link", err)
		wantNoError(t, "Rename", w.tree.Rename(RootID, "first", RootID, "second", 0, Caller{}))
		wantNoError(t, "Rename to itself", w.tree.Rename(RootID, "first", RootID, "first", 0, Caller{}))
		if stat := w.stat(t, entry.ID); stat.Nlink != 2 {
			t.Errorf("%d links, want 2", stat.Nlink)
		}
		w.unlink(t, "first")
		w.unlink(t, "second")
		w.tree.Forget(entry.ID, 2)
		w.wantEmpty(t)
	})
}

func TestRenameExchanges(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		file, directory := w.create(t, "file"), w.mkdir(t, "directory")
		w.write(t, file.ID, "hello", 0)
		wantNoError(t, "Rename", w.tree.Rename(RootID, "file", RootID, "directory", unix.RENAME_EXCHANGE, Caller{}))
		if found := w.lookup(t, "file"); found.ID != directory.ID {
			t.Errorf("the file's name is %d, want %d", found.ID, directory.ID)
		}
		if found := w.lookup(t, "directory"); found.ID != file.ID {
			t.Errorf("the directory's name is %d, want %d", found.ID, file.ID)
		}
		w.wantUsed(t, pageSize)
		err := w.tree.Rename(RootID, "file", RootID, "absent", unix.RENAME_EXCHANGE, Caller{})
		wantError(t, "exchanging with nothing", err, unix.ENOENT)
		w.unlink(t, "directory")
		wantNoError(t, "Rmdir", w.tree.Rmdir(RootID, "file"))
		w.tree.Forget(file.ID, 2)
		w.tree.Forget(directory.ID, 2)
		w.wantEmpty(t)
	})
}

func TestRenameThatFailsChangesNothing(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		file, other, directory := w.create(t, "file"), w.create(t, "other"), w.mkdir(t, "directory")
		full := w.mkdir(t, "full")
		_, err := createFile(w.tree, full.ID, "inside", 0o600, Caller{})
		wantNoError(t, "Create", err)
		cases := []struct {
			from, to string
			flags    uint
			want     error
		}{
			{"file", "other", unix.RENAME_NOREPLACE, unix.EEXIST},
			{"file", "directory", 0, unix.EISDIR},
			{"directory", "file", 0, unix.ENOTDIR},
			{"directory", "full", 0, unix.ENOTEMPTY},
			{"file", "other", unix.RENAME_NOREPLACE | unix.RENAME_EXCHANGE, unix.EINVAL},
			{"file", "other", 1 << 20, unix.EINVAL},
		}
		held := descriptors(t)
		for _, c := range cases {
			wantError(t, c.from+" to "+c.to, w.tree.Rename(RootID, c.from, RootID, c.to, c.flags, Caller{}), c.want)
		}
		for name, want := range map[string]uint64{"file": file.ID, "other": other.ID, "directory": directory.ID, "full": full.ID} {
			if found := w.lookup(t, name); found.ID != want {
				t.Errorf("%s is %d, want %d", name, found.ID, want)
			}
		}
		wantSame(t, "descriptors", descriptors(t), held)
	})
}

func TestRenameOverAnEmptyDirectory(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		victim, directory := w.mkdir(t, "victim"), w.mkdir(t, "directory")
		wantNoError(t, "Rename", w.tree.Rename(RootID, "directory", RootID, "victim", 0, Caller{}))
		w.stat(t, victim.ID)
		_, err := w.tree.Mkdir(victim.ID, "inside", 0o700, Caller{})
		wantError(t, "Mkdir in what was replaced", err, unix.ENOENT)
		w.tree.Forget(victim.ID, 1)
		w.wantGone(t, victim.ID)
		wantNoError(t, "Rmdir", w.tree.Rmdir(RootID, "victim"))
		w.tree.Forget(directory.ID, 1)
		w.wantEmpty(t)
	})
}
