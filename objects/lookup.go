package objects

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Lookup finds a name in a directory. ENOENT when there is none, ENAMETOOLONG beyond 255 bytes. "." and ".." find the
// directory itself and its parent, as NFS-style handles need them.
func (t *Tree) Lookup(parent uint64, name string) (Entry, error) {
	if name == "." || name == ".." {
		return t.lookupDot(parent, name)
	}
	if err := checkName(name); err != nil {
		return Entry{}, err
	}
	var entry Entry
	err := t.in(parent, func(directory int) (err error) {
		entry, err = t.lookupIn(directory, name)
		return err
	})
	return entry, err
}

func (t *Tree) lookupIn(directory int, name string) (Entry, error) {
	stat, err := t.statName(directory, name)
	if err != nil {
		return Entry{}, fmt.Errorf("looking up %q: %w", name, err)
	}
	if entry, known := t.refer(&stat); known {
		return entry, nil
	}
	descriptor, err := openName(directory, name, unix.O_PATH)
	if err != nil {
		return Entry{}, fmt.Errorf("looking up %q: %w", name, err)
	}
	defer unix.Close(descriptor)
	return t.adopt(descriptor)
}

func (t *Tree) lookupDot(id uint64, name string) (Entry, error) {
	if id == RootID {
		name = "." // the root's parent is none of ours
	}
	descriptor, err := t.reach(id, unix.O_PATH)
	if err != nil {
		return Entry{}, err
	}
	defer unix.Close(descriptor)
	if name == "." {
		return t.adopt(descriptor)
	}
	parent, err := unix.Openat(descriptor, "..", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return Entry{}, fmt.Errorf("looking up the parent of node %d: %w", id, err)
	}
	defer unix.Close(parent)
	if err := t.requireBeneath(parent); err != nil {
		return Entry{}, fmt.Errorf("looking up the parent of node %d: %w", id, err)
	}
	return t.adopt(parent)
}
