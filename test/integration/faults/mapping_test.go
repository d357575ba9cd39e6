package faults

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

const mostMappings = 8

// mapping is a shared mapping of a file from its beginning, which may have lost its descriptor and its name.
type mapping struct {
	memory []byte
	node   *node
}

// inside is what of a mapping is in the file: beyond its last page a touch raises SIGBUS.
func (m *mapping) inside() int { return min(len(m.memory), len(m.node.contents)) }

func (c *client) mapFile() {
	o := c.file()
	if o == nil || len(o.node.contents) == 0 || o.locked() {
		return
	}
	for len(c.mapped) >= mostMappings {
		c.unmap(c.mapped[0])
	}
	length := 1 + c.random.IntN(len(o.node.contents))
	if c.chance(2) {
		length += 4 * page // beyond the end, which may come later
	}
	m := &mapping{node: o.node}
	err := c.call("mmap", fmt.Sprintf("%d, %d", o.descriptor, length), func() (err error) {
		m.memory, err = unix.Mmap(o.descriptor, 0, length, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		return err
	})
	c.want(err, 0, "mmap of %d bytes", length)
	o.mapped = true
	c.mapped = append(c.mapped, m)
	c.requireMapping(m)
}

func (c *client) requireMapping(m *mapping) {
	var got []byte
	_ = c.call("load", fmt.Sprint(m.inside()), func() error {
		got = slices.Clone(m.memory[:m.inside()])
		return nil
	})
	c.compare(got, m.node.contents[:m.inside()], 0, "a mapping")
}

// store writes into a mapping. What is stored shows by every other way.
func (c *client) store() {
	if len(c.mapped) == 0 {
		return
	}
	m := pick(c, c.mapped)
	if m.inside() == 0 {
		return
	}
	offset := c.random.IntN(m.inside())
	data := c.bytes(1 + min(c.usual(), m.inside()-offset-1))
	_ = c.call("store", fmt.Sprintf("%d, %d", offset, len(data)), func() error {
		copy(m.memory[offset:], data)
		return nil
	})
	m.node.put(offset, data)
	for _, other := range c.mapped {
		if other.node == m.node {
			c.requireMapping(other)
		}
	}
	for _, o := range c.files {
		if o.node == m.node {
			c.requireBytes(o, offset, len(data))
		}
	}
}

func (c *client) unmapSome() {
	if len(c.mapped) > 0 {
		c.unmap(pick(c, c.mapped))
	}
}

func (c *client) unmap(m *mapping) {
	c.requireMapping(m)
	c.mapped = slices.DeleteFunc(c.mapped, func(other *mapping) bool { return other == m })
	c.want(c.call("munmap", "", func() error { return unix.Munmap(m.memory) }), 0, "munmap")
}
