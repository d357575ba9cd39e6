package objects

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Whoever else may change a store directory, or mount something in it, must not lead the daemon out of it: not by a link, not to another file
// system (which may hang, if it is served by somebody's program), and not by moving a directory away.

// statName reads the attributes of what a name leads to in a directory, without following a link. EXDEV, and not a word to it, where
// something is mounted.
func (t *Tree) statName(directory int, name string) (stat unix.Stat_t, err error) {
	if !t.store.Persistent() { // no path leads to a tmpfs, so that nobody can mount anything there
		err := unix.Fstatat(directory, name, &stat, unix.AT_SYMLINK_NOFOLLOW)
		return stat, err
	}
	descriptor, err := openName(directory, name, unix.O_PATH)
	if err != nil {
		return stat, err
	}
	defer unix.Close(descriptor)
	if err := unix.Fstat(descriptor, &stat); err != nil {
		return stat, err
	}
	if stat.Dev != t.device { // a subvolume, whose inode numbers are not the store's
		return stat, unix.EXDEV
	}
	return stat, nil
}

// openName opens a name in a directory. It follows no link (ELOOP) and enters nothing that is mounted there (EXDEV).
func openName(directory int, name string, flags int) (int, error) {
	flags |= unix.O_NOFOLLOW | unix.O_CLOEXEC
	descriptor, err := unix.Openat2(directory, name, &unix.OpenHow{Flags: uint64(flags), Resolve: unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_MAGICLINKS})
	if errors.Is(err, unix.ENOSYS) { // before Linux 5.6
		return unix.Openat(directory, name, flags, 0)
	}
	return descriptor, err
}

// openRegular opens a name in a directory for reading if it is that of a regular file, and fails with ENOENT if it has become anything else:
// opening a device or a FIFO would have effects.
func openRegular(directory int, name string) (int, error) {
	descriptor, err := openName(directory, name, unix.O_PATH)
	if err != nil {
		return -1, err
	}
	defer unix.Close(descriptor)
	var stat unix.Stat_t
	if err := unix.Fstat(descriptor, &stat); err != nil {
		return -1, err
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFREG {
		return -1, fmt.Errorf("it is no regular file any more: %w", unix.ENOENT)
	}
	return unix.Open(descriptorPath(descriptor), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
}

// statBeneath reads the attributes of what a path from the store's root leads to, which follows no link.
func (t *Tree) statBeneath(path string) (stat unix.Stat_t, err error) {
	descriptor, err := unix.Openat2(t.store.Root(), path, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV,
	})
	if err != nil {
		return stat, err
	}
	defer unix.Close(descriptor)
	err = unix.Fstat(descriptor, &stat)
	return stat, err
}

// requireBeneath fails with ESTALE unless an open directory lies in the store, or is its root.
func (t *Tree) requireBeneath(directory int) error {
	if !t.store.Persistent() {
		return nil
	}
	at, err := duplicate(directory)
	if err != nil {
		return err
	}
	defer func() { closeHeld(at) }()
	for range mostLevels {
		var stat unix.Stat_t
		if err := unix.Fstat(at, &stat); err != nil {
			return err
		}
		if stat.Dev != t.device {
			break
		}
		if stat.Ino == t.rootInode {
			return nil
		}
		above, err := unix.Openat(at, "..", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		closeHeld(at)
		at = above
	}
	return fmt.Errorf("a directory that was moved out of the store: %w", unix.ESTALE)
}

// mostLevels is deeper than a path can be.
const mostLevels = unix.PathMax / 2

// requireRegular refuses what is no regular file without opening it: to open a device or a FIFO would have effects.
func (t *Tree) requireRegular(node *Node) error {
	kind := node.kind
	if kind == 0 {
		stat, err := t.Stat(node.id)
		if err != nil {
			return err
		}
		kind = stat.Mode & unix.S_IFMT
	}
	errno := unix.EINVAL
	switch kind {
	case unix.S_IFREG:
		return nil
	case unix.S_IFDIR:
		errno = unix.EISDIR
	case unix.S_IFLNK:
		errno = unix.ELOOP
	}
	return fmt.Errorf("node %d is no regular file: %w", node.id, errno)
}
