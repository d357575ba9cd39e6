//go:build crashpoints

package objects

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// longTarget does not fit into an inode.
var longTarget = strings.Repeat("t", 2000)

// crashWorld is what there is before an operation, with one reference to each but "forgotten".
type crashWorld struct {
	*mortal
	labels map[uint64]string // of inodes
	ids    map[string]uint64 // by label
}

func newCrashWorld(t reporter, kind storeKind, path string) *crashWorld {
	w := &crashWorld{mortal: newMortal(t, kind, path, 64*pageSize), labels: map[uint64]string{}, ids: map[string]uint64{}}
	label := func(name string, entry Entry, err error) uint64 {
		wantNoError(t, "making "+name, err)
		w.labels[entry.ID], w.ids[name] = name, entry.ID
		return entry.ID
	}
	for _, name := range []string{"file", "other", "forgotten"} {
		entry, err := createFile(w.tree, RootID, name, 0o644, Caller{})
		w.write(t, label(name, entry, err), name, 0)
	}
	w.write(t, w.ids["other"], "end", 3*pageSize)
	for _, name := range []string{"empty", "full", "replaced"} {
		entry, err := w.tree.Mkdir(RootID, name, 0o755, Caller{})
		label(name, entry, err)
	}
	entry, err := createFile(w.tree, w.ids["full"], "inside", 0o600, Caller{})
	label("inside", entry, err)
	entry, err = w.tree.Symlink(RootID, "symlink", longTarget, Caller{})
	label("symlink", entry, err)
	entry, err = createTmpfile(w.tree, RootID, 0o600, Caller{})
	w.write(t, label("nameless", entry, err), "nameless", 0)
	entry, err = createFile(w.tree, RootID, "first", 0o600, Caller{})
	label("twice", entry, err)
	_, err = w.tree.Link(w.ids["twice"], RootID, "second")
	wantNoError(t, "linking", err)
	w.tree.Forget(w.ids["twice"], 1)
	wantNoError(t, "setting an attribute", w.tree.Setxattr(w.ids["file"], "user.old", []byte("value"), 0))
	w.tree.SetCreator(w.ids["file"], shortCreator)
	w.tree.SetCreator(w.ids["twice"], shortCreator)
	w.tree.SetCreator(w.ids["nameless"], longCreator)
	w.tree.Forget(w.ids["forgotten"], 1)
	w.wantSound(t)
	return w
}

// forgetUnknown forgets what the kernel would say that it does not know, though a process that has died has counted a reference.
func (w *crashWorld) forgetUnknown() {
	for _, id := range w.tree.Doubtful() {
		if label := w.labels[id]; label == "" || label == "forgotten" {
			w.tree.Forget(id, 1<<40)
		}
	}
}

// picture describes all that clients can see, but for times.
func (w *crashWorld) picture(t reporter) string {
	t.Helper()
	var lines []string
	labelOf := func(id uint64) string {
		if label := w.labels[id]; label != "" {
			return label
		}
		return "new"
	}
	describe := func(stat *unix.Stat_t) string {
		return fmt.Sprintf("%s %o %d links, %d bytes, of %d", labelOf(stat.Ino), stat.Mode, stat.Nlink, stat.Size, stat.Uid) + w.creatorOf(stat.Ino)
	}
	wantNoError(t, "walking", w.tree.Walk(func(found *Found) error {
		path := fmt.Sprintf("/proc/self/fd/%d/%s", found.directory, found.name)
		text := ""
		switch found.Stat.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			text = w.contents(t, path) + attributes(t, path)
		case unix.S_IFLNK:
			target := make([]byte, unix.PathMax)
			n, err := unix.Readlink(path, target)
			wantNoError(t, "reading a link", err)
			text = fmt.Sprintf("%.10q… of %d", target[:n], n)
		case unix.S_IFDIR:
			found.Stat.Size, found.Stat.Nlink = 0, 0 // the store's own business
		}
		lines = append(lines, found.Path+": "+describe(&found.Stat)+" "+text)
		return nil
	}))
	w.tree.Nameless(func(stat *unix.Stat_t, _ int64) { lines = append(lines, "nameless: "+describe(stat)) })
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func (w *crashWorld) contents(t reporter, path string) string {
	t.Helper()
	descriptor, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	wantNoError(t, "opening "+path, err)
	defer unix.Close(descriptor)
	bytesOf := make([]byte, 64*pageSize)
	n, err := unix.Pread(descriptor, bytesOf, 0)
	wantNoError(t, "reading "+path, err)
	return fmt.Sprintf("%q", bytes.ReplaceAll(bytesOf[:n], make([]byte, 64), []byte(".")))
}

func attributes(t reporter, path string) string {
	t.Helper()
	names, err := grow(func(into []byte) (int, error) { return unix.Listxattr(path, into) })
	wantNoError(t, "listing attributes", err)
	text := ""
	for _, name := range strings.Split(strings.Trim(string(names), "\x00"), "\x00") {
		if strings.HasPrefix(name, "user.") {
			value, err := grow(func(into []byte) (int, error) { return unix.Getxattr(path, name, into) })
			wantNoError(t, "reading an attribute", err)
			text += fmt.Sprintf(" %s=%s", name, value)
		}
	}
	return text
}

// crashing is an operation, what is done again about it by whoever goes on after a death, and whether it may be found half done: then it
// is done again.
type crashing struct {
	run      func(w *crashWorld) error
	removed  []string // labels of inodes that lose or get a name
	made     string   // a new name in the root
	whited   string   // a name in the root that a whiteout may have
	repeated bool
}

func (w *crashWorld) object(label string, do func(o *Object) error) error {
	object, err := w.tree.Open(w.ids[label], unix.O_RDWR)
	if err != nil {
		return err
	}
	defer object.Close()
	return do(object)
}

func (w *crashWorld) rename(old, to string, flags uint) error {
	return w.tree.Rename(RootID, old, RootID, to, flags, Caller{})
}

func (w *crashWorld) change(label string, change Change) error {
	_, err := w.tree.Change(w.ids[label], change)
	return err
}

func sized(size int64) *int64 { return &size }

var crashings = map[string]crashing{
	"create": {made: "made", run: func(w *crashWorld) error {
		_, err := createFile(w.tree, RootID, "made", 0o640, Caller{UID: 1000, GID: 1000})
		return err
	}},
	"mkdir": {made: "made", run: func(w *crashWorld) error {
		_, err := w.tree.Mkdir(RootID, "made", 0o750, Caller{})
		return err
	}},
	"mknod": {made: "made", run: func(w *crashWorld) error {
		_, err := w.tree.Mknod(RootID, "made", unix.S_IFIFO|0o600, 0, Caller{})
		return err
	}},
	"symlink": {made: "made", run: func(w *crashWorld) error {
		_, err := w.tree.Symlink(RootID, "made", longTarget, Caller{})
		return err
	}},
	"lookup": {run: func(w *crashWorld) error {
		_, err := w.tree.Lookup(RootID, "forgotten")
		return err
	}},
	"link": {removed: []string{"file"}, run: func(w *crashWorld) error {
		_, err := w.tree.Link(w.ids["file"], RootID, "again")
		return err
	}},
	"link of what has no name": {removed: []string{"nameless"}, run: func(w *crashWorld) error {
		_, err := w.tree.Link(w.ids["nameless"], RootID, "named")
		return err
	}},
	"unlink":              {removed: []string{"file"}, run: func(w *crashWorld) error { return w.tree.Unlink(RootID, "file") }},
	"unlink of forgotten": {removed: []string{"forgotten"}, run: func(w *crashWorld) error { return w.tree.Unlink(RootID, "forgotten") }},
	"unlink of a second":  {removed: []string{"twice"}, run: func(w *crashWorld) error { return w.tree.Unlink(RootID, "second") }},
	"unlink of a symlink": {removed: []string{"symlink"}, run: func(w *crashWorld) error { return w.tree.Unlink(RootID, "symlink") }},
	"rmdir":               {removed: []string{"empty"}, run: func(w *crashWorld) error { return w.tree.Rmdir(RootID, "empty") }},
	"rename":              {run: func(w *crashWorld) error { return w.rename("file", "moved", 0) }},
	"rename over":         {removed: []string{"other"}, run: func(w *crashWorld) error { return w.rename("file", "other", 0) }},
	"rename over forgotten": {removed: []string{"forgotten"}, run: func(w *crashWorld) error {
		return w.rename("file", "forgotten", 0)
	}},
	"rename over a second": {removed: []string{"twice"}, run: func(w *crashWorld) error { return w.rename("file", "second", 0) }},
	"rename over a directory": {removed: []string{"replaced"}, run: func(w *crashWorld) error {
		return w.rename("full", "replaced", 0)
	}},
	"exchange": {removed: []string{"other"}, run: func(w *crashWorld) error {
		return w.rename("file", "other", unix.RENAME_EXCHANGE)
	}},
	"whiteout": {whited: "file", run: func(w *crashWorld) error { return w.rename("file", "moved", unix.RENAME_WHITEOUT) }},
	"erase": {removed: []string{"twice"}, repeated: true, run: func(w *crashWorld) error {
		_, err := w.tree.Erase(w.ids["twice"])
		return err
	}},
	"write": {run: func(w *crashWorld) error {
		return w.object("file", func(o *Object) error { _, err := o.WriteAt([]byte("more"), 5*pageSize); return err })
	}},
	"write inside": {run: func(w *crashWorld) error {
		return w.object("other", func(o *Object) error { _, err := o.WriteAt([]byte("more"), pageSize); return err })
	}},
	"write of what has no name": {run: func(w *crashWorld) error {
		return w.object("nameless", func(o *Object) error { _, err := o.WriteAt([]byte("more"), 5*pageSize); return err })
	}},
	"write of more than fits": {run: func(w *crashWorld) error {
		return w.object("file", func(o *Object) error {
			_, err := o.WriteAt(bytes.Repeat([]byte("m"), int(100*pageSize)), 0)
			return err
		})
	}},
	"grow":   {run: func(w *crashWorld) error { return w.change("file", Change{Size: sized(7 * pageSize)}) }},
	"shrink": {run: func(w *crashWorld) error { return w.change("other", Change{Size: sized(1)}) }},
	"resize to the same": {repeated: true, run: func(w *crashWorld) error {
		if err := w.object("file", func(o *Object) error { return o.Allocate(unix.FALLOC_FL_KEEP_SIZE, 0, 6*pageSize) }); err != nil {
			return err
		}
		return w.change("file", Change{Size: sized(4)})
	}},
	"resize an open file": {run: func(w *crashWorld) error {
		return w.object("file", func(o *Object) error { return o.Resize(9 * pageSize) })
	}},
	"truncate": {run: func(w *crashWorld) error {
		return w.change("other", Change{Size: sized(0), Opening: true})
	}},
	"allocate": {run: func(w *crashWorld) error {
		return w.object("file", func(o *Object) error { return o.Allocate(0, pageSize, 5*pageSize) })
	}},
	"allocate behind the end": {run: func(w *crashWorld) error {
		return w.object("file", func(o *Object) error { return o.Allocate(unix.FALLOC_FL_KEEP_SIZE, pageSize, 5*pageSize) })
	}},
	"shrink what is reserved": {repeated: true, run: func(w *crashWorld) error {
		return w.object("file", func(o *Object) error {
			if err := o.Allocate(unix.FALLOC_FL_KEEP_SIZE, 0, 6*pageSize); err != nil {
				return err
			}
			return o.Resize(2)
		})
	}},
	"punch": {run: func(w *crashWorld) error {
		return w.object("other", func(o *Object) error {
			return o.Allocate(unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, 2*pageSize)
		})
	}},
	"attributes": {repeated: true, run: func(w *crashWorld) error {
		mode, owner := uint32(0o4711), uint32(1000)
		return w.change("file", Change{Mode: &mode, UID: &owner, Size: sized(2), Mtime: &unix.Timespec{Sec: 5}})
	}},
	"privileges": {repeated: true, run: func(w *crashWorld) error {
		mode := uint32(0o6755)
		if err := w.change("file", Change{Mode: &mode}); err != nil {
			return err
		}
		return w.tree.DropPrivileges(w.ids["file"], Writer{})
	}},
	"set an attribute": {run: func(w *crashWorld) error { return w.tree.Setxattr(w.ids["file"], "user.new", []byte("value"), 0) }},
	"remove an attribute": {run: func(w *crashWorld) error {
		return w.tree.Removexattr(w.ids["file"], "user.old")
	}},
	"note a creator":         {repeated: true, run: func(w *crashWorld) error { return w.noteCreator("other", longCreator) }},
	"note another creator":   {repeated: true, run: func(w *crashWorld) error { return w.noteCreator("file", Creator{Process: 3}) }},
	"note the creator again": {repeated: true, run: func(w *crashWorld) error { return w.noteCreator("file", shortCreator) }},
	"unlink of forgotten with a creator": {removed: []string{"forgotten"}, repeated: true, run: func(w *crashWorld) error {
		return errors.Join(w.noteCreator("forgotten", longCreator), w.tree.Unlink(RootID, "forgotten"))
	}},
	"forget the nameless": {repeated: true, removed: []string{"nameless"}, run: func(w *crashWorld) error {
		w.tree.Forget(w.ids["nameless"], 1)
		return nil
	}},
}

// TestCrashEverywhere has a process die at each crash point of each operation, and those that follow at each point of taking up what it has
// left. The operation has happened then or it has not, all that is counted is right, and in the end nothing is left.
func TestCrashEverywhere(t *testing.T) {
	for name, kind := range storeKinds {
		for what, operation := range crashings {
			t.Run(name+"/"+what, func(t *testing.T) {
				before, after := operation.pictures(t, kind)
				visited := map[string]bool{}
				for visit := 0; ; visit++ {
					point, died := operation.crash(t, kind, visit, before, after)
					if !died {
						break
					}
					visited[point] = true
				}
				if len(visited) == 0 {
					t.Error("no crash point is visited")
				}
				if t.Failed() {
					t.Logf("the points are %q", slices.Sorted(maps.Keys(visited)))
				}
			})
		}
	}
}

// pictures are what is to be seen before and after the operation.
func (c *crashing) pictures(t *testing.T, kind storeKind) (before, after string) {
	w := newCrashWorld(t, kind, t.TempDir())
	defer w.close(t)
	before = w.picture(t)
	wantNoError(t, "the operation", c.run(w))
	after = w.picture(t)
	w.wantSound(t)
	w.wantAllGone(t)
	return before, after
}

// crash is one death.
func (c *crashing) crash(t *testing.T, kind storeKind, visit int, before, after string) (point string, died bool) {
	w := newCrashWorld(t, kind, t.TempDir())
	defer w.close(t)
	point, died = w.dieAt(t, visit, func() { _ = c.run(w) })
	if !died {
		return "", false
	}
	for _, label := range c.removed {
		w.tree.Settle(w.ids[label])
	}
	if c.made != "" {
		_, _ = w.tree.LookupMade(RootID, c.made, false)
	}
	if c.whited != "" {
		if entry, err := w.tree.LookupMade(RootID, c.whited, false); err == nil {
			w.tree.Forget(entry.ID, 1)
		}
	}
	w.forgetUnknown()
	w.wantSound(t)
	found := w.picture(t)
	if found != after {
		if found != before && !c.repeated {
			t.Errorf("dead at %q: it is half done:\n%s\n\nbefore it was\n%s\n\nand would be\n%s", point, found, before, after)
		}
		if err := c.run(w); err != nil {
			t.Errorf("dead at %q: doing it again: %v", point, err)
		}
		w.forgetUnknown()
		if found = w.picture(t); found != after {
			t.Errorf("dead at %q: done again it is\n%s\n\nand would be\n%s", point, found, after)
		}
		w.wantSound(t)
	}
	w.wantAllGone(t)
	if t.Failed() {
		t.Fatalf("dead at %q", point)
	}
	return point, true
}
