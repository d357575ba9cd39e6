package faults

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// lockMode is how an open file has locked its inode.
type lockMode int

const (
	sharedLock lockMode = iota + 1
	exclusiveLock
)

// Kinds of locks that belong to an open file, which do not see each other.
const (
	wholeLock = iota // flock(2)
	rangeLock        // fcntl(2) with F_OFD_SETLK, of the whole file
	lockKinds
)

// lock locks or unlocks a file without waiting. It fails when another open file of this client has it.
func (c *client) lock() {
	o := c.file()
	if o == nil || o.mapped {
		return
	}
	kind, mode := c.random.IntN(lockKinds), lockMode(c.random.IntN(3)) // 0 unlocks
	if o.node.locks[kind] == nil {
		o.node.locks[kind] = map[*opened]lockMode{}
	}
	locks := o.node.locks[kind]
	errno := unix.Errno(0)
	for other, has := range locks {
		if other != o && mode != 0 && (mode == exclusiveLock || has == exclusiveLock) {
			errno = unix.EAGAIN
		}
	}
	err := c.call("lock", fmt.Sprintf("%d, kind %d, mode %d", o.descriptor, kind, mode), func() error {
		if kind == wholeLock {
			return unix.Flock(o.descriptor, []int{unix.LOCK_UN, unix.LOCK_SH, unix.LOCK_EX}[mode]|unix.LOCK_NB)
		}
		wanted := unix.Flock_t{Type: []int16{unix.F_UNLCK, unix.F_RDLCK, unix.F_WRLCK}[mode]}
		return unix.FcntlFlock(uintptr(o.descriptor), unix.F_OFD_SETLK, &wanted)
	})
	c.want(err, errno, "lock of kind %d, mode %d", kind, mode)
	switch {
	case errno == 0 && mode == 0:
		delete(locks, o)
	case errno == 0:
		locks[o] = mode
	case kind == wholeLock && locks[o] != mode:
		delete(locks, o) // flock(2) gives up the lock that it would change before it finds that it cannot
	}
}

// locked says whether an open file has a lock.
func (o *opened) locked() bool {
	for _, locks := range o.node.locks {
		if locks[o] != 0 {
			return true
		}
	}
	return false
}
