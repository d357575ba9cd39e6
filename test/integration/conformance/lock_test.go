package conformance

import (
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

var lockTests = map[string]test{
	"flock between processes":         lockFlock,
	"flock between descriptors":       lockFlockDescriptors,
	"flock is inherited":              lockFlockInherited,
	"flock wakes who waits":           lockFlockWaits,
	"flock wait is interrupted":       lockFlockInterrupted,
	"POSIX locks between processes":   lockPosix,
	"F_GETLK tells who holds what":    lockPosixGet,
	"POSIX ranges split and join":     lockPosixRanges,
	"POSIX locks go with any close":   lockPosixClose,
	"POSIX locks go with the process": lockPosixKilled,
	"POSIX lock wakes who waits":      lockPosixWaits,
	"POSIX deadlock":                  lockPosixDeadlock,
	"OFD locks":                       lockOFD,
	"OFD locks between processes":     lockOFDInherited,
	"wrong descriptors and ranges":    lockRefuses,
	"kinds of lock do not meet":       lockKinds,
}

// take does flock without waiting.
func (f *file) flock(how int) error { return unix.Flock(f.fd, how|unix.LOCK_NB) }

// lockStep takes flocks as it is told, on the file it opens itself or inherited ("inherited").
var lockStep = newStep("flock", func(p *process, arguments []string) {
	fd := firstInherited
	if arguments[0] != "inherited" {
		fd = open(p, arguments[0], unix.O_RDWR, 0).fd
	}
	p.say("ready")
	for line := p.hear(); line != "end"; line = p.hear() {
		how, err := strconv.Atoi(line)
		ok(p, err, "reading what the test said")
		p.say(errnoName(unix.Flock(fd, how)))
	}
})

// flockBy has the step call flock and requires the outcome.
func flockBy(t *testing.T, c *child, how int, want string) {
	t.Helper()
	c.say(t, itoa(how|unix.LOCK_NB))
	c.expect(t, want)
}

func lockFlock(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	other := lockStep.start(t, root, nil, dir+"/f")
	other.expect(t, "ready")
	ok(t, f.flock(unix.LOCK_EX), "flock")
	flockBy(t, other, unix.LOCK_EX, "EAGAIN")
	flockBy(t, other, unix.LOCK_SH, "EAGAIN")
	ok(t, f.flock(unix.LOCK_SH), "flock to shared")
	flockBy(t, other, unix.LOCK_SH, "success")
	flockBy(t, other, unix.LOCK_EX, "EAGAIN")
	ok(t, f.flock(unix.LOCK_EX), "flock to exclusive: by failing to do so the other lost its shared lock")
	flockBy(t, other, unix.LOCK_UN, "success")
	flockBy(t, other, unix.LOCK_SH, "EAGAIN")
	f.close(t)
	eventually(t, "the lock goes with its last descriptor", func() bool {
		other.say(t, itoa(unix.LOCK_EX|unix.LOCK_NB))
		return other.hear(t) == "success"
	})
	other.kill(t)
	g := open(t, dir+"/f", unix.O_RDONLY, 0)
	eventually(t, "the lock goes with its process", func() bool { return g.flock(unix.LOCK_EX) == nil })
}

func lockFlockDescriptors(t *testing.T, dir string) {
	a := create(t, dir+"/f")
	b := open(t, dir+"/f", unix.O_RDONLY, 0)
	ok(t, a.flock(unix.LOCK_EX), "flock")
	ok(t, a.flock(unix.LOCK_EX), "flock again")
	fails(t, unix.EWOULDBLOCK, b.flock(unix.LOCK_SH), "flock of another descriptor")
	fd, err := unix.FcntlInt(uintptr(a.fd), unix.F_DUPFD_CLOEXEC, 0)
	ok(t, err, "duplicating")
	duplicate := adopt(t, fd)
	a.close(t)
	fails(t, unix.EWOULDBLOCK, b.flock(unix.LOCK_SH), "flock while a duplicate is open")
	ok(t, duplicate.flock(unix.LOCK_UN), "unlocking by the duplicate")
	ok(t, b.flock(unix.LOCK_EX), "flock of the other descriptor")
	d1, d2 := openDirectory(t, dir), openDirectory(t, dir)
	ok(t, d1.flock(unix.LOCK_EX), "flock of a directory")
	fails(t, unix.EWOULDBLOCK, d2.flock(unix.LOCK_EX), "flock of a locked directory")
	fails(t, unix.EBADF, open(t, dir+"/f", pathDescriptor, 0).flock(unix.LOCK_EX), "flock of a path descriptor")
	fails(t, unix.EINVAL, unix.Flock(b.fd, 0), "flock of nothing")
}

func lockFlockInherited(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	other := open(t, dir+"/f", unix.O_RDWR, 0)
	ok(t, f.flock(unix.LOCK_EX), "flock")
	heir := lockStep.start(t, root, []*file{f}, "inherited")
	heir.expect(t, "ready")
	f.close(t)
	fails(t, unix.EWOULDBLOCK, other.flock(unix.LOCK_EX), "flock while the heir lives")
	flockBy(t, heir, unix.LOCK_EX, "success")
	flockBy(t, heir, unix.LOCK_UN, "success")
	ok(t, other.flock(unix.LOCK_EX), "flock after the heir unlocked")
	flockBy(t, heir, unix.LOCK_SH, "EAGAIN")
	heir.say(t, "end")
	heir.wait(t)
}

func lockFlockWaits(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	ok(t, f.flock(unix.LOCK_EX), "flock")
	other := lockStep.start(t, root, nil, dir+"/f")
	other.expect(t, "ready")
	other.say(t, itoa(unix.LOCK_EX)) // waits
	sleeping(t, other.command.Process.Pid)
	ok(t, f.flock(unix.LOCK_UN), "unlocking")
	other.expect(t, "success")
	fails(t, unix.EWOULDBLOCK, f.flock(unix.LOCK_SH), "flock of what the other got")
	other.say(t, "end")
	other.wait(t)
}

func lockFlockInterrupted(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	ok(t, f.flock(unix.LOCK_EX), "flock")
	other := lockStep.start(t, root, nil, dir+"/f")
	other.expect(t, "ready")
	other.say(t, itoa(unix.LOCK_EX)) // waits for ever
	sleeping(t, other.command.Process.Pid)
	other.kill(t)
	ok(t, f.flock(unix.LOCK_UN), "unlocking")
	ok(t, f.flock(unix.LOCK_EX), "flock again: who was killed waiting holds nothing")
}

// setLock does F_SETLK (or its OFD form) of length bytes from start.
func (f *file) setLock(command int, kind int16, start, length int64) error {
	return unix.FcntlFlock(uintptr(f.fd), command, &unix.Flock_t{Type: kind, Start: start, Len: length})
}

func (f *file) getLock(t T, command int, kind int16, start, length int64) unix.Flock_t {
	t.Helper()
	lock := unix.Flock_t{Type: kind, Start: start, Len: length}
	ok(t, unix.FcntlFlock(uintptr(f.fd), command, &lock), "asking for a lock")
	return lock
}

// posixStep opens a file and does to it what it is told: "COMMAND KIND START LENGTH".
var posixStep = newStep("record locks", func(p *process, arguments []string) {
	f := &file{fd: firstInherited}
	if arguments[0] != "inherited" {
		f = open(p, arguments[0], unix.O_RDWR, 0)
	}
	p.say("ready")
	for line := p.hear(); line != "end"; line = p.hear() {
		var n [4]int64
		scan(p, line, &n)
		p.say(errnoName(f.setLock(int(n[0]), int16(n[1]), n[2], n[3])))
	}
})

func startPosix(t *testing.T, path string) *child {
	t.Helper()
	c := posixStep.start(t, root, nil, path)
	c.expect(t, "ready")
	return c
}

func tellLock(t *testing.T, c *child, command int, kind int16, start, length int64) {
	t.Helper()
	c.say(t, itoa(command)+" "+itoa(int(kind))+" "+itoa(int(start))+" "+itoa(int(length)))
}

func lockBy(t *testing.T, c *child, kind int16, start, length int64, want string) {
	t.Helper()
	tellLock(t, c, unix.F_SETLK, kind, start, length)
	c.expect(t, want)
}

func lockPosix(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	other := startPosix(t, dir+"/f")
	ok(t, f.setLock(unix.F_SETLK, unix.F_WRLCK, 100, 100), "locking bytes 100 to 199")
	lockBy(t, other, unix.F_WRLCK, 199, 1, "EAGAIN")
	lockBy(t, other, unix.F_RDLCK, 100, 1, "EAGAIN")
	lockBy(t, other, unix.F_WRLCK, 0, 0, "EAGAIN")
	lockBy(t, other, unix.F_WRLCK, 0, 100, "success")
	lockBy(t, other, unix.F_WRLCK, 200, 0, "success")
	fails(t, unix.EAGAIN, f.setLock(unix.F_SETLK, unix.F_RDLCK, 1<<40, 1), "locking far in the other's range")
	ok(t, f.setLock(unix.F_SETLK, unix.F_RDLCK, 100, 100), "down to a read lock")
	lockBy(t, other, unix.F_RDLCK, 100, 100, "success")
	lockBy(t, other, unix.F_WRLCK, 100, 100, "EAGAIN")
	ok(t, f.setLock(unix.F_SETLK, unix.F_UNLCK, 0, 0), "unlocking all")
	lockBy(t, other, unix.F_WRLCK, 0, 0, "success")
	other.say(t, "end")
	other.wait(t)
	ok(t, f.setLock(unix.F_SETLK, unix.F_WRLCK, 0, 0), "locking after the other ended")
}

func lockPosixGet(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	other := startPosix(t, dir+"/f")
	equal(t, f.getLock(t, unix.F_GETLK, unix.F_WRLCK, 0, 0).Type, unix.F_UNLCK, "kind when nobody holds any")
	lockBy(t, other, unix.F_WRLCK, 10, 20, "success")
	got := f.getLock(t, unix.F_GETLK, unix.F_RDLCK, 5, 100)
	equal(t, got.Type, unix.F_WRLCK, "l_type")
	equal(t, got.Start, 10, "l_start")
	equal(t, got.Len, 20, "l_len")
	equal(t, got.Whence, 0, "l_whence")
	equal(t, int(got.Pid), other.command.Process.Pid, "l_pid")
	equal(t, f.getLock(t, unix.F_GETLK, unix.F_RDLCK, 30, 0).Type, unix.F_UNLCK, "kind where nobody holds any")
	lockBy(t, other, unix.F_RDLCK, 0, 0, "success")
	got = f.getLock(t, unix.F_GETLK, unix.F_WRLCK, 1000, 1)
	equal(t, got.Type, unix.F_RDLCK, "l_type of a read lock")
	equal(t, got.Len, 0, "l_len of a lock to the end")
	equal(t, f.getLock(t, unix.F_GETLK, unix.F_RDLCK, 0, 0).Type, unix.F_UNLCK, "kind that would not conflict")
	other.say(t, "end")
	other.wait(t)
}
