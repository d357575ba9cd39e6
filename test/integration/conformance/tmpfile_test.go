package conformance

import (
	"testing"

	"golang.org/x/sys/unix"
)

var tmpfileTests = map[string]test{
	"has no name":                     tmpfileNameless,
	"is linked through /proc":         tmpfileLinkProc,
	"is linked by descriptor":         tmpfileLinkDescriptor,
	"exclusive is never linked":       tmpfileExclusive,
	"is mapped":                       tmpfileMapped,
	"refuses":                         tmpfileRefuses,
	"mode, owner and group":           tmpfileOwner,
	"space comes back":                tmpfileSpace,
	"linked over an existing name":    tmpfileLinkExisting,
	"attributes before it has a name": tmpfileAttributes,
}

func tmpfile(t T, dir string, flags int, mode uint32) *file {
	t.Helper()
	return open(t, dir, unix.O_TMPFILE|unix.O_RDWR|flags, mode)
}

func tmpfileNameless(t *testing.T, dir string) {
	parent := stat(t, dir)
	f := tmpfile(t, dir, 0, 0o640)
	f.write(t, 0, []byte("data"))
	s := f.stat(t)
	modeIs(t, s, unix.S_IFREG|0o640, "a nameless file")
	equal(t, s.Nlink, 0, "st_nlink")
	equal(t, s.Size, 4, "st_size")
	sameBytes(t, f.read(t, 0, 10), []byte("data"), "the data")
	names(t, dir)
	equal(t, stat(t, dir).Mtim, parent.Mtim, "mtime of the directory")
	g := open(t, self(f), unix.O_RDWR, 0)
	sameBytes(t, g.read(t, 0, 10), []byte("data"), "reopened through /proc")
}

func tmpfileLinkProc(t *testing.T, dir string) {
	f := tmpfile(t, dir, 0, 0o600)
	f.write(t, 0, []byte("data"))
	ok(t, unix.Linkat(unix.AT_FDCWD, self(f), unix.AT_FDCWD, dir+"/f", unix.AT_SYMLINK_FOLLOW), "linkat")
	equal(t, f.stat(t).Nlink, 1, "st_nlink")
	equal(t, stat(t, dir+"/f"), f.stat(t), "stat by the name")
	contain(t, dir+"/f", "data")
	f.write(t, 4, []byte(" more"))
	contain(t, dir+"/f", "data more")
	ok(t, unix.Unlink(dir+"/f"), "unlink")
	err := unix.Linkat(unix.AT_FDCWD, self(f), unix.AT_FDCWD, dir+"/g", unix.AT_SYMLINK_FOLLOW)
	fails(t, unix.ENOENT, err, "linkat after its name was removed")
}

func tmpfileLinkDescriptor(t *testing.T, dir string) {
	mkdir(t, dir+"/d", 0o755)
	f := tmpfile(t, dir, 0, 0o600)
	f.write(t, 0, []byte("data"))
	ok(t, unix.Linkat(f.fd, "", unix.AT_FDCWD, dir+"/d/f", unix.AT_EMPTY_PATH), "linkat into another directory")
	contain(t, dir+"/d/f", "data")
	ok(t, unix.Linkat(f.fd, "", unix.AT_FDCWD, dir+"/g", unix.AT_EMPTY_PATH), "a second linkat")
	equal(t, f.stat(t).Nlink, 2, "st_nlink")
	f.close(t)
	contain(t, dir+"/g", "data")
}

func tmpfileExclusive(t *testing.T, dir string) {
	f := tmpfile(t, dir, unix.O_EXCL, 0o600)
	err := unix.Linkat(f.fd, "", unix.AT_FDCWD, dir+"/f", unix.AT_EMPTY_PATH)
	fails(t, unix.ENOENT, err, "linkat of the descriptor")
	err = unix.Linkat(unix.AT_FDCWD, self(f), unix.AT_FDCWD, dir+"/f", unix.AT_SYMLINK_FOLLOW)
	fails(t, unix.ENOENT, err, "linkat through /proc")
	missing(t, dir+"/f")
	f.write(t, 0, []byte("still a file"))
}

func tmpfileMapped(t *testing.T, dir string) {
	f := tmpfile(t, dir, 0, 0o600)
	f.truncate(t, int64(3*page))
	memory := f.share(t, 3*page)
	copy(memory[page:], "stored")
	sameBytes(t, f.read(t, int64(page), 6), []byte("stored"), "read back")
	ok(t, unix.Linkat(f.fd, "", unix.AT_FDCWD, dir+"/f", unix.AT_EMPTY_PATH), "linkat")
	f.close(t)
	g := open(t, dir+"/f", unix.O_RDWR, 0)
	other := g.share(t, 3*page)
	memory[0] = 9
	equal(t, other[0], 9, "the mapping by the name")
	sameBytes(t, other[page:page+6], []byte("stored"), "what was stored before")
}

func tmpfileRefuses(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o644)
	cannotOpen(t, unix.EINVAL, dir, unix.O_TMPFILE|unix.O_RDONLY, 0o600)
	cannotOpen(t, unix.ENOTDIR, dir+"/f", unix.O_TMPFILE|unix.O_RDWR, 0o600)
	cannotOpen(t, unix.ENOENT, dir+"/none", unix.O_TMPFILE|unix.O_RDWR, 0o600)
	cannotOpen(t, unix.EINVAL, dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CREAT, 0o600)
	mkdir(t, dir+"/d", 0o755)
	tmpfileRefusesStep.run(t, alice, dir+"/d")
}

var tmpfileRefusesStep = newStep("nameless where one may not write", func(p *process, arguments []string) {
	cannotOpen(p, unix.EACCES, arguments[0], unix.O_TMPFILE|unix.O_RDWR, 0o600)
})

func tmpfileOwner(t *testing.T, dir string) {
	mkdir(t, dir+"/d", 0o777)
	ok(t, unix.Chown(dir+"/d", 0, 777), "chown")
	ok(t, unix.Chmod(dir+"/d", 0o2777), "chmod")
	tmpfileOwnerStep.run(t, alice, dir+"/d")
	s := stat(t, dir+"/d/f")
	equal(t, s.Uid, alice.uid, "owner")
	equal(t, s.Gid, 777, "group, of the set-group-id directory")
	modeIs(t, s, unix.S_IFREG|0o640, "under umask 027")
}

var tmpfileOwnerStep = newStep("nameless under a umask", func(p *process, arguments []string) {
	unix.Umask(0o027)
	f := tmpfile(p, arguments[0], 0, 0o666)
	ok(p, unix.Linkat(unix.AT_FDCWD, self(f), unix.AT_FDCWD, arguments[0]+"/f", unix.AT_SYMLINK_FOLLOW), "linkat")
})

func tmpfileSpace(t *testing.T, dir string) {
	before := statfs(t, dir)
	f := tmpfile(t, dir, 0, 0o600)
	f.write(t, 0, pattern(50*page))
	equal(t, before.Bfree-statfs(t, dir).Bfree, 50, "pages used")
	equal(t, before.Ffree-statfs(t, dir).Ffree, 1, "inodes used")
	f.close(t)
	eventually(t, "the space of a nameless file comes back", func() bool {
		now := statfs(t, dir)
		return now.Bfree == before.Bfree && now.Ffree == before.Ffree
	})
}

func tmpfileLinkExisting(t *testing.T, dir string) {
	createWith(t, dir+"/f", []byte("kept"))
	f := tmpfile(t, dir, 0, 0o600)
	fails(t, unix.EEXIST, unix.Linkat(f.fd, "", unix.AT_FDCWD, dir+"/f", unix.AT_EMPTY_PATH), "linkat")
	contain(t, dir+"/f", "kept")
	equal(t, f.stat(t).Nlink, 0, "st_nlink")
}

func tmpfileAttributes(t *testing.T, dir string) {
	f := tmpfile(t, dir, 0, 0o600)
	ok(t, unix.Fchmod(f.fd, 0o4711), "fchmod")
	ok(t, unix.Fchown(f.fd, -1, 55), "fchown")
	ok(t, unix.Fchmod(f.fd, 0o4711), "fchmod")
	ok(t, unix.Fsetxattr(f.fd, "user.a", []byte("b"), 0), "fsetxattr")
	ok(t, unix.UtimesNanoAt(unix.AT_FDCWD, self(f), []unix.Timespec{{Sec: 3}, {Sec: 4, Nsec: 5}}, 0), "utimensat")
	ok(t, unix.Linkat(f.fd, "", unix.AT_FDCWD, dir+"/f", unix.AT_EMPTY_PATH), "linkat")
	s := stat(t, dir+"/f")
	modeIs(t, s, unix.S_IFREG|0o4711, "the mode given before")
	equal(t, s.Gid, 55, "the group given before")
	equal(t, s.Mtim, unix.Timespec{Sec: 4, Nsec: 5}, "the mtime given before")
	equal(t, getXattr(t, dir+"/f", "user.a"), "b", "the attribute given before")
}
