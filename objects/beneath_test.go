package objects

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// onDirectories runs a test on each kind of store that others may reach, on a thread whose mounts nobody else sees.
func onDirectories(t *testing.T, test func(t *testing.T, w *world)) {
	for name, kind := range storeKinds {
		if !kind.directory {
			continue
		}
		t.Run(name, func(t *testing.T) {
			runtime.LockOSThread() // until its end
			wantNoError(t, "leaving the mount namespace", unix.Unshare(unix.CLONE_NEWNS))
			wantNoError(t, "keeping mounts to itself", unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
			w := newWorld(t, kind, t.TempDir(), 100*pageSize)
			defer w.close(t)
			test(t, w)
		})
	}
}

func (w *world) at(name string) string { return filepath.Join(w.path, name) }

// TestDirectoryMovedOutOfTheStore has somebody move a directory of the store to elsewhere: what is in it goes with it, but nothing above it is
// to be had.
func TestDirectoryMovedOutOfTheStore(t *testing.T) {
	onDirectories(t, func(t *testing.T, w *world) {
		outer := w.mkdir(t, "outer")
		inner, err := w.tree.Mkdir(outer.ID, "inner", 0o755, Caller{})
		wantNoError(t, "making a directory", err)
		elsewhere := filepath.Join(filepath.Dir(w.path), filepath.Base(w.path)+"-elsewhere")
		wantNoError(t, "making another directory", os.Mkdir(elsewhere, 0o755))
		defer os.RemoveAll(elsewhere)
		wantNoError(t, "moving the directory away", os.Rename(w.at("outer"), elsewhere+"/outer"))
		parent, err := w.tree.Lookup(inner.ID, "..")
		wantError(t, "looking up the parent of what is in it", err, unix.ESTALE)
		_, err = w.tree.Lookup(outer.ID, "..")
		wantError(t, "looking up its parent", err, unix.ESTALE)
		if known := w.tree.Known(); known != 3 || parent.ID != 0 {
			t.Errorf("%d nodes are known, the parent is %d", known, parent.ID)
		}
		if path, err := w.tree.Path(inner.ID); err == nil {
			t.Errorf("its path is %q", path)
		}
		wantNoError(t, "moving the directory back", os.Rename(elsewhere+"/outer", w.at("outer")))
		back, err := w.tree.Lookup(inner.ID, "..")
		if err != nil || back.ID != outer.ID {
			t.Errorf("its parent is %d, %v; want %d", back.ID, err, outer.ID)
		}
		for _, id := range []uint64{back.ID, outer.ID, inner.ID} {
			w.tree.Forget(id, 1)
		}
	})
}

// TestMountInsideTheStore has something mounted in a store directory, of another file system and of the same. Neither is to be had.
func TestMountInsideTheStore(t *testing.T) {
	onDirectories(t, func(t *testing.T, w *world) {
		elsewhere := filepath.Join(filepath.Dir(w.path), filepath.Base(w.path)+"-elsewhere")
		wantNoError(t, "making another directory", os.Mkdir(elsewhere, 0o755))
		defer os.RemoveAll(elsewhere)
		wantNoError(t, "making a file there", os.WriteFile(elsewhere+"/secret", []byte("x"), 0o644))
		for name, source := range map[string]string{"bound": elsewhere, "tmpfs": ""} {
			entry := w.mkdir(t, name)
			w.tree.Forget(entry.ID, 1)
			var err error
			if source == "" {
				err = unix.Mount("none", w.at(name), "tmpfs", 0, "")
			} else {
				err = unix.Mount(source, w.at(name), "", unix.MS_BIND, "")
			}
			wantNoError(t, "mounting", err)
			defer func() { wantNoError(t, "unmounting", unix.Unmount(w.at(name), unix.MNT_DETACH)) }()
			known := w.tree.Known()
			_, err = w.tree.Lookup(RootID, name)
			wantError(t, "looking up "+name, err, unix.EXDEV)
			wantError(t, "removing "+name, w.tree.Rmdir(RootID, name), unix.EXDEV)
			other := w.mkdir(t, "other-"+name)
			w.tree.Forget(other.ID, 1)
			wantError(t, "replacing "+name, w.tree.Rename(RootID, "other-"+name, RootID, name, 0, Caller{}), unix.EXDEV)
			if now := w.tree.Known(); now != known+1 {
				t.Errorf("%d nodes are known, %d were", now, known)
			}
			if err := w.tree.Walk(func(found *Found) error {
				if found.Path == name || found.Path == name+"/secret" {
					t.Errorf("a walk comes to %q", found.Path)
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
			held, err := w.tree.unknown()
			if err != nil || len(held) != 0 {
				t.Errorf("%v is counted, %v", held, err)
			}
		}
	})
}

// TestSpecialFilesAreNotOpened has nodes of every kind opened as only a mangled request could ask for.
func TestSpecialFilesAreNotOpened(t *testing.T) {
	onEachStore(t, 100*pageSize, func(t *testing.T, w *world) {
		for name, one := range map[string]struct {
			mode uint32
			want unix.Errno
		}{"fifo": {unix.S_IFIFO, unix.EINVAL}, "null": {unix.S_IFCHR, unix.EINVAL}, "socket": {unix.S_IFSOCK, unix.EINVAL}, "link": {unix.S_IFLNK, unix.ELOOP},
			"directory": {unix.S_IFDIR, unix.EISDIR}} {
			var entry Entry
			var err error
			switch one.mode {
			case unix.S_IFLNK:
				entry, err = w.tree.Symlink(RootID, name, "/dev/null", Caller{})
			case unix.S_IFDIR:
				entry, err = w.tree.Mkdir(RootID, name, 0o755, Caller{})
			default:
				entry, err = w.tree.Mknod(RootID, name, one.mode|0o666, uint32(unix.Mkdev(1, 3)), Caller{})
			}
			wantNoError(t, "making "+name, err)
			for _, access := range []int{unix.O_RDONLY, unix.O_WRONLY, unix.O_RDWR} {
				_, err := w.tree.Open(entry.ID, access)
				wantError(t, "opening "+name, err, one.want)
			}
			known := w.tree.node(entry.ID)
			known.kind = 0 // as in the record of an earlier version
			_, err = w.tree.Open(entry.ID, unix.O_RDWR)
			wantError(t, "opening "+name+", of which the kind is not recorded", err, one.want)
			words := make([]uint64, nodeWords)
			for i := range words {
				words[i] = known.row.Load(i)
			}
			recorded, _, err := w.tree.nodeOf(known.row, words)
			wantNoError(t, "reading the record of "+name, err)
			wantError(t, "opening "+name+" as it is recorded", w.tree.requireRegular(recorded), one.want)
			if known.kind = recorded.kind; known.kind != one.mode {
				t.Errorf("%s is recorded as %o", name, known.kind)
			}
			size := int64(0)
			_, err = w.tree.Change(entry.ID, Change{Size: &size})
			wantError(t, "truncating "+name, err, one.want)
			w.tree.Forget(entry.ID, 1)
		}
	})
}

// TestWhatAWalkFindsIsReplaced has somebody replace files of the store between a walk's look at them and what is done then.
func TestWhatAWalkFindsIsReplaced(t *testing.T) {
	onDirectories(t, func(t *testing.T, w *world) {
		for _, name := range []string{"a", "b", "c"} {
			wantNoError(t, "making a file", os.WriteFile(w.at(name), []byte("x"), 0o644))
		}
		replace := map[string]func(string) error{
			"a": func(path string) error { return unix.Mkfifo(path, 0o666) },
			"b": func(path string) error { return os.Symlink("/etc/passwd", path) },
			"c": func(path string) error { return unix.Mknod(path, unix.S_IFCHR|0o666, int(unix.Mkdev(5, 0))) }, // ENXIO when it is opened
		}
		visited := 0
		err := w.tree.Walk(func(found *Found) error {
			visited++
			wantNoError(t, "removing the file", os.Remove(w.at(found.Path)))
			wantNoError(t, "replacing it", replace[found.Path](w.at(found.Path)))
			resident, err := found.Resident()
			if resident != 0 || err != nil {
				t.Errorf("of %q %d bytes are in memory, %v", found.Path, resident, err)
			}
			return nil
		})
		if err != nil || visited != 3 {
			t.Errorf("%d were visited, %v", visited, err)
		}
	})
}

// TestPathsAreNotFollowedThroughLinks has a directory on a node's path replaced by a link to where the same name is.
func TestPathsAreNotFollowedThroughLinks(t *testing.T) {
	onEachStore(t, 100*pageSize, func(t *testing.T, w *world) {
		directory := w.mkdir(t, "directory")
		made, object, err := w.tree.Create(directory.ID, "file", 0o644, Caller{})
		wantNoError(t, "creating a file", err)
		if !w.tree.leads("directory/file", made.ID) {
			t.Error("the path does not lead to the file")
		}
		wantNoError(t, "moving the directory", w.tree.Rename(RootID, "directory", RootID, "moved", 0, Caller{}))
		link, err := w.tree.Symlink(RootID, "directory", "moved", Caller{})
		wantNoError(t, "making a link", err)
		if w.tree.leads("directory/file", made.ID) {
			t.Error("a link was followed")
		}
		if path, err := w.tree.Path(made.ID); path != "moved/file" || err != nil {
			t.Errorf("the path is %q, %v", path, err)
		}
		wantNoError(t, "closing the file", object.Close())
		for _, id := range []uint64{directory.ID, made.ID, link.ID} {
			w.tree.Forget(id, 1)
		}
	})
}
