package objects

import (
	"errors"
	"fmt"

	"shmfs/mmapcore"
	"shmfs/mmapcore/crashpoint"

	"golang.org/x/sys/unix"
)

// Create makes a regular file of size 0 that belongs to the caller, and opens it for reading and writing whatever its mode
// says; mode holds permission bits before the umask. EEXIST when the name is taken, ENOSPC when there is no inode left.
func (t *Tree) Create(parent uint64, name string, mode uint32, caller Caller) (Entry, *Object, error) {
	if err := checkName(name); err != nil {
		return Entry{}, nil, err
	}
	descriptor := -1
	entry, err := t.makeIn(parent, name, caller, 0, func(directory int) (entry Entry, err error) {
		err = t.caller.as(caller, func() (err error) {
			descriptor, err = unix.Openat(directory, name, unix.O_CREAT|unix.O_EXCL|unix.O_RDWR|unix.O_NOFOLLOW|unix.O_CLOEXEC,
				caller.mode(directory, mode))
			return err
		})
		if err != nil {
			return Entry{}, fmt.Errorf("creating %q: %w", name, err)
		}
		crashpoint.Here("objects: a file is created")
		if entry, err = t.adopt(descriptor); err != nil {
			return Entry{}, errors.Join(err, undoCreate(directory, name))
		}
		return entry, nil
	})
	return t.opened(entry, descriptor, err)
}

// Tmpfile makes a regular file without a name (O_TMPFILE) and opens it as Create does. Link may give it one.
func (t *Tree) Tmpfile(parent uint64, mode uint32, caller Caller) (Entry, *Object, error) {
	descriptor := -1
	entry, err := t.makeIn(parent, "", caller, 0, func(directory int) (Entry, error) {
		err := t.caller.as(caller, func() (err error) {
			descriptor, err = unix.Openat(directory, ".", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, caller.mode(directory, mode))
			return err
		})
		if err != nil {
			return Entry{}, fmt.Errorf("creating a file without a name: %w", err)
		}
		crashpoint.Here("objects: a file without a name is created")
		return t.adoptInode(descriptor, true)
	})
	return t.opened(entry, descriptor, err)
}

// opened makes an object of a created file's descriptor, which it closes if creating failed.
func (t *Tree) opened(entry Entry, descriptor int, err error) (Entry, *Object, error) {
	if err != nil {
		closeHeld(descriptor)
		return Entry{}, nil, err
	}
	return entry, &Object{tree: t, node: t.node(entry.ID), region: mmapcore.NewRegion(descriptor)}, nil
}

// Mkdir makes a directory.
func (t *Tree) Mkdir(parent uint64, name string, mode uint32, caller Caller) (Entry, error) {
	return t.create(parent, name, caller, 0, func(directory int) error {
		return unix.Mkdirat(directory, name, caller.mode(directory, mode))
	})
}

// Mknod makes a FIFO, socket, device or regular file; mode holds the type, device is its number for a device.
func (t *Tree) Mknod(parent uint64, name string, mode, device uint32, caller Caller) (Entry, error) {
	return t.create(parent, name, caller, 0, func(directory int) error {
		return unix.Mknodat(directory, name, caller.mode(directory, mode), int(device))
	})
}

// Symlink makes a symbolic link to target, 1 to 4095 bytes. A long one takes a page of its own, which is charged.
func (t *Tree) Symlink(parent uint64, name, target string, caller Caller) (Entry, error) {
	var most int64 // bytes; the store may find room inside the inode
	if t.ledger != nil && len(target) >= shortestCharged {
		most = pageSize
	}
	return t.create(parent, name, caller, most, func(directory int) error {
		return unix.Symlinkat(target, directory, name)
	})
}

// shortestCharged is the length, in bytes, from which a link's target may not fit into its inode: ext4's limit, the lowest of
// the stores in use (tmpfs keeps 127).
const shortestCharged = 60

// create runs a call that makes a name, as the caller, and adopts what it made. If that fails there is no name either: the
// kernel would go on believing that there is none. bytes are what the inode may take by itself.
func (t *Tree) create(parent uint64, name string, caller Caller, bytes int64, call func(directory int) error) (Entry, error) {
	if err := checkName(name); err != nil {
		return Entry{}, err
	}
	return t.makeIn(parent, name, caller, bytes, func(directory int) (Entry, error) {
		if err := t.caller.as(caller, func() error { return call(directory) }); err != nil {
			return Entry{}, fmt.Errorf("creating %q: %w", name, err)
		}
		crashpoint.Here("objects: a name is made")
		entry, err := t.lookupIn(directory, name)
		if err != nil {
			return Entry{}, errors.Join(err, undoCreate(directory, name))
		}
		return entry, nil
	})
}

func undoCreate(directory int, name string) error {
	err := unix.Unlinkat(directory, name, 0)
	if errors.Is(err, unix.EISDIR) || errors.Is(err, unix.EPERM) {
		err = unix.Unlinkat(directory, name, unix.AT_REMOVEDIR)
	}
	return err
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
		return t.patiently(func() error {
			return t.names.changing(func() error {
				return unix.Linkat(unix.AT_FDCWD, descriptorPath(descriptor), directory, name, unix.AT_SYMLINK_FOLLOW)
			}, place{parent, directory, name})
		})
	})
	if err != nil {
		return Entry{}, fmt.Errorf("linking %q: %w", name, err)
	}
	crashpoint.Here("objects: a link is made")
	t.settle(descriptor)
	crashpoint.Here("objects: a link is settled")
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
