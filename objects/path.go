package objects

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Path returns one of the names of a node's inode, as a path relative to the store's root; "." for the root itself. It was right at
// some moment of the call. ENOENT when the inode has no name.
//
// The kernel is asked for the name by which it knows the inode. It may know none though there is one: a disk's inode that was found
// by handle, or one of several names that is gone. Then the root's own names are gone through, not those of directories below.
func (t *Tree) Path(id uint64) (string, error) {
	if id == RootID {
		return ".", nil
	}
	descriptor, err := t.reach(id, unix.O_PATH)
	if err != nil {
		return "", err
	}
	defer unix.Close(descriptor)
	if path, known := t.knownPath(descriptor); known && t.leads(path, id) {
		return path, nil
	}
	name, err := t.nameInRoot(id)
	if err != nil {
		return "", fmt.Errorf("finding a name of node %d: %w", id, err)
	}
	return name, nil
}

// Generation returns what tells a node from those that had its id before it.
func (t *Tree) Generation(id uint64) (uint32, error) {
	node := t.node(id)
	if node == nil {
		return 0, fmt.Errorf("node %d: %w", id, unix.ESTALE)
	}
	return node.generation, nil
}

// knownPath returns the path that the kernel knows of an open inode, which may lead nowhere or elsewhere by now.
func (t *Tree) knownPath(descriptor int) (path string, known bool) {
	root, err := linkOf(t.store.Root())
	if err != nil {
		return "", false
	}
	whole, err := linkOf(descriptor)
	if err != nil {
		return "", false
	}
	path, below := strings.CutPrefix(whole, strings.TrimSuffix(root, "/")+"/")
	return path, below && path != ""
}

// linkOf returns the path of an open file, absolute, and with " (deleted)" behind it if the name is gone. A detached tmpfs's paths
// begin at its root.
func linkOf(descriptor int) (string, error) {
	buffer := make([]byte, unix.PathMax)
	n, err := unix.Readlink(descriptorPath(descriptor), buffer)
	if err != nil {
		return "", fmt.Errorf("reading the path of an open file: %w", err)
	}
	return string(buffer[:n]), nil
}

// leads says whether a path leads from the root to a node's inode.
func (t *Tree) leads(path string, id uint64) bool {
	stat, err := t.statBeneath(path)
	if err != nil {
		return false
	}
	return stat.Dev == t.device && t.nodeID(stat.Ino) == id
}

// nameInRoot goes through the root's names for one of a node's inode; ENOENT when there is none.
func (t *Tree) nameInRoot(id uint64) (string, error) {
	const portion = 32 << 10 // bytes
	listing, err := t.List(RootID, true)
	if err != nil {
		return "", err
	}
	defer listing.Close()
	for {
		found, before := "", listing.position
		err := listing.Read(listing.position, portion, func(entry Name) bool {
			if entry.Inode == id && t.leads(string(entry.Bytes), id) {
				found = string(entry.Bytes)
			}
			return found == ""
		})
		switch {
		case err != nil || found != "":
			return found, err
		case listing.position == before:
			return "", unix.ENOENT
		}
	}
}
