package conformance

import (
	"testing"

	"golang.org/x/sys/unix"
)

var createTests = map[string]test{
	"a new file is empty and the caller's":        createNew,
	"every mode bit is taken":                     createModes,
	"exclusive refuses an existing name":          createExclusive,
	"exclusive does not follow a dangling link":   createExclusiveDangling,
	"through a dangling link makes its target":    createThroughLink,
	"where the parent is missing or no directory": createBadParent,
	"opening directories":                         createDirectory,
	"truncate on opening":                         createTruncate,
	"truncate on opening for reading":             createTruncateReadOnly,
	"a read-only file just created is writable":   createReadOnlyMode,
	"no-follow":                           createNoFollow,
	"trailing slashes":                    createTrailingSlash,
	"an empty path":                       createEmptyPath,
	"the umask is applied":                createUmask,
	"owner and group are the caller's":    createOwner,
	"opened names stay right when reused": createReused,
	"O_CREAT with O_DIRECTORY":            createDirectoryFlag,
}

func createNew(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	s := f.stat(t)
	modeIs(t, s, unix.S_IFREG|0o644, "a new file")
	equal(t, s.Size, 0, "st_size")
	equal(t, s.Blocks, 0, "st_blocks")
	equal(t, s.Nlink, 1, "st_nlink")
	equal(t, s.Uid, 0, "st_uid")
	equal(t, s.Gid, 0, "st_gid")
	equal(t, s.Rdev, 0, "st_rdev")
	equal(t, int(s.Blksize), page, "st_blksize")
	equal(t, s.Dev, stat(t, dir).Dev, "st_dev")
	isTrue(t, s.Ino != stat(t, dir).Ino && s.Ino != 0, "the inode number %d is its own", s.Ino)
	equal(t, s.Mtim, s.Ctim, "mtime beside ctime")
	equal(t, s.Atim, s.Ctim, "atime beside ctime")
	equal(t, s, stat(t, dir+"/f"), "stat beside fstat")
	equal(t, len(f.read(t, 0, 10)), 0, "bytes read from an empty file")
}

func createModes(t *testing.T, dir string) {
	for _, mode := range []uint32{0, 0o1, 0o644, 0o777, 0o4755, 0o2755, 0o2644, 0o1666, 0o7777} {
		path := dir + "/" + itoa(int(mode))
		f := open(t, path, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, mode)
		modeIs(t, f.stat(t), unix.S_IFREG|mode, "created with %#o", mode)
		modeIs(t, stat(t, path), unix.S_IFREG|mode, "by name, created with %#o", mode)
	}
}

func createExclusive(t *testing.T, dir string) {
	createWith(t, dir+"/f", []byte("kept"))
	cannotOpen(t, unix.EEXIST, dir+"/f", unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, 0o644)
	cannotOpen(t, unix.EEXIST, dir+"/f", unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_TRUNC, 0o644)
	contain(t, dir+"/f", "kept")
	mkdir(t, dir+"/d", 0o755)
	cannotOpen(t, unix.EEXIST, dir+"/d", unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, 0o644)
	cannotOpen(t, unix.EEXIST, dir, unix.O_RDONLY|unix.O_CREAT|unix.O_EXCL, 0o644)
	f := open(t, dir+"/f", unix.O_RDWR|unix.O_CREAT, 0o600)
	modeIs(t, f.stat(t), unix.S_IFREG|0o644, "an existing file keeps its mode")
}

func createExclusiveDangling(t *testing.T, dir string) {
	ok(t, unix.Symlink("nothing", dir+"/link"), "symlink")
	cannotOpen(t, unix.EEXIST, dir+"/link", unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, 0o644)
	missing(t, dir+"/nothing")
}

func createThroughLink(t *testing.T, dir string) {
	ok(t, unix.Symlink("target", dir+"/link"), "symlink")
	cannotOpen(t, unix.ENOENT, dir+"/link", unix.O_RDWR, 0)
	f := open(t, dir+"/link", unix.O_RDWR|unix.O_CREAT, 0o640)
	f.write(t, 0, []byte("x"))
	contain(t, dir+"/target", "x")
	equal(t, stat(t, dir+"/target").Ino, f.stat(t).Ino, "inode of the target")
}

func createBadParent(t *testing.T, dir string) {
	cannotOpen(t, unix.ENOENT, dir+"/none/f", unix.O_RDWR|unix.O_CREAT, 0o644)
	cannotOpen(t, unix.ENOENT, dir+"/none", unix.O_RDWR, 0)
	touch(t, dir+"/f", 0o644)
	cannotOpen(t, unix.ENOTDIR, dir+"/f/g", unix.O_RDWR|unix.O_CREAT, 0o644)
	cannotOpen(t, unix.ENOTDIR, dir+"/f/g", unix.O_RDONLY, 0)
}

func createDirectory(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o644)
	mkdir(t, dir+"/d", 0o755)
	ok(t, unix.Symlink("d", dir+"/to-d"), "symlink")
	cannotOpen(t, unix.EISDIR, dir+"/d", unix.O_WRONLY, 0)
	cannotOpen(t, unix.EISDIR, dir+"/d", unix.O_RDWR, 0)
	cannotOpen(t, unix.EISDIR, dir+"/d", unix.O_RDONLY|unix.O_TRUNC, 0)
	cannotOpen(t, unix.EISDIR, dir+"/d", unix.O_RDONLY|unix.O_CREAT, 0o644)
	cannotOpen(t, unix.ENOTDIR, dir+"/f", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	open(t, dir+"/to-d", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	cannotOpen(t, unix.ENOTDIR, dir+"/to-d", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	d := open(t, dir+"/d", unix.O_RDONLY, 0)
	_, err := unix.Read(d.fd, make([]byte, 10))
	fails(t, unix.EISDIR, err, "read of a directory")
	_, err = unix.Pread(d.fd, make([]byte, 10), 0)
	fails(t, unix.EISDIR, err, "pread of a directory")
	_, err = unix.Write(d.fd, []byte("x"))
	fails(t, unix.EBADF, err, "write to a directory")
	_, err = unix.Mmap(d.fd, 0, page, unix.PROT_READ, unix.MAP_SHARED)
	fails(t, unix.ENODEV, err, "mmap of a directory")
}

func createTruncate(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", pattern(3*page))
	before := f.stat(t)
	tick(t)
	g := open(t, dir+"/f", unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC, 0o600)
	after := g.stat(t)
	equal(t, after.Size, 0, "st_size")
	equal(t, after.Blocks, 0, "st_blocks")
	equal(t, after.Ino, before.Ino, "st_ino")
	modeIs(t, after, unix.S_IFREG|0o644, "after O_TRUNC")
	isTrue(t, after.Mtim.Nano() > before.Mtim.Nano(), "O_TRUNC moves mtime")
	isTrue(t, after.Ctim.Nano() > before.Ctim.Nano(), "O_TRUNC moves ctime")
	equal(t, f.stat(t), after, "fstat of the older descriptor")
	equal(t, len(f.read(t, 0, page)), 0, "bytes the older descriptor reads")
}

func createTruncateReadOnly(t *testing.T, dir string) {
	createWith(t, dir+"/f", []byte("lost"))
	f := open(t, dir+"/f", unix.O_RDONLY|unix.O_TRUNC, 0)
	equal(t, f.stat(t).Size, 0, "st_size")
	contain(t, dir+"/f", "")
}

func createReadOnlyMode(t *testing.T, dir string) {
	createReadOnlyStep.run(t, alice, dir)
}

var createReadOnlyStep = newStep("create read-only", func(p *process, arguments []string) {
	path := arguments[0] + "/f"
	f := open(p, path, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, 0o400)
	f.write(p, 0, []byte("written"))
	contain(p, path, "written")
	cannotOpen(p, unix.EACCES, path, unix.O_RDWR, 0)
	cannotOpen(p, unix.EACCES, path, unix.O_RDONLY|unix.O_TRUNC, 0)
	none := open(p, arguments[0]+"/none", unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, 0)
	none.write(p, 0, []byte("written"))
	sameBytes(p, none.read(p, 0, 10), []byte("written"), "a file of mode 0 through its creator")
	cannotOpen(p, unix.EACCES, arguments[0]+"/none", unix.O_RDONLY, 0)
})

func createNoFollow(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o644)
	ok(t, unix.Symlink("f", dir+"/link"), "symlink")
	cannotOpen(t, unix.ELOOP, dir+"/link", unix.O_RDONLY|unix.O_NOFOLLOW, 0)
	cannotOpen(t, unix.ELOOP, dir+"/link", unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW, 0o644)
	open(t, dir+"/f", unix.O_RDONLY|unix.O_NOFOLLOW, 0)
	mkdir(t, dir+"/d", 0o755)
	touch(t, dir+"/d/g", 0o644)
	ok(t, unix.Symlink("d", dir+"/to-d"), "symlink")
	open(t, dir+"/to-d/g", unix.O_RDONLY|unix.O_NOFOLLOW, 0)
}

func createTrailingSlash(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o644)
	cannotOpen(t, unix.ENOTDIR, dir+"/f/", unix.O_RDONLY, 0)
	cannotOpen(t, unix.EISDIR, dir+"/new/", unix.O_RDWR|unix.O_CREAT, 0o644)
	cannotOpen(t, unix.ENOENT, dir+"/new/", unix.O_RDONLY, 0)
	open(t, dir+"///f", unix.O_RDONLY, 0)
	open(t, dir+"/./f", unix.O_RDONLY, 0)
	missing(t, dir+"/new")
}

func createEmptyPath(t *testing.T, dir string) {
	cannotOpen(t, unix.ENOENT, "", unix.O_RDONLY, 0)
	d := open(t, dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	_, err := unix.Openat(d.fd, "", unix.O_RDONLY, 0)
	fails(t, unix.ENOENT, err, "openat of an empty path")
}

func createUmask(t *testing.T, dir string) {
	createUmaskStep.run(t, alice, dir)
}

var createUmaskStep = newStep("create under a umask", func(p *process, arguments []string) {
	dir := arguments[0]
	unix.Umask(0o027)
	f := open(p, dir+"/f", unix.O_RDWR|unix.O_CREAT, 0o4777)
	modeIs(p, f.stat(p), unix.S_IFREG|0o4750, "a file under umask 027")
	mkdir(p, dir+"/d", 0o1777)
	modeIs(p, stat(p, dir+"/d"), unix.S_IFDIR|0o1750, "a directory under umask 027")
	ok(p, unix.Mkfifo(dir+"/p", 0o666), "mkfifo")
	modeIs(p, stat(p, dir+"/p"), unix.S_IFIFO|0o640, "a FIFO under umask 027")
	ok(p, unix.Symlink("f", dir+"/l"), "symlink")
	modeIs(p, lstat(p, dir+"/l"), unix.S_IFLNK|0o777, "a symbolic link under umask 027")
	unix.Umask(0o777)
	g := open(p, dir+"/g", unix.O_RDWR|unix.O_CREAT, 0o777)
	modeIs(p, g.stat(p), unix.S_IFREG, "a file under umask 777")
})

func createOwner(t *testing.T, dir string) {
	createOwnerStep.run(t, alice, dir)
	for _, name := range []string{"f", "d", "p", "l"} {
		s := lstat(t, dir+"/"+name)
		equal(t, s.Uid, alice.uid, "owner of %s", name)
		equal(t, s.Gid, alice.gid, "group of %s", name)
	}
}

var createOwnerStep = newStep("create everything", func(p *process, arguments []string) {
	create(p, arguments[0]+"/f")
	mkdir(p, arguments[0]+"/d", 0o755)
	ok(p, unix.Mkfifo(arguments[0]+"/p", 0o644), "mkfifo")
	ok(p, unix.Symlink("f", arguments[0]+"/l"), "symlink")
})

func createReused(t *testing.T, dir string) {
	var old []*file
	for i := range 5 {
		f := createWith(t, dir+"/f", []byte{byte('0' + i)})
		old = append(old, f)
		ok(t, unix.Unlink(dir+"/f"), "unlink")
	}
	inodes := map[uint64]bool{}
	for i, f := range old {
		sameBytes(t, f.read(t, 0, 10), []byte{byte('0' + i)}, "descriptor %d", i)
		inodes[f.stat(t).Ino] = true
	}
	equal(t, len(inodes), len(old), "inode numbers in use at once")
	missing(t, dir+"/f")
}

func createDirectoryFlag(t *testing.T, dir string) {
	cannotOpen(t, unix.EINVAL, dir+"/f", unix.O_RDWR|unix.O_CREAT|unix.O_DIRECTORY, 0o644)
	missing(t, dir+"/f")
}
