package objects

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"shmfs/mmapcore"

	"golang.org/x/sys/unix"
)

// Found is one name that a walk came to.
type Found struct {
	Path    string      // below the root, without a slash before it
	Stat    unix.Stat_t // Ino is the node's id
	Charged int64       // bytes that the ledger holds for the inode; 0 under commit=lazy

	directory int
	name      string
	tree      *Tree
}

// Walk calls visit for every name below the root, a directory before what is in it, as far as the calling thread may look: what it
// may not read or search is left out, and so is what goes meanwhile. What visit is given is valid during the call only. Nothing is
// locked while it runs. An error of visit ends the walk.
func (t *Tree) Walk(visit func(*Found) error) error {
	root, err := unix.Openat(t.store.Root(), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.EACCES) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("opening the root: %w", err)
	}
	defer unix.Close(root)
	return t.walk(root, "", visit)
}

// walk visits what is in a directory, whose path ends with a slash unless it is empty.
func (t *Tree) walk(directory int, path string, visit func(*Found) error) error {
	listing := &Listing{descriptor: directory, rootInode: t.rootInode}
	return listing.each(func(name string) error {
		found := Found{Path: path + name, directory: directory, name: name, tree: t}
		var err error
		if found.Stat, err = t.statName(directory, name); gone(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading attributes of %q: %w", found.Path, err)
		}
		found.Charged = t.chargeOf(&found.Stat)
		found.Stat.Ino = t.nodeID(found.Stat.Ino)
		if err := visit(&found); err != nil || found.Stat.Mode&unix.S_IFMT != unix.S_IFDIR {
			return err
		}
		below, err := openName(directory, name, unix.O_RDONLY|unix.O_DIRECTORY)
		if gone(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("opening %q: %w", found.Path, err)
		}
		defer unix.Close(below)
		return t.walk(below, found.Path+"/", visit)
	})
}

// gone says whether there is nothing to see: it went meanwhile, became something else, is mounted inside a store directory and not to be had
// through the mount either, or is not for this thread to look at.
func gone(err error) bool {
	return errors.Is(err, unix.EXDEV) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) || errors.Is(err, unix.EACCES)
}

// chargeOf returns what an inode is charged now, in bytes.
func (t *Tree) chargeOf(stat *unix.Stat_t) int64 {
	if t.ledger == nil {
		return 0
	}
	node := t.node(t.nodeID(stat.Ino))
	if node == nil || !node.growth.TryLock() { // somebody changes it: then its size is as good an answer
		return t.standingCharge(stat)
	}
	defer node.growth.Unlock()
	return node.charged
}

// Resident returns how many bytes of a regular file are in memory.
func (f *Found) Resident() (int64, error) {
	if !f.tree.store.Persistent() {
		const blockSize = 512 // of st_blocks
		return f.Stat.Blocks * blockSize, nil
	}
	descriptor, err := openRegular(f.directory, f.name)
	if gone(err) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("opening %q: %w", f.Path, err)
	}
	region := mmapcore.NewRegion(descriptor)
	defer region.Close()
	resident, err := region.Residency(0, f.Stat.Size)
	return resident.Resident, err
}

// Charged returns what the ledger holds for all inodes together and its limit (0: none), in bytes; false under commit=lazy.
func (t *Tree) Charged() (used, limit int64, strict bool) {
	if t.ledger == nil {
		return 0, 0, false
	}
	limit, used = t.ledger.Figures()
	return used, limit, true
}

// Known returns how many nodes there are: inodes that the kernel or the tree knows.
func (t *Tree) Known() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.nodes)
}

// Nameless calls visit for every inode that has lost its names and is still in use, with what it is charged, in bytes.
func (t *Tree) Nameless(visit func(stat *unix.Stat_t, charged int64)) {
	for _, node := range t.namelessNodes() {
		stat, err := t.Stat(node.id)
		if err != nil || stat.Nlink > 0 {
			continue // gone, or named meanwhile
		}
		visit(&stat, t.chargeOf(&stat))
	}
}

func (t *Tree) namelessNodes() []*Node {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return slices.Collect(maps.Values(t.census.nameless))
}

// Searchable says whether the calling thread may search a directory, by its path below the root: nil, or an error (EACCES, ENOENT …).
func (t *Tree) Searchable(path string) error {
	descriptor, err := unix.Openat2(t.store.Root(), path, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV,
	})
	if err != nil {
		return fmt.Errorf("looking for %q: %w", path, err)
	}
	defer unix.Close(descriptor)
	return unix.Faccessat2(descriptor, ".", unix.X_OK, unix.AT_EACCESS)
}

// ChargeOf returns what an inode is charged now, in bytes. stat is the tree's, with the node's id for its inode number.
func (t *Tree) ChargeOf(stat *unix.Stat_t) int64 { return t.chargeOf(stat) }
