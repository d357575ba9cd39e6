package objects

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// naming is every call that takes a name. Each gives back the reference it got.
var naming = map[string]func(w *world, id uint64, name string) error{
	"Lookup": func(w *world, _ uint64, name string) error { return w.dropped(w.tree.Lookup(RootID, name)) },
	"Create": func(w *world, _ uint64, name string) error {
		return w.dropped(createFile(w.tree, RootID, name, 0o600, Caller{}))
	},
	"Mkdir": func(w *world, _ uint64, name string) error {
		return w.dropped(w.tree.Mkdir(RootID, name, 0o700, Caller{}))
	},
	"Symlink": func(w *world, _ uint64, name string) error {
		return w.dropped(w.tree.Symlink(RootID, name, "x", Caller{}))
	},
	"Link":   func(w *world, id uint64, name string) error { return w.dropped(w.tree.Link(id, RootID, name)) },
	"Unlink": func(w *world, _ uint64, name string) error { return w.tree.Unlink(RootID, name) },
	"Rmdir":  func(w *world, _ uint64, name string) error { return w.tree.Rmdir(RootID, name) },
	"Rename": func(w *world, _ uint64, name string) error {
		return w.tree.Rename(RootID, name, RootID, "free", 0, Caller{})
	},
	"Rename to": func(w *world, _ uint64, name string) error {
		return w.tree.Rename(RootID, "file", RootID, name, 0, Caller{})
	},
	"Mknod": func(w *world, _ uint64, name string) error {
		return w.dropped(w.tree.Mknod(RootID, name, unix.S_IFIFO|0o600, 0, Caller{}))
	},
}

// dropped gives back the reference that an entry holds.
func (w *world) dropped(entry Entry, err error) error {
	if err == nil {
		w.tree.Forget(entry.ID, 1)
	}
	return err
}

// The names of what is there, however a test got it there.
func (w *world) names(t reporter, id uint64) []string {
	t.Helper()
	listing, err := w.tree.List(id, false)
	wantNoError(t, "opening a directory", err)
	defer listing.Close()
	var names []string
	wantNoError(t, "reading a directory", listing.each(func(name string) error { names = append(names, name); return nil }))
	return names
}

func TestNamesThatLeadElsewhereAreRefused(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		entry := w.create(t, "file")
		// Should a name lead out all the same, it leads to a file of this test's own, and to nothing of the machine's.
		outside := filepath.Join(t.TempDir(), "outside")
		wantNoError(t, "creating a file outside", os.WriteFile(outside, []byte("untouched"), 0o600))
		held := descriptors(t)
		for call, try := range naming {
			for _, name := range []string{"", ".", "..", "file/", outside, "../file", "a/b", "a\x00b", "file\x00"} {
				if call == "Lookup" && (name == "." || name == "..") {
					continue
				}
				if err := try(w, entry.ID, name); !errors.Is(err, unix.EINVAL) {
					t.Errorf("%s of %q: error is %v, want EINVAL", call, name, err)
				}
			}
		}
		if names := w.names(t, RootID); len(names) != 1 || names[0] != "file" {
			t.Errorf("the root holds %q", names)
		}
		if content, err := os.ReadFile(outside); string(content) != "untouched" || err != nil {
			t.Errorf("the file outside holds %q, %v", content, err)
		}
		wantSame(t, "descriptors", descriptors(t), held)
	})
}

func TestNamesThatAreTooLong(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		entry := w.create(t, "file")
		for call, try := range naming {
			if err := try(w, entry.ID, strings.Repeat("n", 256)); !errors.Is(err, unix.ENAMETOOLONG) {
				t.Errorf("%s: error is %v, want ENAMETOOLONG", call, err)
			}
		}
	})
}

func TestNamesOfAnyOtherBytes(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		for _, name := range []string{"...", " ", "\n", "\xff\xfe", "-rf", "ü", strings.Repeat("n", 255), ".hidden"} {
			entry := w.create(t, name)
			if found := w.lookup(t, name); found.ID != entry.ID {
				t.Errorf("%q is %d, want %d", name, found.ID, entry.ID)
			}
			if names := w.names(t, RootID); len(names) != 1 || names[0] != name {
				t.Errorf("the root holds %q, want %q", names, name)
			}
			w.unlink(t, name)
			w.tree.Forget(entry.ID, 2)
		}
		w.wantEmpty(t)
	})
}

func TestUnknownIDs(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		const unknown = 1 << 50
		calls := map[string]func() error{
			"Lookup":      func() error { return w.dropped(w.tree.Lookup(unknown, "file")) },
			"Lookup .":    func() error { return w.dropped(w.tree.Lookup(unknown, ".")) },
			"Lookup ..":   func() error { return w.dropped(w.tree.Lookup(unknown, "..")) },
			"Create":      func() error { return w.dropped(createFile(w.tree, unknown, "file", 0o600, Caller{})) },
			"Tmpfile":     func() error { return w.dropped(createTmpfile(w.tree, unknown, 0o600, Caller{})) },
			"Mkdir":       func() error { return w.dropped(w.tree.Mkdir(unknown, "file", 0o600, Caller{})) },
			"Mknod":       func() error { return w.dropped(w.tree.Mknod(unknown, "file", unix.S_IFIFO, 0, Caller{})) },
			"Symlink":     func() error { return w.dropped(w.tree.Symlink(unknown, "file", "x", Caller{})) },
			"Link":        func() error { return w.dropped(w.tree.Link(unknown, RootID, "file")) },
			"Link into":   func() error { return w.dropped(w.tree.Link(RootID, unknown, "file")) },
			"Readlink":    func() error { _, err := w.tree.Readlink(unknown); return err },
			"Unlink":      func() error { return w.tree.Unlink(unknown, "file") },
			"Rmdir":       func() error { return w.tree.Rmdir(unknown, "file") },
			"Rename":      func() error { return w.tree.Rename(unknown, "a", RootID, "b", 0, Caller{}) },
			"Rename to":   func() error { return w.tree.Rename(RootID, "a", unknown, "b", 0, Caller{}) },
			"Stat":        func() error { _, err := w.tree.Stat(unknown); return err },
			"Statx":       func() error { _, err := w.tree.Statx(unknown, unix.STATX_BASIC_STATS); return err },
			"Change":      func() error { _, err := w.tree.Change(unknown, Change{}); return err },
			"List":        func() error { _, err := w.tree.List(unknown, false); return err },
			"Open":        func() error { _, err := w.tree.Open(unknown, unix.O_RDONLY); return err },
			"Getxattr":    func() error { _, err := w.tree.Getxattr(unknown, "user.a"); return err },
			"Setxattr":    func() error { return w.tree.Setxattr(unknown, "user.a", nil, 0) },
			"Listxattr":   func() error { _, err := w.tree.Listxattr(unknown); return err },
			"Removexattr": func() error { return w.tree.Removexattr(unknown, "user.a") },
		}
		for name, call := range calls {
			if err := call(); !errors.Is(err, unix.ESTALE) {
				t.Errorf("%s: error is %v, want ESTALE", name, err)
			}
		}
		w.wantEmpty(t)
	})
}

func TestLookupOfDots(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		outer := w.mkdir(t, "outer")
		inner, err := w.tree.Mkdir(outer.ID, "inner", 0o700, Caller{})
		wantNoError(t, "Mkdir", err)
		cases := []struct {
			from uint64
			name string
			want uint64
		}{
			{RootID, ".", RootID},
			{RootID, "..", RootID},
			{outer.ID, ".", outer.ID},
			{outer.ID, "..", RootID},
			{inner.ID, ".", inner.ID},
			{inner.ID, "..", outer.ID},
		}
		for _, c := range cases {
			found, err := w.tree.Lookup(c.from, c.name)
			wantNoError(t, "Lookup of "+c.name, err)
			if found.ID != c.want || found.Stat.Ino != c.want || found.Stat.Mode&unix.S_IFMT != unix.S_IFDIR {
				t.Errorf("%s of %d is %d, want %d", c.name, c.from, found.ID, c.want)
			}
			w.tree.Forget(found.ID, 1)
		}
		w.tree.Forget(outer.ID, 1)
		found, err := w.tree.Lookup(inner.ID, "..") // whoever has a handle of inner need not know outer
		wantNoError(t, "Lookup of a forgotten parent", err)
		if found.ID != outer.ID {
			t.Errorf("the parent is %d, want %d", found.ID, outer.ID)
		}
		wantNoError(t, "Rmdir", w.tree.Rmdir(outer.ID, "inner"))
		wantNoError(t, "Rmdir", w.tree.Rmdir(RootID, "outer"))
		w.tree.Forget(inner.ID, 1)
		w.tree.Forget(outer.ID, 1)
		w.wantEmpty(t)
	})
}

func TestHardLinksAreOneNode(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		entry := w.create(t, "first")
		w.write(t, entry.ID, "hello", 0)
		directory := w.mkdir(t, "directory")
		linked, err := w.tree.Link(entry.ID, directory.ID, "second")
		wantNoError(t, "Link", err)
		if linked.ID != entry.ID || linked.Generation != entry.Generation || linked.Stat.Nlink != 2 {
			t.Errorf("the link is %d with %d links, want %d with 2", linked.ID, linked.Stat.Nlink, entry.ID)
		}
		_, err = w.tree.Link(entry.ID, directory.ID, "second")
		wantError(t, "linking to a name that is taken", err, unix.EEXIST)
		_, err = w.tree.Link(directory.ID, RootID, "third")
		wantError(t, "linking a directory", err, unix.EPERM)
		w.wantUsed(t, pageSize)

		w.unlink(t, "first")
		if stat := w.stat(t, entry.ID); stat.Nlink != 1 {
			t.Errorf("%d links, want 1", stat.Nlink)
		}
		w.tree.Forget(entry.ID, 2)
		w.wantUsed(t, pageSize)
		found, err := w.tree.Lookup(directory.ID, "second")
		wantNoError(t, "Lookup", err)
		if found.ID != entry.ID {
			t.Errorf("the second name is %d, want %d", found.ID, entry.ID)
		}
		w.wantContent(t, found.ID, "hello")
		wantNoError(t, "Unlink", w.tree.Unlink(directory.ID, "second"))
		w.tree.Forget(found.ID, 1)
		wantNoError(t, "Rmdir", w.tree.Rmdir(RootID, "directory"))
		w.tree.Forget(directory.ID, 1)
		w.wantEmpty(t)
	})
}

func TestTmpfileGetsAName(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		entry, err := createTmpfile(w.tree, RootID, 0o640, Caller{UID: 7, GID: 8})
		wantNoError(t, "Tmpfile", err)
		if s := entry.Stat; s.Nlink != 0 || s.Mode != unix.S_IFREG|0o640 || s.Uid != 7 || s.Gid != 8 {
			t.Errorf("%d links, mode %o, owner %d:%d", s.Nlink, s.Mode, s.Uid, s.Gid)
		}
		w.write(t, entry.ID, "hello", 0)
		if names := w.names(t, RootID); len(names) != 0 {
			t.Errorf("the root holds %q", names)
		}
		linked, err := w.tree.Link(entry.ID, RootID, "named")
		wantNoError(t, "Link", err)
		if linked.ID != entry.ID || linked.Stat.Nlink != 1 {
			t.Errorf("the link is %d with %d links, want %d with 1", linked.ID, linked.Stat.Nlink, entry.ID)
		}
		if w.kind.handles {
			wantSame(t, "descriptors", descriptors(t), w.empty)
		}
		w.tree.Forget(entry.ID, 2)
		found := w.lookup(t, "named")
		w.wantContent(t, found.ID, "hello")
		w.wantUsed(t, pageSize)
		w.unlink(t, "named")
		w.tree.Forget(found.ID, 1)
		w.wantEmpty(t)
	})
}

func TestTmpfileWithoutANameGoesWhenForgotten(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		directory := w.mkdir(t, "directory")
		entry, err := createTmpfile(w.tree, directory.ID, 0o600, Caller{})
		wantNoError(t, "Tmpfile", err)
		w.write(t, entry.ID, "hello", 0)
		w.wantUsed(t, pageSize)
		w.tree.Forget(entry.ID, 1)
		w.wantGone(t, entry.ID)
		wantNoError(t, "Rmdir", w.tree.Rmdir(RootID, "directory"))
		w.tree.Forget(directory.ID, 1)
		w.wantEmpty(t)
	})
}
