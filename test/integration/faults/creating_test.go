package faults

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	mostFiles   = 24 // descriptors that a client keeps
	mostNames   = 16 // names in one directory
	mostDepth   = 3  // directories in one another
	mostFolders = 10
)

// anyName is a name that may be there or not.
func (c *client) anyName() string { return fmt.Sprintf("n%02d", c.random.IntN(mostNames)) }

// place is a directory and a name that may be there or not.
func (c *client) place() (*node, string) { return pick(c, c.made), c.anyName() }

// existing is a name that is there; false if there is none.
func (c *client) existing(matches func(*node) bool) (*node, string, bool) {
	directory := pick(c, c.made)
	names := slices.Sorted(maps.Keys(directory.names))
	c.random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	for _, name := range names {
		if matches(directory.names[name]) {
			return directory, name, true
		}
	}
	return nil, "", false
}

func (c *client) fileMode() uint32 { return 0o600 | c.random.Uint32N(0o100)&0o77 }

// create opens a name with O_CREAT.
func (c *client) create() {
	directory, name := c.place()
	flags := unix.O_RDWR | unix.O_CREAT | unix.O_NOFOLLOW | unix.O_CLOEXEC
	if c.chance(2) {
		flags |= unix.O_EXCL
	}
	if c.chance(4) {
		flags |= unix.O_APPEND
	}
	if c.chance(4) {
		flags |= unix.O_TRUNC
	}
	there := directory.names[name]
	if there != nil && there.kind != unix.S_IFREG && !there.isDirectory() && there.kind != unix.S_IFLNK {
		flags |= unix.O_EXCL // what an open FIFO does is another matter
	}
	mode := c.fileMode()
	errno := unix.Errno(0)
	switch {
	case there == nil:
	case flags&unix.O_EXCL != 0:
		errno = unix.EEXIST
	case there.isDirectory():
		errno = unix.EISDIR
	case there.kind == unix.S_IFLNK:
		errno = unix.ELOOP
	}
	o := c.open(directory, name, flags, mode, errno)
	switch {
	case errno != 0:
	case there == nil:
		o.node = &node{kind: unix.S_IFREG, mode: mode}
		directory.enter(name, o.node)
		c.identify(o.node, o.descriptor)
	default:
		o.node = there
		if flags&unix.O_TRUNC != 0 {
			there.resize(0)
		}
		c.requireDescriptor(o)
	}
	c.requireName(directory, name)
	c.keep(o)
}

// openExisting opens without O_CREAT.
func (c *client) openExisting() {
	directory, name := c.place()
	there := directory.names[name]
	flags := unix.O_RDWR | unix.O_NOFOLLOW | unix.O_CLOEXEC
	if c.chance(3) {
		flags |= unix.O_APPEND
	}
	errno := unix.Errno(0)
	switch {
	case there == nil:
		errno = unix.ENOENT
	case there.isDirectory():
		errno = unix.EISDIR
	case there.kind == unix.S_IFLNK:
		errno = unix.ELOOP
	case there.kind != unix.S_IFREG:
		return
	}
	o := c.open(directory, name, flags, 0, errno)
	if errno != 0 {
		return
	}
	o.node = there
	c.requireDescriptor(o)
	c.keep(o)
}

// createUnnamed makes a file without a name.
func (c *client) createUnnamed() {
	directory := pick(c, c.made)
	mode := c.fileMode()
	o := c.open(directory, ".", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, mode, 0)
	o.node = &node{kind: unix.S_IFREG, mode: mode, linkable: true}
	c.identify(o.node, o.descriptor)
	c.keep(o)
}

// open opens, and returns nil if it fails with the errno.
func (c *client) open(directory *node, name string, flags int, mode uint32, errno unix.Errno) *opened {
	at, path := c.below(directory, name)
	o := &opened{flags: flags}
	err := c.call("openat", fmt.Sprintf("%s, %#x, %o", path, flags, mode), func() (err error) {
		o.descriptor, err = unix.Openat(at, path, flags, mode)
		return err
	})
	c.want(err, errno, "openat(%s, %#x)", path, flags)
	if errno != 0 {
		return nil
	}
	return o
}

// nameUnnamed gives a name to a file that has none, which works if it never had one.
func (c *client) nameUnnamed() {
	at := slices.IndexFunc(c.files, func(o *opened) bool { return o.node.links == 0 })
	if at < 0 {
		return
	}
	o := c.files[at]
	directory, name := c.place()
	errno := unix.Errno(0)
	switch {
	case directory.names[name] != nil:
		errno = unix.EEXIST
	case !o.node.linkable:
		errno = unix.ENOENT
	}
	to, path := c.below(directory, name)
	from := fmt.Sprintf("/proc/self/fd/%d", o.descriptor)
	err := c.call("linkat", from+", "+path, func() error { return unix.Linkat(unix.AT_FDCWD, from, to, path, unix.AT_SYMLINK_FOLLOW) })
	c.want(err, errno, "linkat of a file without a name, to %s", path)
	if errno == 0 {
		o.node.linkable = false
		directory.enter(name, o.node)
	}
	c.requireName(directory, name)
	c.requireDescriptor(o)
}

func (c *client) mkdir() {
	directory, name := c.place()
	if directory.depth() == mostDepth || len(c.made) == mostFolders {
		return
	}
	mode := uint32(0o700) | c.random.Uint32N(0o100)
	at, path := c.below(directory, name)
	err := c.call("mkdirat", path, func() error { return unix.Mkdirat(at, path, mode) })
	if directory.names[name] != nil {
		c.want(err, unix.EEXIST, "mkdirat %s", path)
		c.requireName(directory, name)
		return
	}
	c.want(err, 0, "mkdirat %s", path)
	made := &node{kind: unix.S_IFDIR, mode: mode, links: 2, names: map[string]*node{}}
	directory.enter(name, made)
	c.made = append(c.made, made)
	c.identifyNamed(directory, name)
	c.requireOwn(directory)
}

// requireOwn looks at a directory itself.
func (c *client) requireOwn(directory *node) {
	c.requireStat(directory, c.stat(directory, ".", 0), directory.path())
}

// mknod makes what is neither a file nor a directory.
func (c *client) mknod() {
	directory, name := c.place()
	made := &node{kind: pick(c, []uint32{unix.S_IFIFO, unix.S_IFSOCK, unix.S_IFREG}), mode: c.fileMode()}
	at, path := c.below(directory, name)
	err := c.call("mknodat", path, func() error { return unix.Mknodat(at, path, made.kind|made.mode, 0) })
	c.enterNew(directory, name, made, err, "mknodat "+path)
}

func (c *client) symlink() {
	directory, name := c.place()
	length := 1 + c.random.IntN(60)
	if c.chance(5) {
		length = 1 + c.random.IntN(2000) // it takes a page
	}
	made := &node{kind: unix.S_IFLNK, mode: 0o777, target: strings.Repeat("x/", length)[:length]}
	at, path := c.below(directory, name)
	err := c.call("symlinkat", path, func() error { return unix.Symlinkat(made.target, at, path) })
	c.enterNew(directory, name, made, err, "symlinkat "+path)
	if directory.names[name] == made {
		c.requireTarget(made, c.absolute(directory, name))
	}
}

// enterNew checks a call that makes something new under a name.
func (c *client) enterNew(directory *node, name string, made *node, err error, what string) {
	if directory.names[name] != nil {
		c.want(err, unix.EEXIST, "%s", what)
		c.requireName(directory, name)
		return
	}
	c.want(err, 0, "%s", what)
	directory.enter(name, made)
	c.identifyNamed(directory, name)
}
