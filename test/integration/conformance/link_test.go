package conformance

import (
	"testing"

	"golang.org/x/sys/unix"
)

var linkTests = map[string]test{
	"is the same inode":                    linkSameInode,
	"count and ctime at once":              linkStamps,
	"count after rename and unlink":        linkCount,
	"is the same memory":                   linkSameMemory,
	"is the same memory between processes": linkSameMemoryElsewhere,
	"opened before the link was made":      linkOpenBefore,
	"truncation through another name":      linkTruncation,
	"refuses":                              linkRefuses,
	"of a symbolic link":                   linkOfSymlink,
	"of a descriptor":                      linkOfDescriptor,
	"of special files":                     linkOfSpecial,
	"many names":                           linkMany,
	"attributes are the inode's":           linkAttributes,
	"the way libc makes a semaphore":       linkSemaphore,
}

func linkSameInode(t *testing.T, dir string) {
	createWith(t, dir+"/a", []byte("data")).close(t)
	mkdir(t, dir+"/d", 0o755)
	ok(t, unix.Link(dir+"/a", dir+"/d/b"), "link")
	a, b := stat(t, dir+"/a"), stat(t, dir+"/d/b")
	equal(t, a, b, "stat by the two names")
	equal(t, a.Nlink, 2, "st_nlink")
	ok(t, unix.Unlink(dir+"/a"), "unlink of the first name")
	contain(t, dir+"/d/b", "data")
	equal(t, stat(t, dir+"/d/b").Ino, a.Ino, "inode number after the first name went")
}

func linkStamps(t *testing.T, dir string) {
	f := create(t, dir+"/a")
	mkdir(t, dir+"/d", 0o755)
	before, parent := stat(t, dir+"/a"), stat(t, dir+"/d")
	tick(t)
	ok(t, unix.Link(dir+"/a", dir+"/d/b"), "link")
	for _, after := range []unix.Stat_t{f.stat(t), stat(t, dir+"/a"), stat(t, dir+"/d/b")} {
		equal(t, after.Nlink, 2, "st_nlink")
		isTrue(t, after.Ctim.Nano() > before.Ctim.Nano(), "link moves ctime")
		equal(t, after.Mtim, before.Mtim, "mtime")
	}
	after := stat(t, dir+"/d")
	stamped(t, parent, after, "the parent")
	equal(t, after.Size, parent.Size+direntSize, "size of the parent")
	equal(t, after.Nlink, parent.Nlink, "link count of the parent")
}

func linkCount(t *testing.T, dir string) {
	f := create(t, dir+"/a")
	step := func(want uint64, err error, what string, paths ...string) {
		t.Helper()
		ok(t, err, "%s", what)
		equal(t, uint64(f.stat(t).Nlink), want, "st_nlink of the descriptor after %s", what)
		for _, path := range paths {
			equal(t, uint64(stat(t, dir+path).Nlink), want, "st_nlink of %s after %s", path, what)
			equal(t, stat(t, dir+path).Ctim, f.stat(t).Ctim, "ctime of %s after %s", path, what)
		}
	}
	before := nanos(f.stat(t).Ctim)
	tick(t)
	step(2, unix.Link(dir+"/a", dir+"/b"), "link", "/a", "/b")
	step(3, unix.Link(dir+"/b", dir+"/c"), "link of a link", "/a", "/b", "/c")
	isTrue(t, nanos(f.stat(t).Ctim) > before, "ctime moved")
	before = nanos(f.stat(t).Ctim)
	tick(t)
	step(3, unix.Rename(dir+"/a", dir+"/d"), "rename", "/b", "/c", "/d")
	isTrue(t, nanos(f.stat(t).Ctim) > before, "ctime moved on rename")
	before = nanos(f.stat(t).Ctim)
	tick(t)
	step(2, unix.Unlink(dir+"/b"), "unlink", "/c", "/d")
	isTrue(t, nanos(f.stat(t).Ctim) > before, "ctime moved on unlink")
	touch(t, dir+"/x", 0o644)
	step(1, unix.Rename(dir+"/x", dir+"/c"), "being replaced", "/d")
	step(0, unix.Unlink(dir+"/d"), "the last unlink")
}

func linkSameMemory(t *testing.T, dir string) {
	createWith(t, dir+"/a", pattern(2*page)).close(t)
	ok(t, unix.Link(dir+"/a", dir+"/b"), "link")
	a, b := open(t, dir+"/a", unix.O_RDWR, 0), open(t, dir+"/b", unix.O_RDWR, 0)
	one, two := a.share(t, 2*page), b.share(t, 2*page)
	sameBytes(t, two, pattern(2*page), "the other mapping")
	one[page] = 200
	equal(t, two[page], 200, "stored through one, loaded through the other")
	two[0] = 201
	equal(t, one[0], 201, "stored through the other, loaded through the one")
	a.write(t, 10, []byte("written"))
	sameBytes(t, two[10:17], []byte("written"), "written by one name, mapped by the other")
	ok(t, unix.Unlink(dir+"/a"), "unlink")
	one[1], two[2] = 210, 211
	sameBytes(t, b.read(t, 0, 3), []byte{201, 210, 211}, "after one name went")
}

func linkSameMemoryElsewhere(t *testing.T, dir string) {
	createWith(t, dir+"/a", pattern(page)).close(t)
	a, b := startMapper(t), startMapper(t)
	a.mapFile(dir+"/a", page)
	ok(t, unix.Link(dir+"/a", dir+"/b"), "link")
	b.mapFile(dir+"/b", page)
	a.store(0, 100, 7)
	b.load(0, 100, 7)
	b.begin("add 0 200 50000")
	a.expect("ok", "add 0 200 50000")
	equal(t, b.finish(), "ok", "the other process")
	f := open(t, dir+"/b", unix.O_RDONLY, 0)
	start := uint32(pattern(204)[200]) | uint32(pattern(204)[201])<<8 | uint32(pattern(204)[202])<<16 | uint32(pattern(204)[203])<<24
	got := f.read(t, 200, 4)
	sum := uint32(got[0]) | uint32(got[1])<<8 | uint32(got[2])<<16 | uint32(got[3])<<24
	equal(t, sum-start, 100000, "atomic additions by two processes through two names")
}

func linkOpenBefore(t *testing.T, dir string) {
	f := createWith(t, dir+"/a", []byte("data"))
	ok(t, unix.Link(dir+"/a", dir+"/b"), "link")
	ok(t, unix.Unlink(dir+"/a"), "unlink")
	f.write(t, 0, []byte("DA"))
	contain(t, dir+"/b", "DAta")
	g := open(t, dir+"/b", unix.O_RDWR, 0)
	g.write(t, 2, []byte("TA"))
	sameBytes(t, f.read(t, 0, 10), []byte("DATA"), "through the older descriptor")
	equal(t, f.stat(t), g.stat(t), "fstat of both")
}

func linkTruncation(t *testing.T, dir string) {
	f := createWith(t, dir+"/a", pattern(3*page))
	ok(t, unix.Link(dir+"/a", dir+"/b"), "link")
	ok(t, unix.Truncate(dir+"/b", 5), "truncate by the other name")
	equal(t, stat(t, dir+"/a").Size, 5, "st_size by the first name")
	equal(t, f.stat(t).Size, 5, "st_size of the descriptor")
	sameBytes(t, f.read(t, 0, 100), pattern(5), "the data")
	open(t, dir+"/b", unix.O_WRONLY|unix.O_TRUNC, 0)
	equal(t, f.stat(t).Size, 0, "st_size after O_TRUNC by the other name")
}

func linkRefuses(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o644)
	touch(t, dir+"/g", 0o644)
	mkdir(t, dir+"/d", 0o755)
	fails(t, unix.EEXIST, unix.Link(dir+"/f", dir+"/g"), "over a file")
	fails(t, unix.EEXIST, unix.Link(dir+"/f", dir+"/f"), "onto itself")
	fails(t, unix.EEXIST, unix.Link(dir+"/f", dir+"/d"), "over a directory")
	fails(t, unix.EPERM, unix.Link(dir+"/d", dir+"/e"), "of a directory")
	fails(t, unix.ENOENT, unix.Link(dir+"/none", dir+"/e"), "of nothing")
	fails(t, unix.ENOENT, unix.Link(dir+"/f", dir+"/none/e"), "into nothing")
	fails(t, unix.ENOTDIR, unix.Link(dir+"/f", dir+"/g/e"), "into a file")
	fails(t, unix.ENOTDIR, unix.Link(dir+"/f/", dir+"/e"), "of a file named with a slash")
	fails(t, unix.ENOENT, unix.Link(dir+"/f", dir+"/e/"), "to a name with a slash")
	fails(t, unix.EINVAL, unix.Linkat(unix.AT_FDCWD, dir+"/f", unix.AT_FDCWD, dir+"/e", 1<<20), "with unknown flags")
	names(t, dir, "d", "f", "g")
	equal(t, stat(t, dir+"/f").Nlink, 1, "st_nlink")
}

func linkOfSymlink(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o644)
	ok(t, unix.Symlink("f", dir+"/l"), "symlink")
	ok(t, unix.Link(dir+"/l", dir+"/m"), "link, which does not follow")
	equal(t, lstat(t, dir+"/m"), lstat(t, dir+"/l"), "lstat of both")
	equal(t, lstat(t, dir+"/m").Nlink, 2, "link count of the symbolic link")
	ok(t, unix.Linkat(unix.AT_FDCWD, dir+"/l", unix.AT_FDCWD, dir+"/g", unix.AT_SYMLINK_FOLLOW), "linkat that follows")
	equal(t, lstat(t, dir+"/g").Ino, stat(t, dir+"/f").Ino, "inode behind the link")
	ok(t, unix.Symlink("none", dir+"/dangling"), "symlink")
	err := unix.Linkat(unix.AT_FDCWD, dir+"/dangling", unix.AT_FDCWD, dir+"/h", unix.AT_SYMLINK_FOLLOW)
	fails(t, unix.ENOENT, err, "linkat that follows a dangling link")
}

func linkOfDescriptor(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", []byte("data"))
	ok(t, unix.Linkat(unix.AT_FDCWD, self(f), unix.AT_FDCWD, dir+"/g", unix.AT_SYMLINK_FOLLOW), "linkat through /proc")
	ok(t, unix.Linkat(f.fd, "", unix.AT_FDCWD, dir+"/h", unix.AT_EMPTY_PATH), "linkat of the descriptor")
	equal(t, f.stat(t).Nlink, 3, "st_nlink")
	for _, name := range []string{"f", "g", "h"} {
		ok(t, unix.Unlink(dir+"/"+name), "unlink")
	}
	err := unix.Linkat(f.fd, "", unix.AT_FDCWD, dir+"/h", unix.AT_EMPTY_PATH)
	fails(t, unix.ENOENT, err, "linkat of a file that lost its last name")
	err = unix.Linkat(unix.AT_FDCWD, self(f), unix.AT_FDCWD, dir+"/h", unix.AT_SYMLINK_FOLLOW)
	fails(t, unix.ENOENT, err, "linkat through /proc of a file that lost its last name")
	names(t, dir)
}

func linkOfSpecial(t *testing.T, dir string) {
	ok(t, unix.Mkfifo(dir+"/p", 0o644), "mkfifo")
	ok(t, unix.Link(dir+"/p", dir+"/q"), "link of a FIFO")
	equal(t, stat(t, dir+"/p"), stat(t, dir+"/q"), "stat of both")
	reader := open(t, dir+"/p", unix.O_RDONLY|unix.O_NONBLOCK, 0)
	writer := open(t, dir+"/q", unix.O_WRONLY|unix.O_NONBLOCK, 0)
	_, err := unix.Write(writer.fd, []byte("through"))
	ok(t, err, "write by one name")
	data := make([]byte, 10)
	n, err := unix.Read(reader.fd, data)
	ok(t, err, "read by the other")
	sameBytes(t, data[:n], []byte("through"), "what came through")
}

func linkMany(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	for i := range 300 {
		ok(t, unix.Link(dir+"/f", dir+"/"+itoa(i)), "link %d", i)
	}
	equal(t, f.stat(t).Nlink, 301, "st_nlink")
	for i := range 300 {
		s := stat(t, dir+"/"+itoa(i))
		equal(t, s.Ino, f.stat(t).Ino, "inode of name %d", i)
		equal(t, s.Nlink, 301, "st_nlink of name %d", i)
	}
	for i := range 300 {
		ok(t, unix.Unlink(dir+"/"+itoa(i)), "unlink %d", i)
	}
	equal(t, f.stat(t).Nlink, 1, "st_nlink at the end")
}

func linkAttributes(t *testing.T, dir string) {
	f := create(t, dir+"/a")
	ok(t, unix.Link(dir+"/a", dir+"/b"), "link")
	ok(t, unix.Chmod(dir+"/a", 0o611), "chmod")
	modeIs(t, stat(t, dir+"/b"), unix.S_IFREG|0o611, "by the other name")
	ok(t, unix.Chown(dir+"/b", 5, 6), "chown")
	equal(t, stat(t, dir+"/a").Uid, 5, "owner by the first name")
	times := []unix.Timespec{{Sec: 1, Nsec: 2}, {Sec: 3, Nsec: 4}}
	ok(t, unix.UtimesNanoAt(unix.AT_FDCWD, dir+"/a", times, 0), "utimensat")
	equal(t, stat(t, dir+"/b").Mtim, times[1], "mtime by the other name")
	ok(t, unix.Setxattr(dir+"/b", "user.x", []byte("y"), 0), "setxattr")
	value := make([]byte, 5)
	n, err := unix.Getxattr(dir+"/a", "user.x", value)
	ok(t, err, "getxattr by the first name")
	sameBytes(t, value[:n], []byte("y"), "attribute")
	equal(t, f.stat(t), stat(t, dir+"/b"), "fstat beside stat")
}

// linkSemaphore is glibc's sem_open under names without the semaphores' prefix: write, map, link, unlink the first name.
func linkSemaphore(t *testing.T, dir string) {
	f := open(t, dir+"/temporary", unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, 0o600)
	f.write(t, 0, make([]byte, 32))
	memory := f.share(t, 32)
	ok(t, unix.Link(dir+"/temporary", dir+"/final"), "link")
	s := f.stat(t)
	ok(t, unix.Unlink(dir+"/temporary"), "unlink")
	f.close(t)
	g := open(t, dir+"/final", unix.O_RDWR|unix.O_NOFOLLOW, 0)
	equal(t, g.stat(t).Ino, s.Ino, "inode number")
	equal(t, g.stat(t).Nlink, 1, "st_nlink")
	other := g.share(t, 32)
	memory[0] = 3
	equal(t, other[0], 3, "the semaphore's value in the other mapping")
	other[1] = 4
	equal(t, memory[1], 4, "the semaphore's value in the first mapping")
}
