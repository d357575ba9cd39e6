package conformance

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func scan(t T, line string, n *[4]int64) {
	t.Helper()
	_, err := fmt.Sscan(line, &n[0], &n[1], &n[2], &n[3])
	ok(t, err, "reading %q", line)
}

// sleeping returns when some thread of the process waits for a file lock in the kernel.
func sleeping(t *testing.T, pid int) {
	t.Helper()
	eventually(t, "the other process waits for the lock", func() bool {
		threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		ok(t, err, "reading the process's threads")
		for _, thread := range threads {
			call, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/syscall", pid, thread.Name()))
			number, _, _ := strings.Cut(string(call), " ")
			if err == nil && (number == itoa(unix.SYS_FLOCK) || number == itoa(unix.SYS_FCNTL)) {
				return true
			}
		}
		return false
	})
}

func lockPosixRanges(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	other := startPosix(t, dir+"/f")
	ok(t, f.setLock(unix.F_SETLK, unix.F_WRLCK, 0, 100), "locking")
	ok(t, f.setLock(unix.F_SETLK, unix.F_UNLCK, 40, 20), "unlocking the middle")
	lockBy(t, other, unix.F_WRLCK, 40, 20, "success")
	lockBy(t, other, unix.F_WRLCK, 39, 1, "EAGAIN")
	lockBy(t, other, unix.F_WRLCK, 60, 1, "EAGAIN")
	lockBy(t, other, unix.F_UNLCK, 0, 0, "success")
	ok(t, f.setLock(unix.F_SETLK, unix.F_RDLCK, 10, 10), "a read lock within")
	lockBy(t, other, unix.F_RDLCK, 10, 10, "success")
	lockBy(t, other, unix.F_RDLCK, 9, 2, "EAGAIN")
	lockBy(t, other, unix.F_UNLCK, 0, 0, "success")
	ok(t, f.setLock(unix.F_SETLK, unix.F_WRLCK, 0, 100), "joining again")
	lock := unix.Flock_t{Type: unix.F_UNLCK, Start: 50, Len: -10}
	ok(t, unix.FcntlFlock(uintptr(f.fd), unix.F_SETLK, &lock), "unlocking ten bytes before 50")
	lockBy(t, other, unix.F_WRLCK, 40, 10, "success")
	lockBy(t, other, unix.F_WRLCK, 50, 1, "EAGAIN")
	other.say(t, "end")
	other.wait(t)
}

func lockPosixClose(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	g := open(t, dir+"/f", unix.O_RDONLY, 0)
	other := startPosix(t, dir+"/f")
	ok(t, f.setLock(unix.F_SETLK, unix.F_WRLCK, 0, 0), "locking")
	ok(t, g.setLock(unix.F_SETLK, unix.F_RDLCK, 10, 1), "the same owner by another descriptor")
	lockBy(t, other, unix.F_WRLCK, 0, 1, "EAGAIN")
	g.close(t)
	lockBy(t, other, unix.F_WRLCK, 0, 0, "success")
	other.say(t, "end")
	other.wait(t)
}

func lockPosixKilled(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	other := startPosix(t, dir+"/f")
	lockBy(t, other, unix.F_WRLCK, 0, 0, "success")
	fails(t, unix.EAGAIN, f.setLock(unix.F_SETLK, unix.F_WRLCK, 5, 1), "locking what the other holds")
	other.kill(t)
	ok(t, f.setLock(unix.F_SETLK, unix.F_WRLCK, 5, 1), "locking after the other was killed")
}

func lockPosixWaits(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	ok(t, f.setLock(unix.F_SETLK, unix.F_WRLCK, 0, 0), "locking")
	other := startPosix(t, dir+"/f")
	tellLock(t, other, unix.F_SETLKW, unix.F_WRLCK, 10, 10)
	sleeping(t, other.command.Process.Pid)
	ok(t, f.setLock(unix.F_SETLK, unix.F_UNLCK, 0, 15), "unlocking a part")
	ok(t, f.setLock(unix.F_SETLK, unix.F_UNLCK, 15, 0), "unlocking the rest")
	other.expect(t, "success")
	fails(t, unix.EAGAIN, f.setLock(unix.F_SETLK, unix.F_WRLCK, 19, 1), "locking what the other got")
	other.say(t, "end")
	other.wait(t)
}

func lockPosixDeadlock(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	other := startPosix(t, dir+"/f")
	ok(t, f.setLock(unix.F_SETLK, unix.F_WRLCK, 0, 1), "locking byte 0")
	lockBy(t, other, unix.F_WRLCK, 1, 1, "success")
	tellLock(t, other, unix.F_SETLKW, unix.F_WRLCK, 0, 1)
	sleeping(t, other.command.Process.Pid)
	fails(t, unix.EDEADLK, f.setLock(unix.F_SETLKW, unix.F_WRLCK, 1, 1), "waiting for who waits for us")
	ok(t, f.setLock(unix.F_SETLK, unix.F_UNLCK, 0, 1), "unlocking")
	other.expect(t, "success")
	other.say(t, "end")
	other.wait(t)
}

func lockOFD(t *testing.T, dir string) {
	a := create(t, dir+"/f")
	b := open(t, dir+"/f", unix.O_RDWR, 0)
	ok(t, a.setLock(unix.F_OFD_SETLK, unix.F_WRLCK, 0, 10), "locking")
	fails(t, unix.EAGAIN, b.setLock(unix.F_OFD_SETLK, unix.F_WRLCK, 9, 1), "another descriptor of the process")
	got := b.getLock(t, unix.F_OFD_GETLK, unix.F_WRLCK, 0, 0)
	equal(t, got.Type, unix.F_WRLCK, "l_type")
	equal(t, got.Start, 0, "l_start")
	equal(t, got.Len, 10, "l_len")
	equal(t, got.Pid, -1, "l_pid of a lock that belongs to no process")
	c := open(t, dir+"/f", unix.O_RDWR, 0)
	c.close(t)
	fails(t, unix.EAGAIN, b.setLock(unix.F_OFD_SETLK, unix.F_WRLCK, 9, 1), "after some descriptor was closed")
	lock := unix.Flock_t{Type: unix.F_WRLCK, Start: 20, Len: 1, Pid: 1}
	fails(t, unix.EINVAL, unix.FcntlFlock(uintptr(b.fd), unix.F_OFD_SETLK, &lock), "an OFD lock with a process")
	a.close(t)
	eventually(t, "an OFD lock goes with its descriptor", func() bool {
		return b.setLock(unix.F_OFD_SETLK, unix.F_WRLCK, 9, 1) == nil
	})
}

func lockOFDInherited(t *testing.T, dir string) {
	a := create(t, dir+"/f")
	b := open(t, dir+"/f", unix.O_RDWR, 0)
	ok(t, a.setLock(unix.F_OFD_SETLK, unix.F_WRLCK, 0, 0), "locking")
	heir := posixStep.start(t, root, []*file{a}, "inherited")
	heir.expect(t, "ready")
	a.close(t)
	fails(t, unix.EAGAIN, b.setLock(unix.F_OFD_SETLK, unix.F_RDLCK, 0, 1), "while the heir lives")
	tellLock(t, heir, unix.F_OFD_SETLK, unix.F_UNLCK, 0, 0)
	heir.expect(t, "success")
	ok(t, b.setLock(unix.F_OFD_SETLK, unix.F_RDLCK, 0, 1), "after the heir unlocked")
	heir.say(t, "end")
	heir.wait(t)
}

func lockRefuses(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o644)
	r, w := open(t, dir+"/f", unix.O_RDONLY, 0), open(t, dir+"/f", unix.O_WRONLY, 0)
	fails(t, unix.EBADF, r.setLock(unix.F_SETLK, unix.F_WRLCK, 0, 1), "a write lock of a descriptor for reading")
	fails(t, unix.EBADF, w.setLock(unix.F_SETLK, unix.F_RDLCK, 0, 1), "a read lock of a descriptor for writing")
	fails(t, unix.EINVAL, w.setLock(unix.F_SETLK, unix.F_WRLCK, -1, 1), "a negative start")
	fails(t, unix.EINVAL, w.setLock(unix.F_SETLK, unix.F_WRLCK, 5, -6), "a range from before the start")
	fails(t, unix.EINVAL, w.setLock(unix.F_SETLK, 77, 0, 1), "an unknown kind")
	fails(t, unix.EOVERFLOW, w.setLock(unix.F_SETLK, unix.F_WRLCK, 1<<62, 1<<62+1), "a range past 2^63")
	d := openDirectory(t, dir)
	ok(t, d.setLock(unix.F_SETLK, unix.F_RDLCK, 0, 1), "a read lock of a directory")
}

func lockKinds(t *testing.T, dir string) {
	a := create(t, dir+"/f")
	b := open(t, dir+"/f", unix.O_RDWR, 0)
	ok(t, a.flock(unix.LOCK_EX), "flock")
	ok(t, b.setLock(unix.F_SETLK, unix.F_WRLCK, 0, 0), "a POSIX lock beside an flock")
	fails(t, unix.EAGAIN, a.setLock(unix.F_OFD_SETLK, unix.F_WRLCK, 0, 1), "an OFD lock beside a POSIX lock")
	ok(t, b.setLock(unix.F_SETLK, unix.F_UNLCK, 0, 0), "unlocking")
	ok(t, a.setLock(unix.F_OFD_SETLK, unix.F_WRLCK, 0, 1), "an OFD lock beside an flock")
}
