package faults

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// link gives something one more name.
func (c *client) link() {
	from, old := c.place()
	to, name := c.place()
	n := from.names[old]
	errno := unix.Errno(0)
	switch {
	case n == nil:
		errno = unix.ENOENT
	case to.names[name] != nil:
		errno = unix.EEXIST
	case n.isDirectory():
		errno = unix.EPERM
	}
	oldAt, oldPath := c.below(from, old)
	newAt, newPath := c.below(to, name)
	err := c.call("linkat", oldPath+", "+newPath, func() error { return unix.Linkat(oldAt, oldPath, newAt, newPath, 0) })
	c.want(err, errno, "linkat(%s, %s)", oldPath, newPath)
	if errno == 0 {
		to.enter(name, n)
	}
	c.requireName(from, old)
	c.requireName(to, name)
}

// rename moves a name, over another one or not, or lets two change places.
func (c *client) rename() {
	from, old := c.place()
	to, name := c.place()
	flags := pick(c, []uint{0, 0, unix.RENAME_NOREPLACE, unix.RENAME_EXCHANGE})
	errno, same := c.renameResult(from, old, to, name, flags)
	oldAt, oldPath := c.below(from, old)
	newAt, newPath := c.below(to, name)
	err := c.call("renameat2", fmt.Sprintf("%s, %s, %d", oldPath, newPath, flags), func() error {
		return unix.Renameat2(oldAt, oldPath, newAt, newPath, flags)
	})
	c.want(err, errno, "renameat2(%s, %s, %d)", oldPath, newPath, flags)
	if errno == 0 && !same {
		c.move(from, old, to, name, flags)
	}
	c.requireName(from, old)
	c.requireName(to, name)
	c.requireOwn(from)
	c.requireOwn(to)
}

// renameResult is the errno that a rename has, and whether both names are one file's, which changes nothing.
func (c *client) renameResult(from *node, old string, to *node, name string, flags uint) (errno unix.Errno, same bool) {
	moved, target := from.names[old], to.names[name]
	switch {
	case moved == nil:
		return unix.ENOENT, false
	case flags == unix.RENAME_NOREPLACE && target != nil:
		return unix.EEXIST, false
	case flags == unix.RENAME_EXCHANGE && target == nil:
		return unix.ENOENT, false
	case moved.isDirectory() && to.within(moved):
		return unix.EINVAL, false
	case target != nil && target.isDirectory() && from.within(target):
		if flags == unix.RENAME_EXCHANGE {
			return unix.EINVAL, false
		}
		return unix.ENOTEMPTY, false
	case moved == target:
		return 0, true
	case flags == unix.RENAME_EXCHANGE || target == nil:
		return 0, false
	case moved.isDirectory() && !target.isDirectory():
		return unix.ENOTDIR, false
	case !moved.isDirectory() && target.isDirectory():
		return unix.EISDIR, false
	case target.isDirectory() && len(target.names) > 0:
		return unix.ENOTEMPTY, false
	}
	return 0, false
}

// move changes the model as a rename does that succeeds.
func (c *client) move(from *node, old string, to *node, name string, flags uint) {
	moved, target := from.names[old], to.names[name]
	from.leave(old)
	if target != nil {
		to.leave(name)
		if flags == unix.RENAME_EXCHANGE {
			from.enter(old, target)
		} else if target.isDirectory() {
			c.forget(target)
		}
	}
	to.enter(name, moved)
}

// forget drops a directory that was removed.
func (c *client) forget(directory *node) {
	c.made = slices.DeleteFunc(c.made, func(other *node) bool { return other == directory })
}

func (c *client) unlink() {
	directory, name := c.place()
	n := directory.names[name]
	errno := unix.Errno(0)
	switch {
	case n == nil:
		errno = unix.ENOENT
	case n.isDirectory():
		errno = unix.EISDIR
	}
	at, path := c.below(directory, name)
	err := c.call("unlinkat", path, func() error { return c.Lie.unlink(at, path) })
	c.want(err, errno, "unlinkat %s", path)
	if errno == 0 {
		directory.leave(name)
	}
	c.requireName(directory, name)
}

func (c *client) rmdir() {
	directory, name := c.place()
	if c.chance(2) {
		if of, there, found := c.existing((*node).isDirectory); found {
			directory, name = of, there
		}
	}
	n := directory.names[name]
	errno := unix.Errno(0)
	switch {
	case n == nil:
		errno = unix.ENOENT
	case !n.isDirectory():
		errno = unix.ENOTDIR
	case len(n.names) > 0:
		errno = unix.ENOTEMPTY
	}
	at, path := c.below(directory, name)
	err := c.call("rmdir", path, func() error { return unix.Unlinkat(at, path, unix.AT_REMOVEDIR) })
	c.want(err, errno, "rmdir %s", path)
	if errno == 0 {
		directory.leave(name)
		c.forget(n)
	}
	c.requireName(directory, name)
	c.requireOwn(directory)
}

// list reads a directory by a descriptor that stays open, if it is the client's own.
func (c *client) list() {
	directory := pick(c, c.made)
	if directory == c.own {
		c.requireListing(directory, c.home)
		return
	}
	o := c.open(directory, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0, 0)
	c.requireListing(directory, o.descriptor)
	c.requireListing(directory, o.descriptor)
	c.want(c.call("close", fmt.Sprint(o.descriptor), func() error { return unix.Close(o.descriptor) }), 0, "closing a directory")
}
