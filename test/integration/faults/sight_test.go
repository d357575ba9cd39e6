package faults

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// identify looks at a new inode, by a descriptor, and remembers its number.
func (c *client) identify(n *node, descriptor int) {
	var stat unix.Stat_t
	c.want(c.call("fstat", fmt.Sprint(descriptor), func() error { return unix.Fstat(descriptor, &stat) }), 0, "fstat of what is new")
	n.inode = stat.Ino
	c.requireStat(n, &stat, "what is new")
}

// identifyNamed is identify by a name.
func (c *client) identifyNamed(directory *node, name string) {
	n := directory.names[name]
	stat := c.stat(directory, name, 0)
	n.inode = stat.Ino
	c.requireStat(n, stat, name)
}

// stat looks at a name, which must be there or fail with the errno.
func (c *client) stat(directory *node, name string, errno unix.Errno) *unix.Stat_t {
	var stat unix.Stat_t
	at, path := c.below(directory, name)
	err := c.call("fstatat", path, func() error { return unix.Fstatat(at, path, &stat, unix.AT_SYMLINK_NOFOLLOW) })
	c.want(err, errno, "stat of %s", path)
	return &stat
}

// requireName checks that a name leads to what the model says, or to nothing.
func (c *client) requireName(directory *node, name string) {
	n := directory.names[name]
	if n == nil {
		c.stat(directory, name, unix.ENOENT)
		return
	}
	c.requireStat(n, c.stat(directory, name, 0), directory.path()+"/"+name)
}

// requireDescriptor checks what a descriptor leads to.
func (c *client) requireDescriptor(o *opened) {
	var stat unix.Stat_t
	c.want(c.call("fstat", fmt.Sprint(o.descriptor), func() error { return unix.Fstat(o.descriptor, &stat) }), 0, "fstat")
	c.requireStat(o.node, &stat, fmt.Sprintf("descriptor %d", o.descriptor))
}

func (c *client) requireStat(n *node, stat *unix.Stat_t, what string) {
	if stat.Mode != n.kind|n.mode || int(stat.Nlink) != n.links || stat.Ino != n.inode {
		c.fail("%s has mode %o, %d links, inode %d; want %o, %d, %d", what, stat.Mode, stat.Nlink, stat.Ino, n.kind|n.mode, n.links, n.inode)
	}
	if int(stat.Uid) != unix.Geteuid() || int(stat.Gid) != unix.Getegid() {
		c.fail("%s belongs to %d:%d", what, stat.Uid, stat.Gid)
	}
	size := int64(len(n.contents))
	if n.kind == unix.S_IFLNK {
		size = int64(len(n.target))
	}
	if !n.isDirectory() && stat.Size != size {
		c.fail("%s has %d bytes, want %d", what, stat.Size, size)
	}
	if n.modified != nil && stat.Mtim != *n.modified {
		c.fail("%s was modified at %v, want %v", what, stat.Mtim, *n.modified)
	}
}

// requireBytes reads a range by a descriptor.
func (c *client) requireBytes(o *opened, offset, length int) {
	buffer := make([]byte, length)
	read := 0
	err := c.call("pread", fmt.Sprintf("%d, %d, %d", o.descriptor, length, offset), func() (err error) {
		read, err = unix.Pread(o.descriptor, buffer, int64(offset))
		return err
	})
	c.want(err, 0, "pread")
	c.compare(buffer[:read], o.node.part(offset, length), offset, fmt.Sprintf("descriptor %d", o.descriptor))
}

func (c *client) compare(got, want []byte, offset int, what string) {
	if bytes.Equal(got, want) {
		return
	}
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	c.fail("%s from %d on has %d bytes, want %d; from byte %d on % x, want % x", what, offset, len(got), len(want), offset+at,
		got[at:min(len(got), at+16)], want[at:min(len(want), at+16)])
}

// requireAttributes compares all extended attributes of a path.
func (c *client) requireAttributes(n *node, path string) {
	list := make([]byte, 4096)
	length := 0
	err := c.call("llistxattr", path, func() (err error) { length, err = unix.Llistxattr(path, list); return err })
	c.want(err, 0, "llistxattr of %s", path)
	var names []string
	for name := range strings.SplitSeq(string(list[:length]), "\x00") {
		if strings.HasPrefix(name, "user.") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if want := slices.Sorted(maps.Keys(n.attributes)); !slices.Equal(names, want) {
		c.fail("%s has the attributes %q, want %q", path, names, want)
	}
	for _, name := range names {
		c.requireAttribute(n, path, name)
	}
}

// requireAttribute compares one extended attribute, which may not be there.
func (c *client) requireAttribute(n *node, path, name string) {
	value := make([]byte, 8192)
	length := 0
	err := c.call("lgetxattr", path+", "+name, func() (err error) { length, err = unix.Lgetxattr(path, name, value); return err })
	want, there := n.attributes[name]
	if !there {
		c.want(err, unix.ENODATA, "lgetxattr %s of %s", name, path)
		return
	}
	c.want(err, 0, "lgetxattr %s of %s", name, path)
	c.compare(value[:length], []byte(want), 0, name+" of "+path)
}

// entry is one name in a listing.
type entry struct {
	inode uint64
	kind  uint32 // as in a mode
}

// requireListing reads a directory from its beginning, with a buffer of a random size.
func (c *client) requireListing(directory *node, descriptor int) {
	found := map[string]entry{}
	buffer := make([]byte, 300+c.random.IntN(4096))
	_, err := unix.Seek(descriptor, 0, unix.SEEK_SET)
	c.want(err, 0, "rewinding a directory")
	for {
		length := 0
		err := c.call("getdents", fmt.Sprint(descriptor), func() (err error) { length, err = unix.Getdents(descriptor, buffer); return err })
		c.want(err, 0, "getdents of %s", directory.path())
		if length == 0 {
			break
		}
		c.parseEntries(buffer[:length], found)
	}
	delete(found, ".")
	delete(found, "..")
	for name, child := range directory.names {
		if got, want := found[name], (entry{child.inode, child.kind}); got != want {
			c.fail("%s is listed in %s as %v, want %v (all: %v)", name, directory.path(), got, want, found)
		}
		delete(found, name)
	}
	if len(found) > 0 {
		c.fail("%s lists %v, which are not there", directory.path(), found)
	}
}

// parseEntries reads what getdents64(2) has written.
func (c *client) parseEntries(from []byte, to map[string]entry) {
	const typeAt, nameAt = 18, 19
	for len(from) > nameAt {
		length := int(binary.NativeEndian.Uint16(from[16:]))
		name, _, _ := bytes.Cut(from[nameAt:length], []byte{0})
		if _, twice := to[string(name)]; twice {
			c.fail("%q is listed twice", name)
		}
		to[string(name)] = entry{binary.NativeEndian.Uint64(from), uint32(from[typeAt]) << 12}
		from = from[length:]
	}
}

// requireAll compares everything that the client has with its model.
func (c *client) requireAll() {
	c.requireTree(c.own)
	for _, o := range c.files {
		c.requireDescriptor(o)
		c.requireBytes(o, 0, len(o.node.contents)+1)
	}
	for _, m := range c.mapped {
		c.requireMapping(m)
	}
	c.semaphores.requireAll()
}

// requireTree compares a directory and everything below it.
func (c *client) requireTree(directory *node) {
	path := c.absolute(directory, ".")
	var descriptor int
	err := c.call("open", path, func() (err error) {
		descriptor, err = unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		return err
	})
	c.want(err, 0, "opening %s", path)
	c.requireListing(directory, descriptor)
	c.want(c.call("close", fmt.Sprint(descriptor), func() error { return unix.Close(descriptor) }), 0, "closing a directory")
	c.requireAttributes(directory, path)
	for name, child := range directory.names {
		c.requireName(directory, name)
		switch child.kind {
		case unix.S_IFDIR:
			c.requireTree(child)
		case unix.S_IFREG:
			c.requireFile(child, c.absolute(directory, name))
		case unix.S_IFLNK:
			c.requireTarget(child, c.absolute(directory, name))
		}
	}
}

func (c *client) requireFile(n *node, path string) {
	o := &opened{node: n}
	err := c.call("open", path, func() (err error) {
		o.descriptor, err = unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		return err
	})
	c.want(err, 0, "opening %s", path)
	c.requireBytes(o, 0, len(n.contents)+1)
	c.want(c.call("close", fmt.Sprint(o.descriptor), func() error { return unix.Close(o.descriptor) }), 0, "closing %s", path)
	c.requireAttributes(n, path)
}

func (c *client) requireTarget(n *node, path string) {
	text := make([]byte, unix.PathMax)
	length := 0
	err := c.call("readlink", path, func() (err error) { length, err = unix.Readlink(path, text); return err })
	c.want(err, 0, "readlink of %s", path)
	c.compare(text[:length], []byte(n.target), 0, path)
}
