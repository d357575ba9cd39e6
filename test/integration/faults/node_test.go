package faults

import (
	"path/filepath"

	"golang.org/x/sys/unix"
)

// node is what a client knows of an inode.
type node struct {
	kind       uint32 // unix.S_IFREG and so on
	inode      uint64 // number, as it was first seen
	mode       uint32 // permission bits
	links      int    // names; of a directory 2 and one for each directory in it
	contents   []byte // of a regular file
	attributes map[string]string
	target     string         // of a symbolic link
	modified   *unix.Timespec // set by utimensat, and nothing has changed since
	linkable   bool           // it was made without a name and never had one
	reserved   int            // end, in bytes, of what fallocate(2) has reserved behind the file's end
	locks      [lockKinds]map[*opened]lockMode

	// Of a directory only.
	name   string // in its parent
	parent *node  // nil: the client's own directory
	names  map[string]*node
}

func (n *node) isDirectory() bool { return n.kind == unix.S_IFDIR }

// path is a directory's, from the client's own directory.
func (n *node) path() string {
	if n.parent == nil {
		return "."
	}
	return filepath.Join(n.parent.path(), n.name)
}

// within says whether a directory is another one, or below it.
func (n *node) within(other *node) bool {
	for ; n != nil; n = n.parent {
		if n == other {
			return true
		}
	}
	return false
}

// depth is how many directories a directory is in.
func (n *node) depth() int {
	if n.parent == nil {
		return 0
	}
	return n.parent.depth() + 1
}

// enter gives a node a name in a directory.
func (n *node) enter(name string, child *node) {
	n.names[name] = child
	n.modified = nil
	if child.isDirectory() {
		child.parent, child.name = n, name
		n.links++
		return
	}
	child.links++
}

// leave takes a name away.
func (n *node) leave(name string) {
	child := n.names[name]
	delete(n.names, name)
	n.modified = nil
	if child.isDirectory() {
		n.links--
		child.parent = nil
		return
	}
	child.links--
}

// resize changes a regular file's size; what is new is zeros.
func (n *node) resize(size int) {
	n.modified = nil
	if size <= len(n.contents) {
		n.contents = n.contents[:size:size]
		n.reserved = 0
		return
	}
	n.contents = append(n.contents, make([]byte, size-len(n.contents))...)
}

// put changes bytes of a regular file, which grows if need be.
func (n *node) put(offset int, bytes []byte) {
	if len(bytes) == 0 {
		return
	}
	if end := offset + len(bytes); end > len(n.contents) {
		n.resize(end)
	}
	copy(n.contents[offset:], bytes)
	n.modified = nil
}

// part returns the bytes of a range, as many as there are.
func (n *node) part(offset, length int) []byte {
	if offset >= len(n.contents) {
		return nil
	}
	return n.contents[offset:min(len(n.contents), offset+length)]
}

// chargedBeyond is what a file is charged in pages beyond those of its size, in bytes.
func (n *node) chargedBeyond() int { return max(0, n.reserved-wholePages(len(n.contents))) }

func wholePages(size int) int { return (size + page - 1) / page * page }
