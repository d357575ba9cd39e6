package objects

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Count is how much of what there is.
type Count struct {
	Files       int   // regular ones with a name, each once
	Directories int   // below the root
	Names       int   // those that CountNames is about
	Resident    int64 // bytes in memory, or swapped out, of regular files with a name
}

// Count returns what there is without looking at each: of a store in memory all is made through the tree, which counts as it goes, and
// the store says how much everything takes (mmapcore's Store.Taken, which says what it says late). It takes longer the more inodes without a
// name are in use, and once reads the root. Nothing is locked meanwhile for all of the figures together, so that what changes at this moment
// may be in one and not in another.
//
// EOPNOTSUPP where it cannot be had: of a directory store, and of one that an earlier version has made. A Walk has to count there.
func (t *Tree) Count() (Count, error) {
	if t.store.Persistent() {
		return Count{}, fmt.Errorf("counting in a directory store: %w", unix.EOPNOTSUPP)
	}
	taken, err := t.store.Taken()
	if err != nil {
		return Count{}, err
	}
	names, err := t.countedNames()
	if err != nil {
		return Count{}, err
	}
	nameless := int64(0)
	for _, node := range t.namelessNodes() {
		bytes, err := t.namelessBytes(node)
		if err != nil {
			return Count{}, err
		}
		nameless += bytes
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.census.uncertain > 0 {
		return Count{}, fmt.Errorf("counting what an earlier version has recorded: %w", unix.EOPNOTSUPP)
	}
	return Count{
		Files: t.census.files, Directories: t.census.directories, Names: names,
		Resident: max(0, taken-nameless-int64(t.census.linkPages)*pageSize),
	}, nil
}

// namelessBytes returns how many bytes a node takes whose inode has no name. 0 when it has one meanwhile, or is gone.
func (t *Tree) namelessBytes(node *Node) (int64, error) {
	stat, err := t.statHeld(node)
	if errors.Is(err, unix.ESTALE) {
		stat, err = t.Stat(node.id)
	}
	if errors.Is(err, unix.ESTALE) || err == nil && stat.Nlink > 0 {
		return 0, nil
	}
	const blockSize = 512 // of st_blocks
	return stat.Blocks * blockSize, err
}

// statHeld reads the attributes of a node by the descriptor that holds it. ESTALE if none does.
func (t *Tree) statHeld(node *Node) (stat unix.Stat_t, err error) {
	t.mu.RLock() // lest the descriptor be closed
	defer t.mu.RUnlock()
	if node.held < 0 || t.nodes[node.id] != node {
		return stat, unix.ESTALE
	}
	return stat, unix.Fstat(node.held, &stat)
}
