package faults

import (
	"fmt"

	"golang.org/x/sys/unix"
)

func (c *client) chmod() {
	directory, name := c.place()
	n := directory.names[name]
	if n != nil && n.kind == unix.S_IFLNK {
		return // it would be followed
	}
	mode := c.fileMode()
	if n != nil && n.isDirectory() {
		mode |= 0o700
	}
	at, path := c.below(directory, name)
	err := c.call("fchmodat", fmt.Sprintf("%s, %o", path, mode), func() error { return unix.Fchmodat(at, path, mode, 0) })
	if n == nil {
		c.want(err, unix.ENOENT, "fchmodat %s", path)
		return
	}
	c.want(err, 0, "fchmodat %s", path)
	n.mode = mode
	c.requireName(directory, name)
}

// chown gives a file to whom it belongs to: that clears setuid and setgid.
func (c *client) chown() {
	directory, name, found := c.existing(func(n *node) bool { return n.kind == unix.S_IFREG })
	if !found {
		return
	}
	n := directory.names[name]
	at, path := c.below(directory, name)
	mode := c.fileMode() | unix.S_IXGRP // without it setgid means something else
	c.want(c.call("fchmodat", fmt.Sprintf("%s, %o", path, mode), func() error {
		return unix.Fchmodat(at, path, mode|unix.S_ISUID|unix.S_ISGID, 0)
	}), 0, "fchmodat %s", path)
	c.want(c.call("fchownat", path, func() error {
		return unix.Fchownat(at, path, unix.Geteuid(), unix.Getegid(), unix.AT_SYMLINK_NOFOLLOW)
	}), 0, "fchownat %s", path)
	n.mode = mode
	c.requireName(directory, name)
}

func (c *client) setTimes() {
	directory, name := c.place()
	n := directory.names[name]
	set := []unix.Timespec{{Sec: c.random.Int64N(4e9), Nsec: c.random.Int64N(1e9)}, {Sec: c.random.Int64N(4e9), Nsec: c.random.Int64N(1e9)}}
	at, path := c.below(directory, name)
	err := c.call("utimensat", path, func() error { return unix.UtimesNanoAt(at, path, set, unix.AT_SYMLINK_NOFOLLOW) })
	if n == nil {
		c.want(err, unix.ENOENT, "utimensat %s", path)
		return
	}
	c.want(err, 0, "utimensat %s", path)
	n.modified = &set[1]
	c.requireName(directory, name)
}

var attributeNames = []string{"user.a", "user.b", "user.second", "user.shmfs-test"}

// bearer is a path that may have attributes of users, or is not there.
func (c *client) bearer() (*node, string, bool) {
	directory, name := c.place()
	n := directory.names[name]
	return n, c.absolute(directory, name), n == nil || n.isDirectory() || n.kind == unix.S_IFREG
}

func (c *client) setAttribute() {
	n, path, fits := c.bearer()
	if !fits {
		return
	}
	name, value := pick(c, attributeNames), c.bytes(c.random.IntN(100))
	if c.chance(10) {
		value = c.bytes(c.random.IntN(3000))
	}
	flags := pick(c, []int{0, unix.XATTR_CREATE, unix.XATTR_REPLACE})
	errno := unix.Errno(0)
	if n == nil {
		errno = unix.ENOENT
	} else if _, there := n.attributes[name]; there && flags == unix.XATTR_CREATE {
		errno = unix.EEXIST
	} else if !there && flags == unix.XATTR_REPLACE {
		errno = unix.ENODATA
	}
	err := c.call("lsetxattr", fmt.Sprintf("%s, %s, %d bytes, %d", path, name, len(value), flags), func() error {
		return unix.Lsetxattr(path, name, value, flags)
	})
	c.want(err, errno, "lsetxattr(%s, %s, %d)", path, name, flags)
	if errno == 0 {
		if n.attributes == nil {
			n.attributes = map[string]string{}
		}
		n.attributes[name] = string(value)
	}
	if n != nil {
		c.requireAttribute(n, path, name)
	}
}

func (c *client) removeAttribute() {
	n, path, fits := c.bearer()
	if !fits {
		return
	}
	name := pick(c, attributeNames)
	errno := unix.Errno(0)
	if n == nil {
		errno = unix.ENOENT
	} else if _, there := n.attributes[name]; !there {
		errno = unix.ENODATA
	}
	err := c.call("lremovexattr", path+", "+name, func() error { return unix.Lremovexattr(path, name) })
	c.want(err, errno, "lremovexattr(%s, %s)", path, name)
	if n != nil {
		delete(n.attributes, name)
		c.requireAttribute(n, path, name)
	}
}
