package conformance

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

var mountingTests = map[string]mountTest{
	"the root is sticky and all may write": mountingRoot,
	"the root as the options say":          mountingRootOptions,
	"the sticky root is enforced":          mountingSticky,
	"read-only":                            mountingReadOnly,
	"read-only from now on":                mountingRemount,
	"noexec":                               mountingNoExec,
	"busy":                                 mountingBusy,
	"bound elsewhere":                      mountingBind,
	"the root itself":                      mountingRootItself,
}

func mountingRoot(t *testing.T, mount mounter) {
	root := mount(t, "")
	s := stat(t, root)
	modeIs(t, s, unix.S_IFDIR|0o1777, "the root")
	equal(t, s.Nlink, 2, "st_nlink of the root")
	equal(t, s.Size, 2*direntSize, "st_size of the root")
	equal(t, s.Uid, 0, "owner of the root")
	equal(t, s.Gid, 0, "group of the root")
	names(t, root)
}

func mountingRootOptions(t *testing.T, mount mounter) {
	root := mount(t, "mode=0750,uid=1234,gid=4321")
	s := stat(t, root)
	modeIs(t, s, unix.S_IFDIR|0o750, "the root")
	equal(t, s.Uid, 1234, "owner of the root")
	equal(t, s.Gid, 4321, "group of the root")
	ok(t, unix.Chmod(root, 0o1770), "chmod")
	ok(t, unix.Chown(root, 5, 6), "chown")
	modeIs(t, stat(t, root), unix.S_IFDIR|0o1770, "the root after chmod")
	equal(t, stat(t, root).Uid, 5, "owner of the root after chown")
}

func mountingSticky(t *testing.T, mount mounter) {
	root := mount(t, "")
	createEverythingStep.run(t, alice, root)
	stickyStep.run(t, bob, root)
	names(t, root, "d", "f", "own")
	ownsStickyStep.run(t, alice, root)
	names(t, root, "own")
}

// refusesChanges requires EROFS of every call that would change the file system.
func refusesChanges(t *testing.T, root string) {
	t.Helper()
	cannotOpen(t, unix.EROFS, root+"/new", unix.O_RDWR|unix.O_CREAT, 0o644)
	cannotOpen(t, unix.EROFS, root+"/f", unix.O_RDWR, 0)
	cannotOpen(t, unix.EROFS, root+"/f", unix.O_RDONLY|unix.O_TRUNC, 0)
	cannotOpen(t, unix.EROFS, root, unix.O_RDWR|unix.O_TMPFILE, 0o600)
	for what, err := range map[string]error{
		"mkdir":       unix.Mkdir(root+"/new", 0o755),
		"mknod":       unix.Mknod(root+"/new", unix.S_IFIFO|0o644, 0),
		"symlink":     unix.Symlink("x", root+"/new"),
		"link":        unix.Link(root+"/f", root+"/new"),
		"rename":      unix.Rename(root+"/f", root+"/new"),
		"unlink":      unix.Unlink(root + "/f"),
		"rmdir":       unix.Rmdir(root + "/d"),
		"chmod":       unix.Chmod(root+"/f", 0o600),
		"chown":       unix.Chown(root+"/f", 1, 1),
		"utimensat":   unix.UtimesNanoAt(unix.AT_FDCWD, root+"/f", nil, 0),
		"truncate":    unix.Truncate(root+"/f", 0),
		"setxattr":    unix.Setxattr(root+"/f", "user.a", nil, 0),
		"removexattr": unix.Removexattr(root+"/f", "user.a"),
		"access":      unix.Access(root+"/f", unix.W_OK),
	} {
		fails(t, unix.EROFS, err, "%s on a read-only mount", what)
	}
	fails(t, unix.EEXIST, unix.Mkdir(root+"/d", 0o755), "mkdir of what exists, on a read-only mount")
	equal(t, statfs(t, root).Flags&unix.ST_RDONLY, unix.ST_RDONLY, "ST_RDONLY")
}

func mountingReadOnly(t *testing.T, mount mounter) {
	root := mount(t, "ro")
	cannotOpen(t, unix.EROFS, root+"/new", unix.O_RDWR|unix.O_CREAT, 0o644)
	fails(t, unix.EROFS, unix.Mkdir(root+"/new", 0o755), "mkdir")
	fails(t, unix.EROFS, unix.Chmod(root, 0o755), "chmod of the root")
	names(t, root)
	equal(t, statfs(t, root).Flags&unix.ST_RDONLY, unix.ST_RDONLY, "ST_RDONLY")
}

func mountingRemount(t *testing.T, mount mounter) {
	root := mount(t, "")
	f := createWith(t, root+"/f", []byte("data"))
	mkdir(t, root+"/d", 0o755)
	ok(t, unix.Setxattr(root+"/f", "user.a", []byte("x"), 0), "setxattr")
	remount := func(flags uintptr) error {
		return unix.Mount("", root, "", unix.MS_REMOUNT|unix.MS_NOSUID|unix.MS_NODEV|flags, "")
	}
	fails(t, unix.EBUSY, remount(unix.MS_RDONLY), "remounting read-only with a file open for writing")
	f.close(t)
	eventually(t, "remounting read-only works after the last close", func() bool { return remount(unix.MS_RDONLY) == nil })
	refusesChanges(t, root)
	contain(t, root+"/f", "data")
	memory := open(t, root+"/f", unix.O_RDONLY, 0).mmap(t, 0, 4, unix.PROT_READ, shared)
	sameBytes(t, memory, []byte("data"), "the mapping")
	ok(t, remount(0), "remounting for writing")
	touch(t, root+"/new", 0o644)
}

func mountingNoExec(t *testing.T, mount mounter) {
	root := mount(t, "noexec")
	program, err := os.ReadFile(mapperBinary(t))
	ok(t, err, "reading the program")
	f := createWith(t, root+"/program", program)
	ok(t, unix.Chmod(root+"/program", 0o755), "chmod")
	m := startMapper(t)
	m.mapFile(root+"/program", page)
	m.refuses(unix.EPERM, "map 1 0 %d %d %d 0", page, unix.PROT_READ|unix.PROT_EXEC, shared)
	m.refuses(unix.EPERM, "map 1 0 %d %d %d 0", page, unix.PROT_READ|unix.PROT_EXEC, private)
	m.refuses(unix.EACCES, "protect 0 0 %d %d", page, unix.PROT_READ|unix.PROT_EXEC)
	f.close(t)
	fails(t, unix.EACCES, exec.Command(root+"/program", "--answer").Run(), "execve")
	fails(t, unix.EACCES, unix.Access(root+"/program", unix.X_OK), "access for execution")
	equal(t, statfs(t, root).Flags&unix.ST_NOEXEC, unix.ST_NOEXEC, "ST_NOEXEC")
}

func mountingBusy(t *testing.T, mount mounter) {
	root := mount(t, "")
	f := createWith(t, root+"/f", pattern(page))
	fails(t, unix.EBUSY, unix.Unmount(root, 0), "unmounting with a file open")
	sameBytes(t, f.read(t, 0, page), pattern(page), "the file after that")
	memory := f.share(t, page)
	f.close(t)
	fails(t, unix.EBUSY, unix.Unmount(root, 0), "unmounting with a file mapped")
	sameBytes(t, memory, pattern(page), "the mapping after that")
	d := openDirectory(t, root)
	unmap(t, memory)
	fails(t, unix.EBUSY, unix.Unmount(root, 0), "unmounting with a directory open")
	d.close(t)
}

func mountingBind(t *testing.T, mount mounter) {
	root := mount(t, "")
	mkdir(t, root+"/d", 0o755)
	createWith(t, root+"/d/f", []byte("data")).close(t)
	place := filepath.Join(t.TempDir(), "bound")
	mkdir(t, place, 0o755)
	ok(t, unix.Mount(root+"/d", place, "", unix.MS_BIND, ""), "bind mount")
	defer func() { ok(t, unix.Unmount(place, 0), "unmounting the bind mount") }()
	contain(t, place+"/f", "data")
	equal(t, stat(t, place+"/f"), stat(t, root+"/d/f"), "stat by both ways")
	fails(t, unix.EXDEV, unix.Link(place+"/f", root+"/g"), "link between two mounts of one file system")
	fails(t, unix.EXDEV, unix.Rename(place+"/f", root+"/g"), "rename between two mounts of one file system")
	f, g := open(t, place+"/f", unix.O_RDWR, 0), open(t, root+"/d/f", unix.O_RDWR, 0)
	one, two := f.share(t, 4), g.share(t, 4)
	one[0] = 'D'
	equal(t, two[0], 'D', "stored through the one mount, loaded through the other")
	unmap(t, one)
	f.close(t)
}

func mountingRootItself(t *testing.T, mount mounter) {
	root := mount(t, "")
	fails(t, unix.EBUSY, unix.Rmdir(root), "rmdir")
	fails(t, unix.EBUSY, unix.Rename(root, root+".moved"), "rename")
	fails(t, unix.EISDIR, unix.Unlink(root), "unlink")
	fails(t, unix.EEXIST, unix.Mkdir(root, 0o755), "mkdir")
	setTimes(t, root, unix.Timespec{Sec: 1, Nsec: 2}, unix.Timespec{Sec: 3, Nsec: 4})
	equal(t, stat(t, root).Mtim, unix.Timespec{Sec: 3, Nsec: 4}, "mtime of the root")
	ok(t, unix.Setxattr(root, "user.a", []byte("x"), 0), "setxattr of the root")
	equal(t, getXattr(t, root, "user.a"), "x", "the root's attribute")
	d := openDirectory(t, root)
	ok(t, unix.Flock(d.fd, unix.LOCK_EX|unix.LOCK_NB), "flock of the root")
}
