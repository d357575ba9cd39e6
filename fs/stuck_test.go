package fs

import (
	"os"
	"testing"
	"unsafe"

	"shmfs/semfs"

	"golang.org/x/sys/unix"
)

// waitedFor is a report of a semaphore without units that somebody waits for.
func waitedFor() semfs.Report {
	return semfs.Report{State: semfs.State{Layout: semfs.Glibc, Waiters: 1}}
}

func TestNotStuckWithoutLook(t *testing.T) {
	o := newOrphanage(t, false)
	o.census.mu.Lock() // whoever looks hangs
	defer o.census.mu.Unlock()
	o.census.device = 1
	for what, report := range map[string]semfs.Report{
		"no semaphore": {State: semfs.State{Waiters: 1}},
		"a unit":       {State: semfs.State{Layout: semfs.Glibc, Value: 1, Waiters: 1}},
		"no waiter":    {State: semfs.State{Layout: semfs.Glibc}},
		"a holder":     {State: waitedFor().State, Holders: []semfs.Holder{{Process: 1, Units: 1}}},
	} {
		if stuck := o.stuck(1, report); stuck != "no" {
			t.Errorf("%s: %s", what, stuck)
		}
	}
}

func TestStuckIsUnknownWithoutDevice(t *testing.T) {
	if stuck := newOrphanage(t, false).stuck(1, waitedFor()); stuck != "unknown" {
		t.Errorf("%s, want unknown", stuck)
	}
}

// A semaphore that nobody maps is stuck; so is one that a process maps which waits in it, but not one that it only maps.
func TestStuck(t *testing.T) {
	o := newOrphanage(t, false)
	file, err := os.CreateTemp("/dev/shm", "stuck-") // where maps shows the device that stat(2) says
	o.want(err)
	defer file.Close()
	o.want(os.Remove(file.Name()))
	o.want(file.Truncate(semfs.Size))
	var stat unix.Stat_t
	o.want(unix.Fstat(int(file.Fd()), &stat))
	o.census.device = stat.Dev
	becomes := func(want string) {
		t.Helper()
		o.eventually("stuck is "+want, func() bool { return o.stuck(stat.Ino, waitedFor()) == want })
	}
	becomes("yes")
	memory, err := unix.Mmap(int(file.Fd()), 0, semfs.Size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	o.want(err)
	becomes("no")
	const futexWait, futexWake = 0, 1
	word := uintptr(unsafe.Pointer(&memory[0]))
	waiter := make(chan unix.Errno)
	go func() {
		_, _, errno := unix.Syscall6(unix.SYS_FUTEX, word, futexWait, 0, 0, 0, 0)
		waiter <- errno
	}()
	becomes("yes")
	if _, _, errno := unix.Syscall6(unix.SYS_FUTEX, word, futexWake, 1, 0, 0, 0); errno != 0 {
		t.Errorf("waking: %v", errno)
	}
	if errno := <-waiter; errno != 0 {
		t.Errorf("the wait: %v", errno)
	}
	becomes("no")
	o.want(unix.Munmap(memory))
	becomes("yes")
}
