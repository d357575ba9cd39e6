package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLastCloseOfPolledSemaphore has the daemon die while the last descriptor of a semaphore that is polled is closed: nobody is counted as waiting
// in the semaphore's memory then, which its users map on.
func TestLastCloseOfPolledSemaphore(t *testing.T) {
	times := setting(t, "LAST_CLOSES", 1, 30)
	d := mountCrashing(t)
	before, err := d.daemon.stats()
	must(t, err)
	for _, point := range []string{
		"fs: what was held through a handle is given back", "fs: a handle's record is gone", "fs: a backing file is closed",
		"fs: an opening's record is gone", "fs: a file is closed",
	} {
		for range times {
			d.closePolled(point)
		}
	}
	d.daemon.requireEmptied(t, before)
}

// closePolled is one close at which the daemon dies at a point.
func (c *crashing) closePolled(point string) {
	t := c.t
	t.Helper()
	path := filepath.Join(c.daemon.place, "sem.polled")
	must(t, os.WriteFile(path, []byte("0\n"), 0o600))
	descriptor, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	must(t, err)
	memory, err := mapSemaphore(descriptor)
	must(t, err)
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	must(t, err)
	must(t, unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, descriptor, &unix.EpollEvent{Events: unix.EPOLLIN}))
	c.requireWaiters(memory, 1)
	c.control.Arm(point, 1)
	must(t, unix.Close(descriptor))
	eventually(t, "the daemon dies at "+point, func() (bool, string) { return c.hasDied(point), "alive" })
	c.requireAnswer(point)
	c.requireWaiters(memory, 0)
	must(t, memory.unmap())
	must(t, unix.Close(epoll))
	must(t, os.Remove(path))
}

// requireWaiters returns when so many are counted as waiting.
func (c *crashing) requireWaiters(memory *libc, want int) {
	c.t.Helper()
	eventually(c.t, fmt.Sprintf("%d wait in the semaphore's memory", want), func() (bool, string) {
		return memory.waiters() == want, fmt.Sprint(memory.waiters())
	})
}
