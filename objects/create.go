package objects

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Create makes a regular file of size 0 that belongs to the caller; mode holds permission bits before the umask.
// EEXIST when the name is taken, ENOSPC when there is no inode left.
func (t *Tree) Create(parent uint64, name string, mode uint32, caller Caller) (Entry, error) {
	return t.create(parent, name, caller, func(directory int) (int, error) {
		return unix.Openat(directory, name, unix.O_CREAT|unix.O_EXCL|unix.O_RDWR|unix.O_NOFOLLOW|unix.O_CLOEXEC,
			caller.mode(directory, mode))
	})
}

// Tmpfile makes a regular file without a name (O_TMPFILE). Link may give it one.
func (t *Tree) Tmpfile(parent uint64, mode uint32, caller Caller) (Entry, error) {
	var entry Entry
	err := t.in(parent, func(directory int) error {
		return t.caller.as(caller, func() error {
			descriptor, err := unix.Openat(directory, ".", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, caller.mode(directory, mode))
			if err != nil {
				return fmt.Errorf("creating a file without a name: %w", err)
			}
			defer unix.Close(descriptor)
			entry, err = t.adopt(descriptor)
			return err
		})
	})
	return entry, err
}

// Mkdir makes a directory.
func (t *Tree) Mkdir(parent uint64, name string, mode uint32, caller Caller) (Entry, error) {
	return t.create(parent, name, caller, func(directory int) (int, error) {
		return -1, unix.Mkdirat(directory, name, caller.mode(directory, mode))
	})
}

// Mknod makes a FIFO, socket, device or regular file; mode holds the type, device is its number for a device.
func (t *Tree) Mknod(parent uint64, name string, mode, device uint32, caller Caller) (Entry, error) {
	return t.create(parent, name, caller, func(directory int) (int, error) {
		return -1, unix.Mknodat(directory, name, caller.mode(directory, mode), int(device))
	})
}

// Symlink makes a symbolic link to target, 1 to 4095 bytes. A long one takes a page of its own, which is charged.
func (t *Tree) Symlink(parent uint64, name, target string, caller Caller) (Entry, error) {
	charged := int64(0)
	if t.ledger != nil && len(target) >= shortestCharged {
		charged = pageSize
		if err := t.ledger.Charge(charged, t.patience()); err != nil {
			return Entry{}, fmt.Errorf("creating %q: %w", name, err)
		}
	}
	entry, err := t.create(parent, name, caller, func(directory int) (int, error) {
		return -1, unix.Symlinkat(target, directory, name)
	})
	if t.ledger != nil {
		// The new node holds what its blocks say; the store may have found room inside the inode.
		t.ledger.Refund(charged - t.standingCharge(&entry.Stat))
	}
	return entry, err
}

// shortestCharged is the length, in bytes, from which a link's target may not fit into its inode: ext4's limit, the lowest of
// the stores in use (tmpfs keeps 127).
const shortestCharged = 60

// create runs a call that makes a name, as the caller, and adopts what it made. The call may return a descriptor of it.
func (t *Tree) create(parent uint64, name string, caller Caller, call func(directory int) (int, error)) (Entry, error) {
	if err := checkName(name); err != nil {
		return Entry{}, err
	}
	var entry Entry
	err := t.in(parent, func(directory int) error {
		descriptor := -1
		err := t.caller.as(caller, func() (err error) {
			descriptor, err = call(directory)
			return err
		})
		if err != nil {
			return fmt.Errorf("creating %q: %w", name, err)
		}
		if descriptor < 0 {
			entry, err = t.lookupIn(directory, name)
			return err
		}
		defer unix.Close(descriptor)
		entry, err = t.adopt(descriptor)
		return err
	})
	return entry, err
}

// Link gives a node one more name. EEXIST when it is taken, EMLINK at the store's limit, ENOENT when the node's last name is
// gone for good.
func (t *Tree) Link(id, parent uint64, name string) (Entry, error) {
	if err := checkName(name); err != nil {
		return Entry{}, err
	}
	descriptor, err := t.reach(id, unix.O_PATH)
	if err != nil {
		return Entry{}, err
	}
	defer unix.Close(descriptor)
	err = t.in(parent, func(directory int) error {
		return unix.Linkat(unix.AT_FDCWD, descriptorPath(descriptor), directory, name, unix.AT_SYMLINK_FOLLOW)
	})
	if err != nil {
		return Entry{}, fmt.Errorf("linking %q: %w", name, err)
	}
	t.settle(descriptor)
	return t.adopt(descriptor)
}

// Readlink returns a symbolic link's target.
func (t *Tree) Readlink(id uint64) (string, error) {
	descriptor, err := t.reach(id, unix.O_PATH)
	if err != nil {
		return "", err
	}
	defer unix.Close(descriptor)
	target := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(descriptor, "", target)
	if err != nil {
		return "", fmt.Errorf("reading a link: %w", err)
	}
	return string(target[:n]), nil
}
