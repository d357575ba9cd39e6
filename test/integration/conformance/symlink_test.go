package conformance

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

var symlinkTests = map[string]test{
	"target is kept byte for byte": symlinkTargets,
	"longest target":               symlinkLongest,
	"attributes":                   symlinkAttributes,
	"reading":                      symlinkReading,
	"loops":                        symlinkLoops,
	"chains":                       symlinkChains,
	"dangling":                     symlinkDangling,
	"refuses":                      symlinkRefuses,
	"own times and owner":          symlinkOwn,
	"to directories":               symlinkDirectories,
	"O_PATH opens the link itself": symlinkPath,
	"stamps the parent":            symlinkStamps,
}

func symlinkTargets(t *testing.T, dir string) {
	for i, target := range []string{
		"x", "../..", "/", "/absolute/path", "with space\nand newline", "\xff\xfe not UTF-8", strings.Repeat("t", 127),
		strings.Repeat("t", 128), strings.Repeat("t", 129), strings.Repeat("t", 1000), "//a//", "./.",
	} {
		path := dir + "/" + itoa(i)
		ok(t, unix.Symlink(target, path), "symlink to %q", target)
		got, err := os.Readlink(path)
		ok(t, err, "readlink")
		equal(t, got, target, "target")
		equal(t, lstat(t, path).Size, int64(len(target)), "st_size")
	}
}

func symlinkLongest(t *testing.T, dir string) {
	target := strings.Repeat("0123456789abcde/", 256)[:4095]
	ok(t, unix.Symlink(target, dir+"/l"), "symlink to 4095 bytes")
	buffer := make([]byte, 5000)
	n, err := unix.Readlink(dir+"/l", buffer)
	ok(t, err, "readlink")
	sameBytes(t, buffer[:n], []byte(target), "the longest target")
	equal(t, lstat(t, dir+"/l").Size, 4095, "st_size")
	fails(t, unix.ENAMETOOLONG, unix.Symlink(target+"x", dir+"/m"), "symlink to 4096 bytes")
	fails(t, unix.ENOENT, unix.Symlink("", dir+"/m"), "symlink to nothing")
	missing(t, dir+"/m")
}

func symlinkAttributes(t *testing.T, dir string) {
	ok(t, unix.Symlink("target", dir+"/l"), "symlink")
	s := lstat(t, dir+"/l")
	modeIs(t, s, unix.S_IFLNK|0o777, "a symbolic link")
	equal(t, s.Nlink, 1, "st_nlink")
	equal(t, s.Size, 6, "st_size")
	equal(t, s.Blocks, 0, "st_blocks of a short link")
	ok(t, unix.Symlink(strings.Repeat("t", 2000), dir+"/m"), "symlink")
	equal(t, lstat(t, dir+"/m").Blocks, blocksPerPage, "st_blocks of a long link")
}

func symlinkReading(t *testing.T, dir string) {
	ok(t, unix.Symlink("0123456789", dir+"/l"), "symlink")
	buffer := bytes.Repeat([]byte{'-'}, 20)
	n, err := unix.Readlink(dir+"/l", buffer[:4])
	ok(t, err, "readlink into 4 bytes")
	equal(t, n, 4, "bytes read")
	sameBytes(t, buffer[:6], []byte("0123--"), "the buffer")
	touch(t, dir+"/f", 0o644)
	_, err = unix.Readlink(dir+"/f", buffer)
	fails(t, unix.EINVAL, err, "readlink of a file")
	_, err = unix.Readlink(dir, buffer)
	fails(t, unix.EINVAL, err, "readlink of a directory")
	_, err = unix.Readlink(dir+"/none", buffer)
	fails(t, unix.ENOENT, err, "readlink of nothing")
}

func symlinkLoops(t *testing.T, dir string) {
	ok(t, unix.Symlink("b", dir+"/a"), "symlink")
	ok(t, unix.Symlink("a", dir+"/b"), "symlink")
	ok(t, unix.Symlink("self", dir+"/self"), "symlink")
	var s unix.Stat_t
	for _, name := range []string{"/a", "/self", "/self/x"} {
		fails(t, unix.ELOOP, unix.Stat(dir+name, &s), "stat of %s", name)
		cannotOpen(t, unix.ELOOP, dir+name, unix.O_RDONLY, 0)
		cannotOpen(t, unix.ELOOP, dir+name, unix.O_RDWR|unix.O_CREAT, 0o644)
		fails(t, unix.ELOOP, unix.Chmod(dir+name, 0o600), "chmod of %s", name)
		fails(t, unix.ELOOP, unix.Truncate(dir+name, 0), "truncate of %s", name)
	}
	fails(t, unix.EEXIST, unix.Mkdir(dir+"/self", 0o755), "mkdir on a loop")
	ok(t, unix.Unlink(dir+"/self"), "unlink of a loop")
}

func symlinkChains(t *testing.T, dir string) {
	createWith(t, dir+"/0", []byte("end"))
	for i := 1; i <= 41; i++ {
		ok(t, unix.Symlink(itoa(i-1), dir+"/"+itoa(i)), "symlink")
	}
	contain(t, dir+"/40", "end")
	var s unix.Stat_t
	fails(t, unix.ELOOP, unix.Stat(dir+"/41", &s), "a chain of 41")
}

func symlinkDangling(t *testing.T, dir string) {
	ok(t, unix.Symlink("nothing", dir+"/l"), "symlink")
	var s unix.Stat_t
	fails(t, unix.ENOENT, unix.Stat(dir+"/l", &s), "stat")
	fails(t, unix.EEXIST, unix.Mkdir(dir+"/l", 0o755), "mkdir")
	fails(t, unix.EEXIST, unix.Mkfifo(dir+"/l", 0o644), "mkfifo")
	fails(t, unix.ENOTDIR, unix.Rmdir(dir+"/l"), "rmdir")
	touch(t, dir+"/nothing", 0o644)
	equal(t, stat(t, dir+"/l").Ino, stat(t, dir+"/nothing").Ino, "inode behind the link once it exists")
}

func symlinkRefuses(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o644)
	fails(t, unix.EEXIST, unix.Symlink("x", dir+"/f"), "over a file")
	fails(t, unix.EEXIST, unix.Symlink("x", dir), "over a directory")
	fails(t, unix.ENOENT, unix.Symlink("x", dir+"/none/l"), "into nothing")
	fails(t, unix.ENOTDIR, unix.Symlink("x", dir+"/f/l"), "into a file")
	fails(t, unix.ENOENT, unix.Symlink("x", dir+"/l/"), "to a name with a slash")
	names(t, dir, "f")
}

func symlinkOwn(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o644)
	ok(t, unix.Symlink("f", dir+"/l"), "symlink")
	before := stat(t, dir+"/f")
	ok(t, unix.Lchown(dir+"/l", 11, 12), "lchown")
	times := []unix.Timespec{{Sec: 100, Nsec: 1}, {Sec: 200, Nsec: 2}}
	ok(t, unix.UtimesNanoAt(unix.AT_FDCWD, dir+"/l", times, unix.AT_SYMLINK_NOFOLLOW), "utimensat of the link")
	s := lstat(t, dir+"/l")
	equal(t, s.Uid, 11, "owner of the link")
	equal(t, s.Gid, 12, "group of the link")
	equal(t, s.Mtim, times[1], "mtime of the link")
	equal(t, s.Atim, times[0], "atime of the link")
	equal(t, stat(t, dir+"/f"), before, "the file")
	err := unix.Fchmodat(unix.AT_FDCWD, dir+"/l", 0o600, unix.AT_SYMLINK_NOFOLLOW)
	fails(t, unix.EOPNOTSUPP, err, "fchmodat of the link")
	ok(t, unix.Chmod(dir+"/l", 0o600), "chmod, which follows")
	modeIs(t, stat(t, dir+"/f"), unix.S_IFREG|0o600, "the file")
	modeIs(t, lstat(t, dir+"/l"), unix.S_IFLNK|0o777, "the link")
}

func symlinkDirectories(t *testing.T, dir string) {
	mkdir(t, dir+"/d", 0o755)
	createWith(t, dir+"/d/f", []byte("data"))
	ok(t, unix.Symlink(dir+"/d", dir+"/absolute"), "symlink")
	ok(t, unix.Symlink("./d/", dir+"/relative"), "symlink")
	contain(t, dir+"/absolute/f", "data")
	contain(t, dir+"/relative/f", "data")
	contain(t, dir+"/relative/../d/f", "data")
	fails(t, unix.ENOTDIR, unix.Rmdir(dir+"/relative"), "rmdir of a link")
	fails(t, unix.ENOTDIR, unix.Rmdir(dir+"/relative/"), "rmdir of a link with a slash")
}

func symlinkPath(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o644)
	ok(t, unix.Symlink("f", dir+"/l"), "symlink")
	l := open(t, dir+"/l", pathDescriptor, 0)
	modeIs(t, l.stat(t), unix.S_IFLNK|0o777, "the descriptor")
	buffer := make([]byte, 10)
	n, err := unix.Readlinkat(l.fd, "", buffer)
	ok(t, err, "readlinkat of the descriptor")
	sameBytes(t, buffer[:n], []byte("f"), "target")
	ok(t, unix.Fchownat(l.fd, "", 3, 4, unix.AT_EMPTY_PATH), "fchownat of the descriptor")
	equal(t, lstat(t, dir+"/l").Uid, 3, "owner of the link")
	equal(t, stat(t, dir+"/f").Uid, 0, "owner of the file")
}

func symlinkStamps(t *testing.T, dir string) {
	mkdir(t, dir+"/d", 0o755)
	before := stat(t, dir+"/d")
	tick(t)
	ok(t, unix.Symlink("x", dir+"/d/l"), "symlink")
	after := stat(t, dir+"/d")
	stamped(t, before, after, "the parent")
	equal(t, after.Size, before.Size+direntSize, "size of the parent")
}
