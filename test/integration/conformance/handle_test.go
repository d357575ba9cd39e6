package conformance

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

var handleTests = map[string]test{
	"opens the same inode":            handleOpens,
	"of a file nobody has opened":     handleForgotten,
	"stale after the last unlink":     handleStale,
	"valid while open without a name": handleUnlinkedOpen,
	"follows a rename":                handleRename,
	"of directories and links":        handleKinds,
	"is root's to open":               handleRights,
	"sizes and rubbish":               handleBad,
	"of the next file is another":     handleReused,
}

func handleOf(t T, path string) unix.FileHandle {
	t.Helper()
	handle, _, err := unix.NameToHandleAt(unix.AT_FDCWD, path, 0)
	ok(t, err, "name_to_handle_at")
	return handle
}

// openHandle opens by handle relative to the mount that dir is in.
func openHandle(t T, dir string, handle unix.FileHandle, flags int) (*file, error) {
	t.Helper()
	mount := openDirectory(t, dir)
	defer mount.close(t)
	fd, err := unix.OpenByHandleAt(mount.fd, handle, flags|unix.O_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return adopt(t, fd), nil
}

func handleOpens(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", []byte("data"))
	g, err := openHandle(t, dir, handleOf(t, dir+"/f"), unix.O_RDWR)
	ok(t, err, "open_by_handle_at")
	equal(t, g.stat(t), f.stat(t), "fstat of both")
	sameBytes(t, g.read(t, 0, 10), []byte("data"), "the data")
	g.write(t, 0, []byte("DATA"))
	contain(t, dir+"/f", "DATA")
	one, two := handleOf(t, dir+"/f"), handleOf(t, dir+"/f")
	equal(t, string(one.Bytes()), string(two.Bytes()), "the handle asked for twice")
	ok(t, unix.Link(dir+"/f", dir+"/h"), "link")
	other := handleOf(t, dir+"/h")
	equal(t, string(other.Bytes()), string(one.Bytes()), "the handle by another name")
	memory := g.share(t, page)
	memory[0] = 'd'
	contain(t, dir+"/f", "dATA")
}

// forget makes the kernel drop what it remembers of names and inodes nobody uses.
func forget(t T) {
	t.Helper()
	if err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("2"), 0); err != nil {
		t.Fatalf("making the kernel forget needs root and a writable /proc/sys: %v", err)
	}
}

func handleForgotten(t *testing.T, dir string) {
	mkdir(t, dir+"/d", 0o755)
	createWith(t, dir+"/d/f", []byte("data")).close(t)
	handle, directory := handleOf(t, dir+"/d/f"), handleOf(t, dir+"/d")
	ino := stat(t, dir+"/d/f").Ino
	forget(t)
	f, err := openHandle(t, dir, handle, unix.O_RDONLY)
	ok(t, err, "open_by_handle_at of a forgotten file")
	sameBytes(t, f.read(t, 0, 10), []byte("data"), "the data")
	equal(t, f.stat(t).Ino, ino, "inode number")
	forget(t)
	d, err := openHandle(t, dir, directory, unix.O_RDONLY|unix.O_DIRECTORY)
	ok(t, err, "open_by_handle_at of a forgotten directory")
	sameBytes(t, openat(t, d.fd, "f", unix.O_RDONLY, 0).read(t, 0, 10), []byte("data"), "the data below it")
	equal(t, openat(t, d.fd, "..", unix.O_RDONLY, 0).stat(t).Ino, stat(t, dir).Ino, "the directory's dot-dot")
}

// goesStale requires that the handle opens nothing once the kernel has told of the last close; what opens until then is
// closed again, or it would be held alive.
func goesStale(t T, dir string, handle unix.FileHandle, what string) {
	t.Helper()
	eventually(t, what+" is stale", func() bool {
		f, err := openHandle(t, dir, handle, unix.O_RDONLY)
		if err == nil {
			f.close(t)
		}
		return err == unix.ESTALE
	})
}

func handleStale(t *testing.T, dir string) {
	createWith(t, dir+"/f", []byte("data")).close(t)
	handle := handleOf(t, dir+"/f")
	ok(t, unix.Unlink(dir+"/f"), "unlink")
	goesStale(t, dir, handle, "the handle of a removed file")
	forget(t)
	_, err := openHandle(t, dir, handle, unix.O_RDONLY)
	fails(t, unix.ESTALE, err, "open_by_handle_at of a removed file")
	mkdir(t, dir+"/d", 0o755)
	directory := handleOf(t, dir+"/d")
	ok(t, unix.Rmdir(dir+"/d"), "rmdir")
	_, err = openHandle(t, dir, directory, unix.O_RDONLY)
	fails(t, unix.ESTALE, err, "open_by_handle_at of a removed directory")
}

func handleUnlinkedOpen(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", []byte("data"))
	handle := handleOf(t, dir+"/f")
	ok(t, unix.Link(dir+"/f", dir+"/g"), "link")
	ok(t, unix.Unlink(dir+"/f"), "unlink of one name")
	g, err := openHandle(t, dir, handle, unix.O_RDONLY)
	ok(t, err, "open_by_handle_at while another name is left")
	sameBytes(t, g.read(t, 0, 10), []byte("data"), "the data")
	equal(t, f.stat(t).Nlink, 1, "st_nlink")
}

func handleRename(t *testing.T, dir string) {
	createWith(t, dir+"/f", []byte("data")).close(t)
	handle := handleOf(t, dir+"/f")
	mkdir(t, dir+"/d", 0o755)
	ok(t, unix.Rename(dir+"/f", dir+"/d/g"), "rename")
	forget(t)
	f, err := openHandle(t, dir, handle, unix.O_RDONLY)
	ok(t, err, "open_by_handle_at after rename")
	sameBytes(t, f.read(t, 0, 10), []byte("data"), "the data")
}

func handleKinds(t *testing.T, dir string) {
	mkdir(t, dir+"/d", 0o755)
	ok(t, unix.Symlink("nowhere", dir+"/l"), "symlink")
	ok(t, unix.Mkfifo(dir+"/p", 0o644), "mkfifo")
	for _, name := range []string{"d", "l", "p"} {
		handle := handleOf(t, dir+"/"+name)
		f, err := openHandle(t, dir, handle, unix.O_PATH)
		ok(t, err, "open_by_handle_at of %s", name)
		equal(t, f.stat(t), lstat(t, dir+"/"+name), "fstat of %s", name)
	}
	_, err := openHandle(t, dir, handleOf(t, dir+"/l"), unix.O_RDONLY)
	fails(t, unix.ELOOP, err, "open_by_handle_at of a symbolic link for reading")
	_, err = openHandle(t, dir, handleOf(t, dir+"/d"), unix.O_RDWR)
	fails(t, unix.EISDIR, err, "open_by_handle_at of a directory for writing")
	touch(t, dir+"/target", 0o644)
	ok(t, unix.Symlink("target", dir+"/to"), "symlink")
	followed, _, err := unix.NameToHandleAt(unix.AT_FDCWD, dir+"/to", unix.AT_SYMLINK_FOLLOW)
	ok(t, err, "name_to_handle_at that follows")
	direct := handleOf(t, dir+"/target")
	equal(t, string(followed.Bytes()), string(direct.Bytes()), "the handle behind a link")
}

func handleRights(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o666)
	handleRightsStep.run(t, alice, dir)
}

var handleRightsStep = newStep("open by handle", func(p *process, arguments []string) {
	handle := handleOf(p, arguments[0]+"/f")
	_, err := openHandle(p, arguments[0], handle, unix.O_RDONLY)
	fails(p, unix.EPERM, err, "open_by_handle_at as a user")
})

func handleBad(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o644)
	handle := handleOf(t, dir+"/f")
	_, err := openHandle(t, dir, unix.NewFileHandle(handle.Type(), make([]byte, handle.Size())), unix.O_RDONLY)
	fails(t, unix.ESTALE, err, "a handle of zeros")
	_, err = openHandle(t, dir, unix.NewFileHandle(handle.Type(), handle.Bytes()[:4]), unix.O_RDONLY)
	fails(t, unix.ESTALE, err, "a handle cut short")
	_, err = openHandle(t, dir, unix.NewFileHandle(handle.Type(), nil), unix.O_RDONLY)
	fails(t, unix.EINVAL, err, "an empty handle")
	_, _, err = unix.NameToHandleAt(unix.AT_FDCWD, dir+"/none", 0)
	fails(t, unix.ENOENT, err, "name_to_handle_at of nothing")
	_, _, err = unix.NameToHandleAt(unix.AT_FDCWD, dir+"/f", 1<<20)
	fails(t, unix.EINVAL, err, "name_to_handle_at with unknown flags")
}

func handleReused(t *testing.T, dir string) {
	var old []unix.FileHandle
	for i := range 20 {
		createWith(t, dir+"/f", []byte{byte(i)}).close(t)
		old = append(old, handleOf(t, dir+"/f"))
		ok(t, unix.Unlink(dir+"/f"), "unlink")
	}
	createWith(t, dir+"/f", []byte("the last")).close(t)
	for i, handle := range old {
		goesStale(t, dir, handle, "handle "+itoa(i))
	}
	f, err := openHandle(t, dir, handleOf(t, dir+"/f"), unix.O_RDONLY)
	ok(t, err, "open_by_handle_at of the last")
	sameBytes(t, f.read(t, 0, 20), []byte("the last"), "the last file")
}
