package conformance

import (
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"
)

func attributeSetGroupDirectory(t *testing.T, dir string) {
	mkdir(t, dir+"/d", 0o777)
	ok(t, unix.Chown(dir+"/d", 0, 777), "chown")
	ok(t, unix.Chmod(dir+"/d", 0o2777), "chmod")
	setGroupStep.run(t, alice, dir+"/d")
	for name, mode := range map[string]uint32{"f": unix.S_IFREG | 0o644, "sub": unix.S_IFDIR | 0o2755, "p": unix.S_IFIFO | 0o644,
		"l": unix.S_IFLNK | 0o777, "sub/deeper": unix.S_IFDIR | 0o2700} {
		s := lstat(t, dir+"/d/"+name)
		modeIs(t, s, mode, "%s", name)
		equal(t, s.Gid, 777, "group of %s", name)
		equal(t, s.Uid, alice.uid, "owner of %s", name)
	}
}

var setGroupStep = newStep("create in a set-group-id directory", func(p *process, arguments []string) {
	dir := arguments[0]
	unix.Umask(0)
	touchOnly(p, dir+"/f", 0o644)
	mkdir(p, dir+"/sub", 0o755)
	mkdir(p, dir+"/sub/deeper", 0o700)
	ok(p, unix.Mkfifo(dir+"/p", 0o644), "mkfifo")
	ok(p, unix.Symlink("x", dir+"/l"), "symlink")
})

func touchOnly(t T, path string, mode uint32) {
	t.Helper()
	open(t, path, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, mode).close(t)
}

func attributeSetGroupFile(t *testing.T, dir string) {
	mkdir(t, dir+"/d", 0o777)
	ok(t, unix.Chown(dir+"/d", 0, 777), "chown")
	ok(t, unix.Chmod(dir+"/d", 0o2777), "chmod")
	setGroupFileStep.run(t, alice, dir+"/d")
	modeIs(t, stat(t, dir+"/d/outside"), unix.S_IFREG|0o755, "a set-group-id file of a group one is not in")
	modeIs(t, stat(t, dir+"/d/no-execute"), unix.S_IFREG|0o2644, "a set-group-id file that no group executes")
	setGroupFileStep.run(t, identity{uid: alice.uid, gid: 777}, dir)
	modeIs(t, stat(t, dir+"/outside"), unix.S_IFREG|0o2755, "a set-group-id file of one's own group")
}

var setGroupFileStep = newStep("create set-group-id files", func(p *process, arguments []string) {
	unix.Umask(0)
	touchOnly(p, arguments[0]+"/outside", 0o2755)
	touchOnly(p, arguments[0]+"/no-execute", 0o2644)
})

func attributeBlocks(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	for i, c := range []struct{ offset, pages int }{{0, 1}, {1, 1}, {page - 1, 1}, {page, 2}, {10 * page, 3}, {10*page + 5, 3}} {
		f.write(t, int64(c.offset), []byte("x"))
		equal(t, f.stat(t).Blocks, blocksPerPage*int64(c.pages), "st_blocks after write %d", i)
	}
	f.truncate(t, int64(page))
	equal(t, f.stat(t).Blocks, blocksPerPage, "st_blocks after truncation")
	f.truncate(t, 0)
	equal(t, f.stat(t).Blocks, 0, "st_blocks when empty")
	equal(t, stat(t, dir).Blocks, 0, "st_blocks of a directory")
}

func attributeStatWays(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", []byte("data"))
	want := f.stat(t)
	d := openDirectory(t, dir)
	var s unix.Stat_t
	equal(t, stat(t, dir+"/f"), want, "stat")
	equal(t, lstat(t, dir+"/f"), want, "lstat")
	ok(t, unix.Fstatat(d.fd, "f", &s, 0), "fstatat")
	equal(t, s, want, "fstatat")
	ok(t, unix.Fstatat(f.fd, "", &s, unix.AT_EMPTY_PATH), "fstatat of the descriptor")
	equal(t, s, want, "fstatat of the descriptor")
	equal(t, open(t, dir+"/f", pathDescriptor, 0).stat(t), want, "fstat of a path descriptor")
	equal(t, stat(t, self(f)), want, "stat through /proc")
}

func statx(t T, path string, mask int) unix.Statx_t {
	t.Helper()
	var s unix.Statx_t
	ok(t, unix.Statx(unix.AT_FDCWD, path, unix.AT_STATX_SYNC_AS_STAT, mask, &s), "statx(%.80q)", path)
	return s
}

func attributeStatx(t *testing.T, dir string) {
	createWith(t, dir+"/f", pattern(page+1))
	s, x := stat(t, dir+"/f"), statx(t, dir+"/f", unix.STATX_BASIC_STATS)
	equal(t, uint32(x.Mode), s.Mode, "stx_mode")
	equal(t, x.Size, uint64(s.Size), "stx_size")
	equal(t, x.Blocks, uint64(s.Blocks), "stx_blocks")
	equal(t, x.Ino, s.Ino, "stx_ino")
	equal(t, x.Nlink, uint32(s.Nlink), "stx_nlink")
	equal(t, x.Blksize, uint32(s.Blksize), "stx_blksize")
	equal(t, x.Mtime.Nsec, uint32(s.Mtim.Nsec), "stx_mtime")
	equal(t, x.Mask&unix.STATX_BASIC_STATS, unix.STATX_BASIC_STATS, "fields given")
	equal(t, unix.Mkdev(x.Dev_major, x.Dev_minor), s.Dev, "stx_dev")
	var bad unix.Statx_t
	fails(t, unix.EINVAL, unix.Statx(unix.AT_FDCWD, dir, 1<<20, 0, &bad), "unknown flags")
}

func attributeBirth(t *testing.T, dir string) {
	before := clock(t, unix.CLOCK_REALTIME_COARSE)
	createWith(t, dir+"/f", []byte("data"))
	born := statx(t, dir+"/f", unix.STATX_BTIME)
	equal(t, born.Mask&unix.STATX_BTIME, unix.STATX_BTIME, "the mask has the birth time")
	at := born.Btime.Sec*1e9 + int64(born.Btime.Nsec)
	isTrue(t, at >= before && at <= clock(t, unix.CLOCK_REALTIME), "the birth time %d is that of the creation", at)
	tick(t)
	ok(t, unix.Chmod(dir+"/f", 0o600), "chmod")
	ok(t, unix.Rename(dir+"/f", dir+"/g"), "rename")
	equal(t, statx(t, dir+"/g", unix.STATX_BTIME).Btime, born.Btime, "birth time after changes")
}

const (
	flagImmutable = 0x10 // FS_IMMUTABLE_FL
	flagAppend    = 0x20 // FS_APPEND_FL
	flagNoDump    = 0x40 // FS_NODUMP_FL
)

func attributeFlags(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", []byte("data"))
	flags, err := unix.IoctlGetInt(f.fd, unix.FS_IOC_GETFLAGS)
	ok(t, err, "FS_IOC_GETFLAGS")
	equal(t, flags, 0, "flags of a new file")
	set := func(flags int) {
		ok(t, unix.IoctlSetPointerInt(f.fd, unix.FS_IOC_SETFLAGS, flags), "FS_IOC_SETFLAGS %#x", flags)
	}
	set(flagNoDump)
	flags, err = unix.IoctlGetInt(f.fd, unix.FS_IOC_GETFLAGS)
	ok(t, err, "FS_IOC_GETFLAGS")
	equal(t, flags, flagNoDump, "flags")
	set(flagImmutable)
	fails(t, unix.EPERM, unix.Chmod(dir+"/f", 0o600), "chmod of an immutable file")
	fails(t, unix.EPERM, unix.Unlink(dir+"/f"), "unlink of an immutable file")
	cannotOpen(t, unix.EPERM, dir+"/f", unix.O_RDWR, 0)
	set(flagAppend)
	cannotOpen(t, unix.EPERM, dir+"/f", unix.O_RDWR, 0)
	open(t, dir+"/f", unix.O_RDWR|unix.O_APPEND, 0)
	fails(t, unix.EPERM, unix.Truncate(dir+"/f", 0), "truncate of an append-only file")
	set(0)
	ok(t, unix.Unlink(dir+"/f"), "unlink")
}

func attributeNoFlags(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	_, err := unix.IoctlGetInt(f.fd, unix.FS_IOC_GETFLAGS)
	fails(t, unix.ENOTTY, err, "FS_IOC_GETFLAGS")
	fails(t, unix.ENOTTY, unix.IoctlSetPointerInt(f.fd, unix.FS_IOC_SETFLAGS, flagImmutable), "FS_IOC_SETFLAGS")
	ok(t, unix.Unlink(dir+"/f"), "unlink")
}

func attributeAtOnce(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	g := open(t, dir+"/f", unix.O_RDONLY, 0)
	watcher := attributeWatchStep.start(t, root, nil, dir+"/f")
	watcher.expect(t, "100644 0 0")
	ok(t, unix.Fchmod(f.fd, 0o600), "fchmod")
	modeIs(t, g.stat(t), unix.S_IFREG|0o600, "the other descriptor")
	watcher.say(t, "look")
	watcher.expect(t, "100600 0 0")
	f.write(t, 0, pattern(12345))
	equal(t, g.stat(t).Size, 12345, "st_size of the other descriptor")
	watcher.say(t, "look")
	watcher.expect(t, "100600 12345 0")
	f.truncate(t, 99)
	ok(t, unix.Chown(dir+"/f", 42, 42), "chown")
	watcher.say(t, "look")
	watcher.expect(t, "100600 99 42")
	watcher.say(t, "end")
	watcher.wait(t)
}

var attributeWatchStep = newStep("watch a file's attributes", func(p *process, arguments []string) {
	for line := "look"; line == "look"; line = p.hear() {
		s := stat(p, arguments[0])
		p.say(octal(s.Mode) + " " + itoa(int(s.Size)) + " " + itoa(int(s.Uid)))
	}
})

func attributeMissing(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o644)
	times := []unix.Timespec{{Sec: 1}, {Sec: 1}}
	for path, want := range map[string]unix.Errno{"/none": unix.ENOENT, "/none/x": unix.ENOENT, "/f/x": unix.ENOTDIR, "/f/": unix.ENOTDIR} {
		var s unix.Stat_t
		fails(t, want, unix.Stat(dir+path, &s), "stat of %s", path)
		fails(t, want, unix.Chmod(dir+path, 0o644), "chmod of %s", path)
		fails(t, want, unix.Chown(dir+path, 1, 1), "chown of %s", path)
		fails(t, want, unix.UtimesNanoAt(unix.AT_FDCWD, dir+path, times, 0), "utimensat of %s", path)
		fails(t, want, unix.Truncate(dir+path, 0), "truncate of %s", path)
		fails(t, want, unix.Access(dir+path, unix.F_OK), "access of %s", path)
	}
}

// capability is a VFS_CAP_REVISION_2 attribute: effective, CAP_NET_RAW permitted.
func capability() []byte {
	data := make([]byte, 20)
	binary.LittleEndian.PutUint32(data, 0x02000001)
	binary.LittleEndian.PutUint32(data[4:], 1<<13)
	return data
}

func attributeCapability(t *testing.T, dir string) {
	for _, by := range []string{"write", "truncate", "chown"} {
		path := dir + "/" + by
		touch(t, path, 0o777)
		ok(t, unix.Setxattr(path, "security.capability", capability(), 0), "setxattr")
		value := make([]byte, 64)
		n, err := unix.Getxattr(path, "security.capability", value)
		ok(t, err, "getxattr")
		sameBytes(t, value[:n], capability(), "the capability")
		switch by {
		case "write":
			attributeWriteStep.run(t, alice, path)
		case "truncate":
			attributeTruncateStep.run(t, alice, path, "ftruncate")
		default:
			ok(t, unix.Chown(path, 7, 7), "chown")
		}
		_, err = unix.Getxattr(path, "security.capability", value)
		fails(t, unix.ENODATA, err, "the capability after %s", by)
	}
}

// accessList is a POSIX access control list in the kernel's form: the owner reads and writes, alice reads, others nothing.
func accessList() []byte {
	data := binary.LittleEndian.AppendUint32(nil, 2)
	for _, e := range []struct {
		tag, permission uint16
		id              uint32
	}{{0x01, 6, 1<<32 - 1}, {0x02, 4, alice.uid}, {0x04, 0, 1<<32 - 1}, {0x10, 4, 1<<32 - 1}, {0x20, 0, 1<<32 - 1}} {
		data = binary.LittleEndian.AppendUint16(data, e.tag)
		data = binary.LittleEndian.AppendUint16(data, e.permission)
		data = binary.LittleEndian.AppendUint32(data, e.id)
	}
	return data
}

func attributeLists(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o600)
	ok(t, unix.Setxattr(dir+"/f", "system.posix_acl_access", accessList(), 0), "setting an access control list")
	value := make([]byte, 100)
	n, err := unix.Getxattr(dir+"/f", "system.posix_acl_access", value)
	ok(t, err, "getting the access control list")
	sameBytes(t, value[:n], accessList(), "the access control list")
	modeIs(t, stat(t, dir+"/f"), unix.S_IFREG|0o640, "the mode, whose group bits are the mask")
	accessStep.run(t, alice, dir+"/f", "success", "EACCES")
	accessStep.run(t, bob, dir+"/f", "EACCES", "EACCES")
	ok(t, unix.Removexattr(dir+"/f", "system.posix_acl_access"), "removing the access control list")
	accessStep.run(t, alice, dir+"/f", "EACCES", "EACCES")
}

// accessStep opens a file for reading and for writing and compares the outcomes.
var accessStep = newStep("open for reading and writing", func(p *process, arguments []string) {
	for i, flags := range []int{unix.O_RDONLY, unix.O_WRONLY} {
		fd, err := unix.Open(arguments[0], flags|unix.O_CLOEXEC, 0)
		if err == nil {
			unix.Close(fd)
		}
		equal(p, errnoName(err), arguments[1+i], "opening with %#x as uid %d", flags, unix.Getuid())
	}
})
