package faults

import (
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// createSemaphore makes one more semaphore and removes it.
func (c *client) createSemaphore() {
	path := filepath.Join(c.Place, fmt.Sprintf("sem.brief-%d", c.Number))
	value := c.random.IntN(9)
	descriptor := c.newSemaphore(path, value)
	if got := c.semaphoreLine(descriptor, "value"); got != strconv.Itoa(value) {
		c.fail("%s was made with %d and has %s", path, value, got)
	}
	c.want(c.call("unlink", path, func() error { return unix.Unlink(path) }), 0, "unlinking %s", path)
	c.want(c.call("access", path, func() error { return unix.Access(path, unix.F_OK) }), unix.ENOENT, "%s after it was unlinked", path)
	c.want(c.call("close", path, func() error { return unix.Close(descriptor) }), 0, "closing %s", path)
}

// newSemaphore makes a semaphore with a value and returns a descriptor of it.
func (c *client) newSemaphore(path string, value int) (descriptor int) {
	c.want(c.call("open", path, func() (err error) {
		descriptor, err = unix.Open(path, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
		return err
	}), 0, "creating %s", path)
	c.want(c.call("access", path, func() error { return unix.Access(path, unix.F_OK) }), unix.ENOENT, "%s before it has a value", path)
	c.want(c.call("sem create", path, func() error {
		_, err := unix.Write(descriptor, fmt.Appendln(nil, value))
		return err
	}), 0, "initialising %s", path)
	return descriptor
}

// orphanSemaphore makes a semaphore that is to be removed when the last who uses it is gone, and leaves it. The daemon is told of that
// later.
func (c *client) orphanSemaphore() {
	path := filepath.Join(c.Place, fmt.Sprintf("sem.orphan-%d", c.Number))
	descriptor := c.newSemaphore(path, 1)
	c.want(c.call("lsetxattr", path, func() error {
		return unix.Lsetxattr(path, "user.shmfs.on-orphan", []byte("remove"), 0)
	}), 0, "asking for %s to be removed", path)
	c.want(c.call("close", path, func() error { return unix.Close(descriptor) }), 0, "closing %s", path)
	for deadline := now() + patience; ; pause(100 * time.Microsecond) {
		err := unix.Access(path, unix.F_OK)
		if err == unix.ENOENT {
			return
		}
		c.want(err, 0, "looking for %s", path)
		if now() > deadline {
			c.fail("%s, which nobody uses, is not removed", path)
		}
	}
}
