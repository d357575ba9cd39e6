package objects

import (
	"testing"

	"golang.org/x/sys/unix"
)

const smallLimit = 1 << 20 // bytes

func TestANameIsFoundAgain(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		created := w.create(t, "file")
		found := w.lookup(t, "file")
		if found.ID != created.ID || found.Generation != created.Generation || found.Stat.Ino != created.ID {
			t.Errorf("created %d.%d, found %d.%d", created.ID, created.Generation, found.ID, found.Generation)
		}
		w.write(t, found.ID, "hello", 0)
		w.tree.Forget(created.ID, 1)
		w.wantContent(t, created.ID, "hello") // one reference is left
		w.tree.Forget(created.ID, 1)
		w.wantUsed(t, pageSize)

		again := w.lookup(t, "file")
		if again.ID != created.ID || again.Generation != created.Generation {
			t.Errorf("created %d.%d, found %d.%d", created.ID, created.Generation, again.ID, again.Generation)
		}
		w.wantContent(t, again.ID, "hello")
		w.wantUsed(t, pageSize)
		w.unlink(t, "file")
		w.tree.Forget(again.ID, 1)
		w.wantGone(t, created.ID)
		w.wantEmpty(t)
	})
}

// What has lost its last name is there for whoever refers to it, and gone afterwards.
func TestANodeOutlivesItsName(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		entry := w.create(t, "file")
		w.write(t, entry.ID, "hello", 0)
		w.lookup(t, "file")
		w.unlink(t, "file")
		_, err := w.tree.Lookup(RootID, "file")
		wantError(t, "looking up what was unlinked", err, unix.ENOENT)
		if stat := w.stat(t, entry.ID); stat.Nlink != 0 || stat.Size != 5 || stat.Ino != entry.ID {
			t.Errorf("%d links, %d bytes, inode %d", stat.Nlink, stat.Size, stat.Ino)
		}
		w.wantContent(t, entry.ID, "hello")
		w.write(t, entry.ID, "more", pageSize)
		w.wantUsed(t, 2*pageSize)
		mode := uint32(0o400)
		if stat, err := w.tree.Change(entry.ID, Change{Mode: &mode}); err != nil || stat.Mode != unix.S_IFREG|0o400 {
			t.Errorf("mode %o, %v", stat.Mode, err)
		}
		_, err = w.tree.Link(entry.ID, RootID, "again")
		wantError(t, "linking what was unlinked", err, unix.ENOENT)
		w.tree.Forget(entry.ID, 1)
		w.stat(t, entry.ID)
		w.tree.Forget(entry.ID, 1)
		w.wantGone(t, entry.ID)
		w.wantEmpty(t)
	})
}

// An open object works on when its name is gone.
func TestAnObjectOutlivesItsName(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		entry := w.create(t, "file")
		object := w.openObject(t, entry.ID)
		w.unlink(t, "file")
		_, err := object.WriteAt([]byte("hello"), 0)
		wantNoError(t, "writing", err)
		w.wantUsed(t, pageSize)
		w.wantContent(t, entry.ID, "hello")
		wantNoError(t, "closing", object.Close())
		w.tree.Forget(entry.ID, 1)
		w.wantEmpty(t)
	})
}

// The last user may go before the name does.
func TestUnlinkOfAForgottenName(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		entry := w.create(t, "file")
		w.write(t, entry.ID, "hello", 0)
		w.tree.Forget(entry.ID, 1)
		w.unlink(t, "file")
		w.wantGone(t, entry.ID)
		w.wantEmpty(t)
	})
}

func TestRenameOverAForgottenName(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		victim, entry := w.create(t, "victim"), w.create(t, "file")
		w.write(t, victim.ID, "hello", 0)
		w.tree.Forget(victim.ID, 1)
		wantNoError(t, "Rename", w.tree.Rename(RootID, "file", RootID, "victim", 0, Caller{}))
		w.wantUsed(t, 0)
		w.unlink(t, "victim")
		w.tree.Forget(entry.ID, 1)
		w.wantEmpty(t)
	})
}

// A name that costs nobody a reference costs no descriptor.
func TestForgottenNamesCostNoDescriptor(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		for _, name := range []string{"a", "b", "c", "d"} {
			entry := w.create(t, name)
			w.write(t, entry.ID, "x", 0)
			if w.kind.handles {
				wantSame(t, "descriptors", descriptors(t), w.empty)
			}
			w.tree.Forget(entry.ID, 1)
		}
		wantSame(t, "descriptors", descriptors(t), w.empty)
		w.wantUsed(t, 4*pageSize)
		for _, name := range []string{"a", "b", "c", "d"} {
			entry := w.lookup(t, name)
			w.unlink(t, name)
			w.tree.Forget(entry.ID, 1)
		}
		w.wantEmpty(t)
	})
}

func TestForgetCountsReferences(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		entry := w.create(t, "file")
		for range 9 {
			w.lookup(t, "file")
		}
		w.unlink(t, "file")
		w.tree.Forget(entry.ID, 0)
		w.tree.Forget(entry.ID, 4)
		w.tree.Forget(entry.ID, 5)
		w.stat(t, entry.ID)
		w.tree.Forget(entry.ID, 1)
		w.wantGone(t, entry.ID)
		w.tree.Forget(entry.ID, 1) // nobody's any more
		w.tree.Forget(1<<60, 1)
		w.wantEmpty(t)

		entry = w.create(t, "file")
		w.unlink(t, "file")
		w.tree.Forget(entry.ID, 1<<63) // more than there are
		w.wantGone(t, entry.ID)
		w.wantEmpty(t)
	})
}

func TestTheRootIsNeverForgotten(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		w.tree.Forget(RootID, 1<<40)
		if stat := w.stat(t, RootID); stat.Ino != RootID || stat.Mode&unix.S_IFMT != unix.S_IFDIR {
			t.Errorf("the root is inode %d, mode %o", stat.Ino, stat.Mode)
		}
		w.wantEmpty(t)
	})
}

func TestADirectoryOutlivesItsName(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		entry := w.mkdir(t, "directory")
		inside, err := createFile(w.tree, entry.ID, "file", 0o600, Caller{})
		wantNoError(t, "creating inside", err)
		wantError(t, "Rmdir", w.tree.Rmdir(RootID, "directory"), unix.ENOTEMPTY)
		wantNoError(t, "Unlink inside", w.tree.Unlink(entry.ID, "file"))
		w.tree.Forget(inside.ID, 1)
		wantNoError(t, "Rmdir", w.tree.Rmdir(RootID, "directory"))
		if stat := w.stat(t, entry.ID); stat.Mode != unix.S_IFDIR|0o755 {
			t.Errorf("mode %o", stat.Mode)
		}
		_, err = createFile(w.tree, entry.ID, "file", 0o600, Caller{})
		wantError(t, "creating in what is gone", err, unix.ENOENT)
		w.tree.Forget(entry.ID, 1)
		_, err = createFile(w.tree, entry.ID, "file", 0o600, Caller{})
		wantError(t, "creating in what is forgotten", err, unix.ESTALE)
		w.wantEmpty(t)
	})
}

func TestRemovingTheWrongType(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		w.create(t, "file")
		w.mkdir(t, "directory")
		wantError(t, "Unlink of a directory", w.tree.Unlink(RootID, "directory"), unix.EISDIR)
		wantError(t, "Rmdir of a file", w.tree.Rmdir(RootID, "file"), unix.ENOTDIR)
		wantError(t, "Unlink of nothing", w.tree.Unlink(RootID, "absent"), unix.ENOENT)
		wantError(t, "Rmdir of nothing", w.tree.Rmdir(RootID, "absent"), unix.ENOENT)
		w.lookup(t, "file")
		w.lookup(t, "directory")
	})
}

// Every type of node lives and ends the same way.
func TestEveryTypeOfNode(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		makers := map[string]func(name string) (Entry, error){
			"symlink": func(name string) (Entry, error) { return w.tree.Symlink(RootID, name, "absent/target", Caller{}) },
			"fifo":    func(name string) (Entry, error) { return w.tree.Mknod(RootID, name, unix.S_IFIFO|0o600, 0, Caller{}) },
			"socket":  func(name string) (Entry, error) { return w.tree.Mknod(RootID, name, unix.S_IFSOCK|0o600, 0, Caller{}) },
			"regular": func(name string) (Entry, error) { return w.tree.Mknod(RootID, name, unix.S_IFREG|0o600, 0, Caller{}) },
			"device": func(name string) (Entry, error) {
				return w.tree.Mknod(RootID, name, unix.S_IFCHR|0o600, uint32(unix.Mkdev(1, 3)), Caller{})
			},
		}
		for name, make := range makers {
			entry, err := make(name)
			wantNoError(t, "making a "+name, err)
			if found := w.lookup(t, name); found.ID != entry.ID || found.Stat.Mode != entry.Stat.Mode {
				t.Errorf("%s: made %d, mode %o, found %d, mode %o", name, entry.ID, entry.Stat.Mode, found.ID, found.Stat.Mode)
			}
			linked, err := w.tree.Link(entry.ID, RootID, "second")
			wantNoError(t, "linking a "+name, err)
			if linked.ID != entry.ID {
				t.Errorf("%s: the link is %d, want %d", name, linked.ID, entry.ID)
			}
			w.unlink(t, "second")
			w.unlink(t, name)
			if stat := w.stat(t, entry.ID); stat.Nlink != 0 || stat.Mode != entry.Stat.Mode {
				t.Errorf("%s: %d links, mode %o", name, stat.Nlink, stat.Mode)
			}
			if name == "symlink" {
				if target, err := w.tree.Readlink(entry.ID); target != "absent/target" || err != nil {
					t.Errorf("the link leads to %q, %v", target, err)
				}
			}
			w.tree.Forget(entry.ID, 3)
			w.wantGone(t, entry.ID)
			w.wantEmpty(t)
		}
	})
}

// Want of descriptors at the wrong moment must not leave a node, or its charge, for ever.
func TestUnlinkWithoutADescriptorToSpare(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		entry := w.create(t, "file")
		w.write(t, entry.ID, "hello", 0)
		for spare := range uint64(4) {
			err := withSpareDescriptors(t, spare, func() error { return w.tree.Unlink(RootID, "file") })
			if err == nil {
				break
			}
			wantError(t, "unlinking without a descriptor", err, unix.EMFILE)
		}
		_, err := w.tree.Lookup(RootID, "file")
		wantError(t, "looking up what was unlinked", err, unix.ENOENT)
		w.tree.Forget(entry.ID, 1)
		w.wantGone(t, entry.ID)
		w.wantEmpty(t)
	})
}

// withSpareDescriptors runs f while only so many descriptors can be opened.
func withSpareDescriptors(t *testing.T, spare uint64, f func() error) error {
	t.Helper()
	var before unix.Rlimit
	wantNoError(t, "getrlimit", unix.Getrlimit(unix.RLIMIT_NOFILE, &before))
	// The limit is on the numbers, and the lowest that is free is taken: all below must be in use.
	var fill []int
	defer func() {
		for _, descriptor := range fill {
			_ = unix.Close(descriptor)
		}
	}()
	highest := 0
	for _, entry := range descriptors(t) {
		var number int
		wantScan(t, entry, &number)
		highest = max(highest, number)
	}
	for {
		descriptor, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
		wantNoError(t, "opening a descriptor", err)
		fill = append(fill, descriptor)
		if descriptor > highest+2 { // past the runtime's own
			break
		}
	}
	limit := unix.Rlimit{Cur: uint64(fill[len(fill)-1]) + 1 + spare, Max: before.Max}
	wantNoError(t, "setrlimit", unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
	defer func() { wantNoError(t, "setrlimit", unix.Setrlimit(unix.RLIMIT_NOFILE, &before)) }()
	return f()
}
