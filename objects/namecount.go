package objects

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// nameCount counts the regular files right under the root whose names are of some kind. It begins with one reading of the root, and then
// whatever changes such a name looks at it before and after.
type nameCount struct {
	counts func(name string) bool // nil: nothing is counted; immutable

	mu    sync.Mutex // held while such a name changes
	begun bool       // guarded by mu
	count int        // guarded by mu
}

// place is a name in an open directory.
type place struct {
	parent    uint64
	directory int
	name      string
}

// CountNames has Count count the regular files right under the root whose names are of a kind. It is to be called before anybody else uses
// the tree.
func (t *Tree) CountNames(of func(name string) bool) {
	if !t.store.Persistent() { // there others change names too
		t.names.counts = of
	}
}

// changing runs what changes names, and nothing that waits for long.
func (c *nameCount) changing(change func() error, places ...place) error {
	counted := false
	for _, at := range places {
		counted = counted || c.concerns(at)
	}
	if !counted {
		return change()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.begun {
		return change()
	}
	before := c.among(places)
	defer func() { c.count += c.among(places) - before }()
	return change()
}

func (c *nameCount) concerns(at place) bool {
	return at.parent == RootID && c.counts != nil && c.counts(at.name)
}

// among counts regular files at places.
func (c *nameCount) among(places []place) (count int) {
	var stat unix.Stat_t
	for _, at := range places {
		if c.concerns(at) && unix.Fstatat(at.directory, at.name, &stat, unix.AT_SYMLINK_NOFOLLOW) == nil && stat.Mode&unix.S_IFMT == unix.S_IFREG {
			count++
		}
	}
	return count
}

// countedNames returns the count.
func (t *Tree) countedNames() (int, error) {
	c := &t.names
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil || c.begun {
		return c.count, nil
	}
	count, err := t.readNames()
	if err != nil {
		return 0, err
	}
	c.begun, c.count = true, count
	return count, nil
}

// readNames counts by reading the root. The caller holds the count's mu, so that no such name changes meanwhile.
func (t *Tree) readNames() (count int, err error) {
	const size = 32 << 10 // bytes, at a time
	listing, err := t.List(RootID, true)
	if err != nil {
		return 0, fmt.Errorf("listing the root: %w", err)
	}
	defer listing.Close()
	for cursor, ended := int64(0), false; !ended; {
		ended = true
		err := listing.Read(cursor, size, func(name Name) bool {
			cursor, ended = name.Cursor, false
			if name.Type == unix.DT_REG && t.names.counts(string(name.Bytes)) {
				count++
			}
			return true
		})
		if err != nil {
			return 0, err
		}
	}
	return count, nil
}
