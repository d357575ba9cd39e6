package conformance

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

var directoryTests = map[string]test{
	"a new directory":               directoryNew,
	"mkdir refuses":                 directoryMkdirRefuses,
	"rmdir refuses":                 directoryRmdirRefuses,
	"link count":                    directoryCount,
	"size, mtime and ctime":         directoryStamps,
	"removed while open":            directoryRemovedOpen,
	"the removed working directory": directoryRemovedWorking,
	"sticky and mode bits":          directoryModes,
	"created by a race once":        directoryRace,
	"relative to a descriptor":      directoryRelative,
	"fsync":                         directorySync,
	"operations on files refuse":    directoryOperations,
}

func directoryNew(t *testing.T, dir string) {
	mkdir(t, dir+"/d", 0o750)
	s := stat(t, dir+"/d")
	modeIs(t, s, unix.S_IFDIR|0o750, "a new directory")
	equal(t, s.Nlink, 2, "st_nlink")
	equal(t, s.Size, 2*direntSize, "st_size")
	equal(t, s.Blocks, 0, "st_blocks")
	equal(t, int(s.Blksize), page, "st_blksize")
	equal(t, s.Mtim, s.Ctim, "mtime beside ctime")
	equal(t, stat(t, dir+"/d/.").Ino, s.Ino, "inode of dot")
	equal(t, stat(t, dir+"/d/..").Ino, stat(t, dir).Ino, "inode of dot-dot")
	names(t, dir+"/d")
}

func directoryMkdirRefuses(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o644)
	mkdir(t, dir+"/d", 0o755)
	ok(t, unix.Symlink("none", dir+"/l"), "symlink")
	for path, want := range map[string]unix.Errno{
		"/f": unix.EEXIST, "/d": unix.EEXIST, "/l": unix.EEXIST, "/d/.": unix.EEXIST, "/d/..": unix.EEXIST, "/f/x": unix.ENOTDIR,
		"/none/x": unix.ENOENT, "/" + strings.Repeat("n", 256): unix.ENAMETOOLONG,
	} {
		fails(t, want, unix.Mkdir(dir+path, 0o755), "mkdir of %.20q", path)
	}
	fails(t, unix.ENOENT, unix.Mkdir("", 0o755), "mkdir of nothing")
	ok(t, unix.Mkdir(dir+"/e/", 0o755), "mkdir with a slash")
	names(t, dir, "d", "e", "f", "l")
}

func directoryRmdirRefuses(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o644)
	mkdir(t, dir+"/d", 0o755)
	mkdir(t, dir+"/d/e", 0o755)
	for path, want := range map[string]unix.Errno{
		"/f": unix.ENOTDIR, "/d": unix.ENOTEMPTY, "/d/e/.": unix.EINVAL, "/d/e/..": unix.ENOTEMPTY, "/none": unix.ENOENT,
		"/f/x": unix.ENOTDIR, "/none/x": unix.ENOENT,
	} {
		fails(t, want, unix.Rmdir(dir+path), "rmdir of %q", path)
	}
	ok(t, unix.Rmdir(dir+"/d/e/"), "rmdir with a slash")
	ok(t, unix.Rmdir(dir+"/d"), "rmdir")
	fails(t, unix.ENOENT, unix.Rmdir(dir+"/d"), "a second rmdir")
	fails(t, unix.EBUSY, unix.Rmdir(strings.TrimSuffix(dir, "/test")), "rmdir of the mount's root")
	touch(t, dir+"/x", 0o644)
	mkdir(t, dir+"/g", 0o755)
	f := create(t, dir+"/g/f")
	fails(t, unix.ENOTEMPTY, unix.Rmdir(dir+"/g"), "rmdir with an open file")
	ok(t, unix.Unlink(dir+"/g/f"), "unlink")
	ok(t, unix.Rmdir(dir+"/g"), "rmdir after the open file was unlinked")
	f.write(t, 0, []byte("x"))
}

func directoryCount(t *testing.T, dir string) {
	mkdir(t, dir+"/d", 0o755)
	for i := range 5 {
		mkdir(t, dir+"/d/"+itoa(i), 0o755)
		equal(t, int(stat(t, dir+"/d").Nlink), 3+i, "st_nlink after mkdir %d", i)
	}
	touch(t, dir+"/d/f", 0o644)
	equal(t, stat(t, dir+"/d").Nlink, 7, "st_nlink after a file was made")
	for i := range 5 {
		ok(t, unix.Rmdir(dir+"/d/"+itoa(i)), "rmdir")
		equal(t, int(stat(t, dir+"/d").Nlink), 6-i, "st_nlink after rmdir %d", i)
	}
}

func directoryStamps(t *testing.T, dir string) {
	mkdir(t, dir+"/d", 0o755)
	path := dir + "/d"
	change := func(what string, entries int64, err func() error) {
		t.Helper()
		before := stat(t, path)
		tick(t)
		ok(t, err(), "%s", what)
		after := stat(t, path)
		stamped(t, before, after, "the directory after "+what)
		equal(t, after.Size, (2+entries)*direntSize, "st_size after %s", what)
	}
	change("mkdir", 1, func() error { return unix.Mkdir(path+"/a", 0o755) })
	change("mkfifo", 2, func() error { return unix.Mkfifo(path+"/p", 0o644) })
	change("link", 3, func() error { return unix.Link(path+"/p", path+"/q") })
	change("rename", 3, func() error { return unix.Rename(path+"/q", path+"/r") })
	change("replacing rename", 3, func() error { touch(t, dir+"/f", 0o644); return unix.Rename(dir+"/f", path+"/r") })
	change("open", 4, func() error { touchOnly(t, path+"/f", 0o644); return nil })
	change("unlink", 3, func() error { return unix.Unlink(path + "/f") })
	change("rmdir", 2, func() error { return unix.Rmdir(path + "/a") })
	change("exchange", 2, func() error { touch(t, dir+"/g", 0o644); return rename2(dir+"/g", path+"/p", unix.RENAME_EXCHANGE) })
	before := stat(t, path)
	tick(t)
	fails(t, unix.EEXIST, unix.Mkdir(path+"/p", 0o755), "mkdir")
	contents(t, path+"/p")
	equal(t, stat(t, path), before, "after what changes nothing")
}

func directoryRemovedOpen(t *testing.T, dir string) {
	mkdir(t, dir+"/d", 0o755)
	d := openDirectory(t, dir+"/d")
	before := d.stat(t)
	tick(t)
	ok(t, unix.Rmdir(dir+"/d"), "rmdir")
	s := d.stat(t)
	equal(t, s.Nlink, 0, "st_nlink")
	isTrue(t, s.Ctim.Nano() > before.Ctim.Nano(), "rmdir moves the directory's ctime")
	_, err := unix.Getdents(d.fd, make([]byte, 4096))
	fails(t, unix.ENOENT, err, "getdents64 of it")
	_, err = unix.Openat(d.fd, "f", unix.O_RDWR|unix.O_CREAT, 0o644)
	fails(t, unix.ENOENT, err, "creating in it")
	fails(t, unix.ENOENT, unix.Mkdirat(d.fd, "e", 0o755), "mkdirat in it")
	fails(t, unix.ENOENT, unix.Symlinkat("x", d.fd, "l"), "symlinkat in it")
	fails(t, unix.ENOENT, unix.Mknodat(d.fd, "p", unix.S_IFIFO|0o644, 0), "mknodat in it")
	touch(t, dir+"/f", 0o644)
	fails(t, unix.ENOENT, unix.Linkat(unix.AT_FDCWD, dir+"/f", d.fd, "g", 0), "linkat into it")
	fails(t, unix.ENOENT, unix.Renameat(unix.AT_FDCWD, dir+"/f", d.fd, "g"), "renameat into it")
	ok(t, unix.Fchmod(d.fd, 0o700), "fchmod")
	modeIs(t, d.stat(t), unix.S_IFDIR|0o700, "after fchmod")
	mkdir(t, dir+"/d", 0o755)
	isTrue(t, stat(t, dir+"/d").Ino != s.Ino, "a new directory of the name is another")
}

func directoryRemovedWorking(t *testing.T, dir string) {
	mkdir(t, dir+"/d", 0o755)
	removedWorkingStep.run(t, root, dir+"/d")
}

var removedWorkingStep = newStep("stand in a removed directory", func(p *process, arguments []string) {
	ok(p, unix.Chdir(arguments[0]), "chdir")
	name, err := unix.Getwd()
	ok(p, err, "getcwd")
	equal(p, name, arguments[0], "working directory")
	ok(p, unix.Rmdir(arguments[0]), "rmdir of the working directory")
	_, err = unix.Getwd()
	fails(p, unix.ENOENT, err, "getcwd")
	equal(p, stat(p, ".").Nlink, 0, "st_nlink of dot")
	fails(p, unix.ENOENT, unix.Mkdir("x", 0o755), "mkdir")
	cannotOpen(p, unix.ENOENT, "f", unix.O_RDWR|unix.O_CREAT, 0o644)
	open(p, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	ok(p, unix.Chdir(".."), "chdir to dot-dot")
	name, err = unix.Getwd()
	ok(p, err, "getcwd")
	equal(p, name+"/d", arguments[0], "working directory")
})

func directoryModes(t *testing.T, dir string) {
	for _, mode := range []uint32{0, 0o1777, 0o755, 0o1000, 0o777} {
		path := dir + "/" + itoa(int(mode))
		mkdir(t, path, mode)
		modeIs(t, stat(t, path), unix.S_IFDIR|mode, "mkdir with %#o", mode)
	}
	mkdir(t, dir+"/s", 0o6755)
	modeIs(t, stat(t, dir+"/s"), unix.S_IFDIR|0o755, "mkdir takes no set-id bits")
}

func directoryRace(t *testing.T, dir string) {
	const racers = 4
	results := make(chan error, racers)
	for range 20 {
		for range racers {
			go func() { results <- unix.Mkdir(dir+"/d", 0o755) }()
		}
		won := 0
		for range racers {
			if err := <-results; err == nil {
				won++
			} else {
				fails(t, unix.EEXIST, err, "mkdir in a race")
			}
		}
		equal(t, won, 1, "racers that made the directory")
		ok(t, unix.Rmdir(dir+"/d"), "rmdir")
	}
}

func directoryRelative(t *testing.T, dir string) {
	d := openDirectory(t, dir)
	ok(t, unix.Mkdirat(d.fd, "a", 0o755), "mkdirat")
	a := openat(t, d.fd, "a", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	openat(t, a.fd, "../f", unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o644)
	ok(t, unix.Renameat(d.fd, "f", a.fd, "g"), "renameat")
	ok(t, unix.Linkat(a.fd, "g", d.fd, "h", 0), "linkat")
	names(t, dir+"/a", "g")
	names(t, dir, "a", "h")
	f := open(t, dir+"/h", unix.O_RDONLY, 0)
	_, err := unix.Openat(f.fd, "x", unix.O_RDONLY, 0)
	fails(t, unix.ENOTDIR, err, "openat below a file")
	_, err = unix.Openat(-1, "x", unix.O_RDONLY, 0)
	fails(t, unix.EBADF, err, "openat below nothing")
	p := open(t, dir+"/a", pathDescriptor|unix.O_DIRECTORY, 0)
	openat(t, p.fd, "g", unix.O_RDONLY, 0)
	_, err = unix.Getdents(p.fd, make([]byte, 4096))
	fails(t, unix.EBADF, err, "getdents64 of a path descriptor")
}

func directorySync(t *testing.T, dir string) {
	d := openDirectory(t, dir)
	ok(t, unix.Fsync(d.fd), "fsync of a directory")
	ok(t, unix.Fdatasync(d.fd), "fdatasync of a directory")
	ok(t, unix.Syncfs(d.fd), "syncfs of a directory")
}

func directoryOperations(t *testing.T, dir string) {
	d := openDirectory(t, dir)
	fails(t, unix.EINVAL, unix.Ftruncate(d.fd, 0), "ftruncate")
	fails(t, unix.EISDIR, unix.Truncate(dir, 0), "truncate")
	fails(t, unix.EBADF, unix.Fallocate(d.fd, 0, 0, 10), "fallocate")
	_, err := unix.Pwrite(d.fd, []byte("x"), 0)
	fails(t, unix.EBADF, err, "pwrite")
	fails(t, unix.EACCES, unix.Exec(dir, []string{"x"}, os.Environ()), "execve")
}
