package objects

import (
	"golang.org/x/sys/unix"
)

// census counts the nodes whose inodes have a name, and knows those that have none. Of a store in memory, that is everything there is:
// whatever has a name there was made through the tree, and its node is known as long as it has one. Guarded by Tree.mu.
type census struct {
	files       int              // regular ones
	directories int              // the root is not counted
	linkPages   int              // that targets of symbolic links take
	uncertain   int              // nodes of which it is not known what they are, since an earlier version has recorded them
	nameless    map[uint64]*Node // nodes without a name, by id
}

func newCensus() census { return census{nameless: make(map[uint64]*Node)} }

// count adds a node, or takes it away (by -1).
func (c *census) count(node *Node, by int) {
	switch {
	case node.id == RootID:
	case node.nameless && by > 0:
		c.nameless[node.id] = node
	case node.nameless:
		delete(c.nameless, node.id)
	case node.kind == unix.S_IFREG:
		c.files += by
	case node.kind == unix.S_IFDIR:
		c.directories += by
	case node.link == linkPaged:
		c.linkPages += by
	case node.kind == 0 || node.kind == unix.S_IFLNK && node.link == linkUnknown:
		c.uncertain += by
	}
}

// put makes a node known. The caller holds mu.
func (t *Tree) put(node *Node) {
	t.nodes[node.id] = node
	t.census.count(node, 1)
}

// drop makes a node unknown. The caller holds mu.
func (t *Tree) drop(node *Node) {
	delete(t.nodes, node.id)
	t.census.count(node, -1)
}

// mark notes whether the inode of a node that is known has a name. The caller holds mu.
func (t *Tree) mark(node *Node, nameless bool) {
	t.census.count(node, -1)
	node.nameless = nameless
	t.census.count(node, 1)
}

// linkRoom is where the target of a symbolic link in memory is.
type linkRoom uint8

const (
	linkUnknown linkRoom = iota
	linkInside           // the inode
	linkPaged            // it takes a page
)

func linkRoomOf(stat *unix.Stat_t) linkRoom {
	switch {
	case stat.Mode&unix.S_IFMT != unix.S_IFLNK:
		return linkUnknown
	case stat.Blocks > 0:
		return linkPaged
	}
	return linkInside
}
