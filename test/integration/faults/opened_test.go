package faults

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// opened is an open file, for reading and writing.
type opened struct {
	descriptor int
	node       *node
	flags      int  // of open(2)
	offset     int  // where read(2) and write(2) go on
	mapped     bool // it was: on a tmpfs, though not on shmfs, its locks last as long as the mapping
}

// keep adds an open file to those that the client has, or does nothing if it is nil. The oldest go.
func (c *client) keep(o *opened) {
	if o == nil {
		return
	}
	c.files = append(c.files, o)
	for len(c.files) > mostFiles {
		c.closeFile(c.files[0])
	}
}

func (c *client) closeSome() {
	if len(c.files) > 0 {
		c.closeFile(pick(c, c.files))
	}
}

func (c *client) closeFile(o *opened) {
	c.files = slices.DeleteFunc(c.files, func(other *opened) bool { return other == o })
	for kind := range o.node.locks {
		delete(o.node.locks[kind], o)
	}
	c.want(c.call("close", fmt.Sprint(o.descriptor), func() error { return unix.Close(o.descriptor) }), 0, "close")
}

// file is one of the open files; nil: there is none.
func (c *client) file() *opened {
	if len(c.files) == 0 {
		return nil
	}
	return pick(c, c.files)
}

// usual is a number of bytes, or an offset: mostly few, sometimes many.
func (c *client) usual() int {
	if c.chance(12) {
		return c.random.IntN(mostBytes)
	}
	return c.random.IntN(4 * page)
}

const (
	page      = 4096
	mostBytes = 256 << 10 // of a file
)

// bytes makes up contents.
func (c *client) bytes(length int) []byte {
	made := make([]byte, length)
	word := c.random.Uint64() | 1
	for i := range made {
		made[i] = byte(word >> (i % 8 * 8))
		if i%8 == 7 {
			word = word*6364136223846793005 + 1442695040888963407
		}
	}
	return made
}

func (c *client) write() {
	o := c.file()
	if o == nil {
		return
	}
	offset := c.usual()
	data := c.bytes(1 + min(c.usual(), mostBytes-offset))
	whole, written := c.chance(3) && o.flags&unix.O_APPEND == 0, 0
	if whole {
		offset = o.offset
		data = data[:max(0, min(len(data), mostBytes-offset))]
	}
	err := c.call("pwrite", fmt.Sprintf("%d, %d, %d, %v", o.descriptor, len(data), offset, whole), func() (err error) {
		if whole {
			written, err = unix.Write(o.descriptor, data)
		} else {
			written, err = unix.Pwrite(o.descriptor, data, int64(offset))
		}
		return err
	})
	c.want(err, 0, "pwrite of %d bytes at %d", len(data), offset)
	if written != len(data) {
		c.fail("pwrite of %d bytes returned %d", len(data), written)
	}
	if o.flags&unix.O_APPEND != 0 {
		offset = len(o.node.contents)
	}
	if whole {
		o.offset += written
	}
	o.node.put(offset, data)
	c.requireBytes(o, offset, len(data)+1)
	c.requireDescriptor(o)
	c.boundSize(o)
}

// boundSize keeps a file that others append to from growing for ever.
func (c *client) boundSize(o *opened) {
	if len(o.node.contents) > 2*mostBytes {
		c.resize(o, c.usual())
	}
}

// appendTo writes at the end, wherever that is.
func (c *client) appendTo() {
	at := slices.IndexFunc(c.files, func(o *opened) bool { return o.flags&unix.O_APPEND != 0 })
	if at < 0 {
		return
	}
	o := c.files[at]
	data := c.bytes(1 + c.random.IntN(300))
	end, written := len(o.node.contents), 0
	err := c.call("append", fmt.Sprintf("%d, %d", o.descriptor, len(data)), func() (err error) {
		written, err = c.Lie.write(o.descriptor, data)
		return err
	})
	c.want(err, 0, "write at the end")
	if written != len(data) {
		c.fail("write of %d bytes at the end returned %d", len(data), written)
	}
	o.node.put(end, data)
	o.offset = len(o.node.contents)
	c.requireDescriptor(o)
	c.requireBytes(o, end, len(data)+1)
	position, err := unix.Seek(o.descriptor, 0, unix.SEEK_CUR)
	c.want(err, 0, "lseek")
	if int(position) != o.offset {
		c.fail("after a write at the end the position is %d, want %d", position, o.offset)
	}
	c.boundSize(o)
}

func (c *client) read() {
	o := c.file()
	if o == nil {
		return
	}
	length := 1 + c.usual()
	if c.chance(2) {
		c.requireBytes(o, c.usual(), length)
		return
	}
	buffer := make([]byte, length)
	read := 0
	err := c.call("read", fmt.Sprintf("%d, %d", o.descriptor, length), func() (err error) {
		read, err = unix.Read(o.descriptor, buffer)
		return err
	})
	c.want(err, 0, "read")
	c.compare(buffer[:read], o.node.part(o.offset, length), o.offset, "what read returns")
	o.offset += read
}

func (c *client) truncate() {
	o := c.file()
	if o == nil {
		return
	}
	size := c.usual()
	if c.chance(4) {
		size = len(o.node.contents)
	}
	c.resize(o, size)
}

// resize sets a size, by a descriptor or by a name.
func (c *client) resize(o *opened, size int) {
	directory, name, named := c.existing(func(n *node) bool { return n == o.node })
	err := c.call("ftruncate", fmt.Sprintf("%d, %d, by name: %v", o.descriptor, size, named), func() error {
		if named {
			return unix.Truncate(c.absolute(directory, name), int64(size))
		}
		return unix.Ftruncate(o.descriptor, int64(size))
	})
	c.want(err, 0, "ftruncate to %d", size)
	before := len(o.node.contents)
	o.node.resize(size)
	c.requireDescriptor(o)
	c.requireBytes(o, max(0, min(before, size)-page), 2*page)
}

func (c *client) allocate() {
	o := c.file()
	if o == nil {
		return
	}
	offset, length := c.usual(), 1+c.usual()
	mode := pick(c, []uint32{0, unix.FALLOC_FL_KEEP_SIZE, unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE, unix.FALLOC_FL_ZERO_RANGE})
	errno := unix.Errno(0)
	if mode == unix.FALLOC_FL_ZERO_RANGE {
		errno = unix.EOPNOTSUPP
	}
	err := c.call("fallocate", fmt.Sprintf("%d, %#x, %d, %d", o.descriptor, mode, offset, length), func() error {
		return unix.Fallocate(o.descriptor, mode, int64(offset), int64(length))
	})
	c.want(err, errno, "fallocate(%#x, %d, %d)", mode, offset, length)
	switch {
	case errno != 0:
	case mode == 0:
		if end := offset + length; end > len(o.node.contents) {
			o.node.resize(end)
		}
		o.node.modified = nil
	case mode&unix.FALLOC_FL_PUNCH_HOLE != 0:
		clear(o.node.part(offset, length))
		o.node.modified = nil
	default:
		o.node.reserved = max(o.node.reserved, wholePages(offset+length))
		o.node.modified = nil
	}
	c.requireDescriptor(o)
	c.requireBytes(o, max(0, offset-10), min(length, 4*page)+20)
}
