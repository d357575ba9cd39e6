package conformance

import (
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

var unlinkTests = map[string]test{
	"removes the name":                        unlinkRemoves,
	"refuses directories and bad paths":       unlinkRefuses,
	"an open file lives on":                   unlinkOpen,
	"an open file without names is changed":   unlinkOpenChanges,
	"a mapped file lives on":                  unlinkMapped,
	"a file mapped by others lives on":        unlinkMappedElsewhere,
	"no stand-in names":                       unlinkNoStandIn,
	"the directory goes too":                  unlinkDirectoryToo,
	"reopened through /proc":                  unlinkReopened,
	"space comes back with the last user":     unlinkSpace,
	"removes by descriptor":                   unlinkAt,
	"stamps the parent":                       unlinkStamps,
	"a million bytes held by ten descriptors": unlinkMany,
}

func unlinkRemoves(t *testing.T, dir string) {
	touch(t, dir+"/f", 0)
	ok(t, unix.Unlink(dir+"/f"), "unlink")
	missing(t, dir+"/f")
	fails(t, unix.ENOENT, unix.Unlink(dir+"/f"), "a second unlink")
	cannotOpen(t, unix.ENOENT, dir+"/f", unix.O_RDONLY, 0)
	ok(t, unix.Symlink("none", dir+"/l"), "symlink")
	ok(t, unix.Unlink(dir+"/l"), "unlink of a dangling link")
	names(t, dir)
}

func unlinkRefuses(t *testing.T, dir string) {
	mkdir(t, dir+"/d", 0o755)
	touch(t, dir+"/f", 0o644)
	ok(t, unix.Symlink("d", dir+"/l"), "symlink")
	fails(t, unix.EISDIR, unix.Unlink(dir+"/d"), "a directory")
	fails(t, unix.EISDIR, unix.Unlink(dir+"/d/"), "a directory with a slash")
	fails(t, unix.EISDIR, unix.Unlink(dir+"/d/."), "dot")
	fails(t, unix.EISDIR, unix.Unlink(dir+"/d/.."), "dot-dot")
	fails(t, unix.ENOTDIR, unix.Unlink(dir+"/f/"), "a file with a slash")
	fails(t, unix.ENOTDIR, unix.Unlink(dir+"/l/"), "a link with a slash")
	fails(t, unix.ENOTDIR, unix.Unlink(dir+"/f/x"), "below a file")
	fails(t, unix.ENOENT, unix.Unlink(dir+"/x/y"), "below nothing")
	fails(t, unix.ENOENT, unix.Unlink(""), "an empty path")
	fails(t, unix.EINVAL, unix.Unlinkat(unix.AT_FDCWD, dir+"/f", 1<<20), "unknown flags")
	names(t, dir, "d", "f", "l")
}

func unlinkOpen(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", pattern(2*page))
	reader := open(t, dir+"/f", unix.O_RDONLY, 0)
	before := f.stat(t)
	tick(t)
	ok(t, unix.Unlink(dir+"/f"), "unlink")
	after := f.stat(t)
	equal(t, after.Nlink, 0, "st_nlink")
	isTrue(t, after.Ctim.Nano() > before.Ctim.Nano(), "unlink moves ctime")
	equal(t, after.Mtim, before.Mtim, "mtime")
	equal(t, after.Size, before.Size, "st_size")
	equal(t, after.Ino, before.Ino, "st_ino")
	equal(t, reader.stat(t), after, "fstat of another descriptor")
	sameBytes(t, f.read(t, 0, 3*page), pattern(2*page), "the data")
	other := createWith(t, dir+"/f", []byte("other"))
	sameBytes(t, reader.read(t, 0, 3*page), pattern(2*page), "the data after the name was used again")
	isTrue(t, other.stat(t).Ino != after.Ino, "the new file has an inode of its own")
	contain(t, dir+"/f", "other")
}

func unlinkOpenChanges(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", []byte("data"))
	ok(t, unix.Unlink(dir+"/f"), "unlink")
	f.write(t, int64(page), []byte("more"))
	equal(t, f.stat(t).Size, int64(page+4), "st_size after write")
	f.truncate(t, 2)
	sameBytes(t, f.read(t, 0, 10), []byte("da"), "after ftruncate")
	ok(t, unix.Fchmod(f.fd, 0o4601), "fchmod")
	ok(t, unix.Fchown(f.fd, 7, 8), "fchown")
	ok(t, unix.Futimes(f.fd, []unix.Timeval{{Sec: 5}, {Sec: 6}}), "futimes")
	ok(t, unix.Fsetxattr(f.fd, "user.a", []byte("b"), 0), "fsetxattr")
	ok(t, unix.Fallocate(f.fd, 0, 0, int64(3*page)), "fallocate")
	s := f.stat(t)
	modeIs(t, s, unix.S_IFREG|0o601, "after fchmod and fchown, which drops set-user-id")
	equal(t, s.Uid, 7, "owner")
	equal(t, s.Gid, 8, "group")
	equal(t, s.Atim.Sec, 5, "atime")
	equal(t, s.Size, int64(3*page), "st_size after fallocate")
	equal(t, s.Nlink, 0, "st_nlink")
	value := make([]byte, 4)
	n, err := unix.Fgetxattr(f.fd, "user.a", value)
	ok(t, err, "fgetxattr")
	sameBytes(t, value[:n], []byte("b"), "attribute")
	missing(t, dir+"/f")
}

func unlinkMapped(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", pattern(4*page))
	memory := f.share(t, 4*page)
	f.close(t)
	ok(t, unix.Unlink(dir+"/f"), "unlink")
	sameBytes(t, memory, pattern(4*page), "the mapping")
	for i := range memory {
		memory[i] ^= 0xff
	}
	ok(t, unix.Msync(memory, unix.MS_SYNC), "msync")
	for i, b := range pattern(4 * page) {
		if memory[i] != b^0xff {
			t.Fatalf("byte %d of the mapping is %#02x, want %#02x", i, memory[i], b^0xff)
		}
	}
	createWith(t, dir+"/f", []byte("other"))
	equal(t, memory[0], pattern(1)[0]^0xff, "first byte after the name was used again")
	names(t, dir, "f")
}

func unlinkMappedElsewhere(t *testing.T, dir string) {
	createWith(t, dir+"/f", pattern(page)).close(t)
	a, b := startMapper(t), startMapper(t)
	for _, m := range []*mapper{a, b} {
		m.mapFile(dir+"/f", page)
		m.expect("ok", "close 0")
	}
	ok(t, unix.Unlink(dir+"/f"), "unlink")
	a.store(0, 5, 77)
	b.load(0, 5, 77)
	b.store(0, 6, 78)
	a.load(0, 6, 78)
	a.load(0, 0, 1)
}

func unlinkNoStandIn(t *testing.T, dir string) {
	for _, name := range []string{"a", "b", "c"} {
		create(t, dir+"/"+name)
	}
	ok(t, unix.Unlink(dir+"/a"), "unlink")
	names(t, dir, "b", "c")
	ok(t, unix.Rename(dir+"/b", dir+"/c"), "rename over an open file")
	names(t, dir, "c")
	ok(t, unix.Unlink(dir+"/c"), "unlink")
	names(t, dir)
}

func unlinkDirectoryToo(t *testing.T, dir string) {
	mkdir(t, dir+"/d", 0o755)
	f := createWith(t, dir+"/d/f", []byte("data"))
	memory := f.share(t, page)
	ok(t, unix.Unlink(dir+"/d/f"), "unlink")
	ok(t, unix.Rmdir(dir+"/d"), "rmdir of the directory of an open file")
	sameBytes(t, f.read(t, 0, 10), []byte("data"), "the data")
	sameBytes(t, memory[:4], []byte("data"), "the mapping")
}

func unlinkReopened(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", []byte("data"))
	ok(t, unix.Unlink(dir+"/f"), "unlink")
	g := open(t, self(f), unix.O_RDWR, 0)
	sameBytes(t, g.read(t, 0, 10), []byte("data"), "through the new descriptor")
	g.write(t, 0, []byte("DA"))
	sameBytes(t, f.read(t, 0, 10), []byte("DAta"), "through the old descriptor")
	open(t, self(f), unix.O_RDONLY|unix.O_TRUNC, 0)
	equal(t, g.stat(t).Size, 0, "st_size after O_TRUNC")
	f.close(t)
	g.write(t, 0, []byte("still"))
	sameBytes(t, g.read(t, 0, 10), []byte("still"), "when only the reopened descriptor is left")
}

func unlinkSpace(t *testing.T, dir string) {
	before := statfs(t, dir)
	f := createWith(t, dir+"/f", pattern(64*page))
	equal(t, before.Bfree-statfs(t, dir).Bfree, 64, "pages used")
	equal(t, before.Ffree-statfs(t, dir).Ffree, 1, "inodes used")
	memory := f.share(t, 64*page)
	ok(t, unix.Unlink(dir+"/f"), "unlink")
	equal(t, before.Bfree-statfs(t, dir).Bfree, 64, "pages used after unlink")
	f.close(t)
	sameBytes(t, memory, pattern(64*page), "the mapping")
	unmap(t, memory)
	eventually(t, "the space is free after the last user went", func() bool {
		now := statfs(t, dir)
		return now.Bfree == before.Bfree && now.Ffree == before.Ffree
	})
}

func unlinkAt(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o644)
	mkdir(t, dir+"/d", 0o755)
	d := open(t, dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	fails(t, unix.ENOTDIR, unix.Unlinkat(d.fd, "f", unix.AT_REMOVEDIR), "a file as a directory")
	fails(t, unix.EISDIR, unix.Unlinkat(d.fd, "d", 0), "a directory as a file")
	ok(t, unix.Unlinkat(d.fd, "d", unix.AT_REMOVEDIR), "a directory")
	ok(t, unix.Unlinkat(d.fd, "f", 0), "a file")
	names(t, dir)
}

func unlinkStamps(t *testing.T, dir string) {
	mkdir(t, dir+"/d", 0o755)
	touch(t, dir+"/d/f", 0o644)
	before := stat(t, dir+"/d")
	tick(t)
	ok(t, unix.Unlink(dir+"/d/f"), "unlink")
	after := stat(t, dir+"/d")
	stamped(t, before, after, "the parent")
	equal(t, after.Size, before.Size-direntSize, "size of the parent")
}

func unlinkMany(t *testing.T, dir string) {
	var held []*file
	for i := range 10 {
		f := createWith(t, dir+"/"+itoa(i), pattern(100_000))
		ok(t, unix.Unlink(dir+"/"+itoa(i)), "unlink")
		held = append(held, f)
	}
	runtime.GC()
	for i, f := range held {
		sameBytes(t, f.read(t, 0, 100_001), pattern(100_000), "file %d", i)
	}
	entries, err := os.ReadDir(dir)
	ok(t, err, "reading the directory")
	equal(t, len(entries), 0, "entries left")
}
