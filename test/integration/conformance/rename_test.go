package conformance

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

var renameTests = map[string]test{
	"moves the inode":                      renameMoves,
	"replaces a file":                      renameReplaces,
	"replaces a file that is open":         renameReplacesOpen,
	"replaces a file that is mapped":       renameReplacesMapped,
	"onto itself or a link to itself":      renameSameInode,
	"files and directories do not mix":     renameKinds,
	"replaces an empty directory":          renameReplacesDirectory,
	"into its own child":                   renameIntoChild,
	"no-replace":                           renameNoReplace,
	"exchange of files":                    renameExchangeFiles,
	"exchange of a file and a directory":   renameExchangeKinds,
	"exchange refuses":                     renameExchangeRefuses,
	"whiteout":                             renameWhiteout,
	"flags that do not go together":        renameBadFlags,
	"dot, dot-dot and the root":            renameDots,
	"missing and bad paths":                renameMissing,
	"across file systems":                  renameAcross,
	"a directory to another parent":        renameDirectoryParent,
	"an open directory stays usable":       renameOpenDirectory,
	"a symbolic link itself":               renameSymlink,
	"stamps both parents and the inode":    renameStamps,
	"the replaced inode's count and ctime": renameTargetStamps,
	"the name in /proc follows":            renameProcName,
	"an inode with all its attributes":     renameKeepsAttributes,
}

func renameMoves(t *testing.T, dir string) {
	f := createWith(t, dir+"/a", []byte("data"))
	ino := f.stat(t).Ino
	ok(t, unix.Rename(dir+"/a", dir+"/b"), "rename")
	missing(t, dir+"/a")
	equal(t, stat(t, dir+"/b").Ino, ino, "inode under the new name")
	contain(t, dir+"/b", "data")
	f.write(t, 0, []byte("DATA"))
	contain(t, dir+"/b", "DATA")
	mkdir(t, dir+"/d", 0o755)
	ok(t, unix.Rename(dir+"/b", dir+"/d/c"), "rename into a directory")
	contain(t, dir+"/d/c", "DATA")
	names(t, dir, "d")
}

func renameReplaces(t *testing.T, dir string) {
	createWith(t, dir+"/a", []byte("new"))
	createWith(t, dir+"/b", []byte("the old one"))
	ino := stat(t, dir+"/a").Ino
	ok(t, unix.Rename(dir+"/a", dir+"/b"), "rename")
	missing(t, dir+"/a")
	contain(t, dir+"/b", "new")
	equal(t, stat(t, dir+"/b").Ino, ino, "inode under the name")
	names(t, dir, "b")
}

func renameReplacesOpen(t *testing.T, dir string) {
	old := createWith(t, dir+"/b", []byte("the old one"))
	reader := open(t, dir+"/b", unix.O_RDONLY, 0)
	for i := range 10 {
		content := []byte{byte('0' + i)}
		createWith(t, dir+"/a", content).close(t)
		ok(t, unix.Rename(dir+"/a", dir+"/b"), "rename %d", i)
		sameBytes(t, old.read(t, 0, 100), []byte("the old one"), "the replaced file")
		sameBytes(t, reader.read(t, 0, 100), []byte("the old one"), "the replaced file, for reading")
		contain(t, dir+"/b", string(content))
	}
	old.write(t, 0, []byte("changed"))
	sameBytes(t, reader.read(t, 0, 100), []byte("changed one"), "the replaced file, changed")
	contain(t, dir+"/b", "9")
	equal(t, old.stat(t).Nlink, 0, "link count of the replaced file")
	names(t, dir, "b")
}

func renameReplacesMapped(t *testing.T, dir string) {
	old := createWith(t, dir+"/b", pattern(2*page))
	memory := old.share(t, 2*page)
	old.close(t)
	createWith(t, dir+"/a", []byte("new"))
	ok(t, unix.Rename(dir+"/a", dir+"/b"), "rename")
	sameBytes(t, memory, pattern(2*page), "the mapping of the replaced file")
	memory[0] = 99
	contain(t, dir+"/b", "new")
	names(t, dir, "b")
}

func renameSameInode(t *testing.T, dir string) {
	createWith(t, dir+"/a", []byte("data"))
	ok(t, unix.Rename(dir+"/a", dir+"/a"), "rename onto itself")
	ok(t, unix.Link(dir+"/a", dir+"/b"), "link")
	ok(t, unix.Rename(dir+"/a", dir+"/b"), "rename onto another link of the inode")
	names(t, dir, "a", "b")
	equal(t, stat(t, dir+"/a").Nlink, 2, "link count")
}

func renameKinds(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o644)
	mkdir(t, dir+"/d", 0o755)
	fails(t, unix.EISDIR, unix.Rename(dir+"/f", dir+"/d"), "a file over a directory")
	fails(t, unix.ENOTDIR, unix.Rename(dir+"/d", dir+"/f"), "a directory over a file")
	fails(t, unix.ENOTDIR, unix.Rename(dir+"/f/", dir+"/g"), "a file named with a slash")
	fails(t, unix.ENOTDIR, unix.Rename(dir+"/f", dir+"/g/"), "a file to a name with a slash")
	ok(t, unix.Rename(dir+"/d/", dir+"/e/"), "a directory named with a slash")
	names(t, dir, "e", "f")
}

func renameReplacesDirectory(t *testing.T, dir string) {
	mkdir(t, dir+"/a", 0o755)
	mkdir(t, dir+"/b", 0o700)
	touch(t, dir+"/a/f", 0o644)
	ino := stat(t, dir+"/a").Ino
	fails(t, unix.ENOTEMPTY, unix.Rename(dir+"/b", dir+"/a"), "over a directory with entries")
	replaced := open(t, dir+"/b", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	ok(t, unix.Rename(dir+"/a", dir+"/b"), "over an empty directory")
	equal(t, stat(t, dir+"/b").Ino, ino, "inode under the name")
	names(t, dir+"/b", "f")
	equal(t, stat(t, dir).Nlink, 3, "link count of the parent")
	equal(t, replaced.stat(t).Nlink, 0, "link count of the replaced directory")
	_, err := unix.Openat(replaced.fd, "x", unix.O_CREAT|unix.O_WRONLY, 0o644)
	fails(t, unix.ENOENT, err, "creating in the replaced directory")
}

func renameIntoChild(t *testing.T, dir string) {
	mkdir(t, dir+"/a", 0o755)
	mkdir(t, dir+"/a/b", 0o755)
	mkdir(t, dir+"/a/b/c", 0o755)
	fails(t, unix.EINVAL, unix.Rename(dir+"/a", dir+"/a/b/x"), "into its own grandchild")
	fails(t, unix.EINVAL, unix.Rename(dir+"/a", dir+"/a/x"), "into itself")
	fails(t, unix.EINVAL, unix.Rename(dir+"/a", dir+"/a/b"), "over its own child")
	fails(t, unix.ENOTEMPTY, unix.Rename(dir+"/a/b", dir+"/a"), "over its own parent")
	fails(t, unix.ENOTEMPTY, unix.Rename(dir+"/a/b/c", dir+"/a"), "over its own grandparent")
	names(t, dir+"/a", "b")
}

func rename2(from, to string, flags uint) error {
	return unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, flags)
}

func renameNoReplace(t *testing.T, dir string) {
	createWith(t, dir+"/a", []byte("a"))
	createWith(t, dir+"/b", []byte("b"))
	mkdir(t, dir+"/d", 0o755)
	ok(t, unix.Symlink("nowhere", dir+"/l"), "symlink")
	for _, to := range []string{"/b", "/d", "/l", "/a"} {
		fails(t, unix.EEXIST, rename2(dir+"/a", dir+to, unix.RENAME_NOREPLACE), "no-replace over %s", to)
	}
	contain(t, dir+"/b", "b")
	ok(t, rename2(dir+"/a", dir+"/d/a", unix.RENAME_NOREPLACE), "no-replace to a new name")
	contain(t, dir+"/d/a", "a")
	missing(t, dir+"/a")
}

func renameExchangeFiles(t *testing.T, dir string) {
	a, b := createWith(t, dir+"/a", []byte("a")), createWith(t, dir+"/b", []byte("b"))
	mkdir(t, dir+"/d", 0o755)
	ok(t, rename2(dir+"/a", dir+"/b", unix.RENAME_EXCHANGE), "exchange")
	contain(t, dir+"/a", "b")
	contain(t, dir+"/b", "a")
	equal(t, stat(t, dir+"/a").Ino, b.stat(t).Ino, "inode under the one name")
	equal(t, stat(t, dir+"/b").Ino, a.stat(t).Ino, "inode under the other name")
	equal(t, a.stat(t).Nlink, 1, "link count")
	createWith(t, dir+"/d/c", []byte("c"))
	ok(t, rename2(dir+"/a", dir+"/d/c", unix.RENAME_EXCHANGE), "exchange across directories")
	contain(t, dir+"/a", "c")
	contain(t, dir+"/d/c", "b")
	ok(t, rename2(dir+"/a", dir+"/a", unix.RENAME_EXCHANGE), "exchange with itself")
}

func renameExchangeKinds(t *testing.T, dir string) {
	mkdir(t, dir+"/p", 0o755)
	mkdir(t, dir+"/q", 0o755)
	mkdir(t, dir+"/p/d", 0o755)
	touch(t, dir+"/p/d/inside", 0o644)
	createWith(t, dir+"/q/f", []byte("f"))
	ok(t, rename2(dir+"/p/d", dir+"/q/f", unix.RENAME_EXCHANGE), "exchange of a directory and a file")
	contain(t, dir+"/p/d", "f")
	names(t, dir+"/q/f", "inside")
	equal(t, stat(t, dir+"/p").Nlink, 2, "link count of the parent that lost the directory")
	equal(t, stat(t, dir+"/q").Nlink, 3, "link count of the parent that gained it")
	equal(t, stat(t, dir+"/q/f/..").Ino, stat(t, dir+"/q").Ino, "the directory's dot-dot")
	ok(t, unix.Symlink("x", dir+"/l"), "symlink")
	ok(t, rename2(dir+"/l", dir+"/p", unix.RENAME_EXCHANGE), "exchange of a link and a directory")
	modeIs(t, lstat(t, dir+"/p"), unix.S_IFLNK|0o777, "the link")
	names(t, dir+"/l", "d")
}

func renameExchangeRefuses(t *testing.T, dir string) {
	mkdir(t, dir+"/a", 0o755)
	mkdir(t, dir+"/a/b", 0o755)
	fails(t, unix.ENOENT, rename2(dir+"/a", dir+"/none", unix.RENAME_EXCHANGE), "exchange with a missing name")
	fails(t, unix.ENOENT, rename2(dir+"/none", dir+"/a", unix.RENAME_EXCHANGE), "exchange of a missing name")
	fails(t, unix.EINVAL, rename2(dir+"/a", dir+"/a/b", unix.RENAME_EXCHANGE), "exchange with its own child")
	fails(t, unix.EINVAL, rename2(dir+"/a/b", dir+"/a", unix.RENAME_EXCHANGE), "exchange with its own parent")
}

func renameWhiteout(t *testing.T, dir string) {
	createWith(t, dir+"/a", []byte("a"))
	createWith(t, dir+"/b", []byte("b"))
	ok(t, rename2(dir+"/a", dir+"/b", unix.RENAME_WHITEOUT), "whiteout")
	contain(t, dir+"/b", "a")
	s := lstat(t, dir+"/a")
	modeIs(t, s, unix.S_IFCHR, "the whiteout")
	equal(t, s.Rdev, 0, "device number of the whiteout")
	names(t, dir, "a", "b")
	ok(t, unix.Unlink(dir+"/a"), "unlink of the whiteout")
	err := rename2(dir+"/b", dir+"/c", unix.RENAME_WHITEOUT|unix.RENAME_NOREPLACE)
	ok(t, err, "whiteout and no-replace")
	names(t, dir, "b", "c")
}

func renameBadFlags(t *testing.T, dir string) {
	touch(t, dir+"/a", 0o644)
	touch(t, dir+"/b", 0o644)
	for _, flags := range []uint{
		unix.RENAME_EXCHANGE | unix.RENAME_NOREPLACE, unix.RENAME_EXCHANGE | unix.RENAME_WHITEOUT, 1 << 5, 1 << 31,
	} {
		fails(t, unix.EINVAL, rename2(dir+"/a", dir+"/b", flags), "flags %#x", flags)
	}
	names(t, dir, "a", "b")
}

func renameDots(t *testing.T, dir string) {
	mkdir(t, dir+"/d", 0o755)
	fails(t, unix.EBUSY, unix.Rename(dir+"/d/.", dir+"/e"), "of dot")
	fails(t, unix.EBUSY, unix.Rename(dir+"/d/..", dir+"/e"), "of dot-dot")
	fails(t, unix.EBUSY, unix.Rename(dir+"/d", dir+"/d/."), "to dot")
	fails(t, unix.EEXIST, rename2(dir+"/d", dir+"/d/.", unix.RENAME_NOREPLACE), "no-replace to dot")
	fails(t, unix.EXDEV, unix.Rename(dir+"/..", dir+"/../../moved-root"), "of the mount's root, seen from outside")
}

func renameMissing(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o644)
	fails(t, unix.ENOENT, unix.Rename(dir+"/none", dir+"/b"), "a missing source")
	fails(t, unix.ENOENT, unix.Rename(dir+"/f", dir+"/none/b"), "a missing target parent")
	fails(t, unix.ENOTDIR, unix.Rename(dir+"/f", dir+"/f/b"), "a target below a file")
	fails(t, unix.ENOENT, unix.Rename("", dir+"/b"), "an empty source")
	fails(t, unix.ENOENT, unix.Rename(dir+"/f", ""), "an empty target")
	names(t, dir, "f")
}

func renameAcross(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o644)
	other := t.TempDir()
	fails(t, unix.EXDEV, unix.Rename(dir+"/f", other+"/f"), "out of the mount")
	touch(t, other+"/g", 0o644)
	fails(t, unix.EXDEV, unix.Rename(other+"/g", dir+"/g"), "into the mount")
	fails(t, unix.EXDEV, unix.Link(other+"/g", dir+"/g"), "link into the mount")
	fails(t, unix.EXDEV, unix.Link(dir+"/f", other+"/f"), "link out of the mount")
}

func renameDirectoryParent(t *testing.T, dir string) {
	mkdir(t, dir+"/a", 0o755)
	mkdir(t, dir+"/b", 0o755)
	mkdir(t, dir+"/a/d", 0o755)
	createWith(t, dir+"/a/d/f", []byte("f"))
	equal(t, stat(t, dir+"/a").Nlink, 3, "link count of the old parent before")
	ok(t, unix.Rename(dir+"/a/d", dir+"/b/e"), "rename")
	equal(t, stat(t, dir+"/a").Nlink, 2, "link count of the old parent")
	equal(t, stat(t, dir+"/b").Nlink, 3, "link count of the new parent")
	equal(t, stat(t, dir+"/b/e/..").Ino, stat(t, dir+"/b").Ino, "dot-dot")
	contain(t, dir+"/b/e/f", "f")
}

func renameOpenDirectory(t *testing.T, dir string) {
	mkdir(t, dir+"/a", 0o755)
	d := open(t, dir+"/a", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	ok(t, unix.Rename(dir+"/a", dir+"/b"), "rename")
	openat(t, d.fd, "f", unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o644)
	names(t, dir+"/b", "f")
	mkdir(t, dir+"/a", 0o755)
	names(t, dir+"/a")
	var s unix.Stat_t
	ok(t, unix.Fstatat(d.fd, "f", &s, 0), "fstatat")
	equal(t, s.Ino, stat(t, dir+"/b/f").Ino, "inode through the descriptor")
}

func renameSymlink(t *testing.T, dir string) {
	createWith(t, dir+"/f", []byte("f"))
	ok(t, unix.Symlink("f", dir+"/l"), "symlink")
	ok(t, unix.Rename(dir+"/l", dir+"/m"), "rename of a link")
	target, err := os.Readlink(dir + "/m")
	ok(t, err, "readlink")
	equal(t, target, "f", "target")
	touch(t, dir+"/g", 0o644)
	ok(t, unix.Rename(dir+"/g", dir+"/m"), "rename over a link")
	modeIs(t, lstat(t, dir+"/m"), unix.S_IFREG|0o644, "what replaced the link")
	contain(t, dir+"/f", "f")
}

func renameStamps(t *testing.T, dir string) {
	mkdir(t, dir+"/a", 0o755)
	mkdir(t, dir+"/b", 0o755)
	touch(t, dir+"/a/f", 0o644)
	a, b, f := stat(t, dir+"/a"), stat(t, dir+"/b"), stat(t, dir+"/a/f")
	tick(t)
	ok(t, unix.Rename(dir+"/a/f", dir+"/b/g"), "rename")
	stamped(t, a, stat(t, dir+"/a"), "the old parent")
	stamped(t, b, stat(t, dir+"/b"), "the new parent")
	g := stat(t, dir+"/b/g")
	isTrue(t, g.Ctim.Nano() > f.Ctim.Nano(), "the inode's ctime moves")
	equal(t, g.Mtim, f.Mtim, "mtime of the inode")
	equal(t, stat(t, dir+"/a").Size, a.Size-direntSize, "size of the old parent")
	equal(t, stat(t, dir+"/b").Size, b.Size+direntSize, "size of the new parent")
}

func renameTargetStamps(t *testing.T, dir string) {
	touch(t, dir+"/a", 0o644)
	touch(t, dir+"/b", 0o644)
	ok(t, unix.Link(dir+"/b", dir+"/c"), "link")
	before := stat(t, dir+"/c")
	equal(t, before.Nlink, 2, "link count before")
	tick(t)
	ok(t, unix.Rename(dir+"/a", dir+"/b"), "rename")
	after := stat(t, dir+"/c")
	equal(t, after.Nlink, 1, "link count of the replaced inode by its other name")
	isTrue(t, after.Ctim.Nano() > before.Ctim.Nano(), "the replaced inode's ctime moves")
	equal(t, stat(t, dir+"/b").Nlink, 1, "link count of the inode moved")
}

func renameProcName(t *testing.T, dir string) {
	f := create(t, dir+"/a")
	for i, want := range []string{"/b", "/c"} {
		ok(t, unix.Rename(dir+[]string{"/a", "/b"}[i], dir+want), "rename")
		name, err := os.Readlink(self(f))
		ok(t, err, "readlink")
		equal(t, name, dir+want, "name in /proc/self/fd")
	}
	ok(t, unix.Unlink(dir+"/c"), "unlink")
	name, err := os.Readlink(self(f))
	ok(t, err, "readlink")
	equal(t, name, dir+"/c (deleted)", "name in /proc/self/fd")
}

func renameKeepsAttributes(t *testing.T, dir string) {
	createWith(t, dir+"/a", pattern(100))
	ok(t, unix.Chmod(dir+"/a", 0o4711), "chmod")
	ok(t, unix.Chown(dir+"/a", 12, 34), "chown")
	ok(t, unix.Setxattr(dir+"/a", "user.colour", []byte("blue"), 0), "setxattr")
	before := stat(t, dir+"/a")
	tick(t)
	ok(t, unix.Rename(dir+"/a", dir+"/b"), "rename")
	after := stat(t, dir+"/b")
	isTrue(t, after.Ctim.Nano() > before.Ctim.Nano(), "ctime moves")
	after.Ctim = before.Ctim
	equal(t, after, before, "all but ctime")
	value := make([]byte, 10)
	n, err := unix.Getxattr(dir+"/b", "user.colour", value)
	ok(t, err, "getxattr")
	sameBytes(t, value[:n], []byte("blue"), "attribute")
}
