package objects

import (
	"errors"
	"fmt"

	"shmfs/mmapcore"
	"shmfs/mmapcore/crashpoint"
	"shmfs/mmapcore/record"

	"golang.org/x/sys/unix"
)

// Resume returns the tree as a process that has died left it: its nodes are those that the record has. kept are descriptors that the
// keeper held for it, by node; the tree takes them over, and the store. The record and the keeper stay the caller's. Of a store and
// a record that nobody has used yet it makes the tree of New.
//
// A name that was about to come or go when that process died may be there or not. Who knows which it was is to call Settle for what lost a
// name, and LookupMade for what was made.
//
// Errors: EUCLEAN for a record that makes no sense.
func Resume(store *mmapcore.Store, ledger *Ledger, memory *record.Memory, keeper Keeper, kept map[uint64]int) (*Tree, error) {
	tree := &Tree{store: store, ledger: ledger, account: newAccount(ledger), keeper: keeper, nodes: make(map[uint64]*Node), census: newCensus(), caller: newCallerSwitch()}
	r := &reclaiming{tree: tree, kept: kept}
	err := tree.resume(memory, r)
	r.letGoOfRest()
	if err != nil {
		for _, node := range tree.nodes {
			closeHeld(node.held)
		}
		return nil, err
	}
	return tree, nil
}

func (t *Tree) resume(memory *record.Memory, r *reclaiming) error {
	var err error
	if t.rows, err = memory.Table("nodes", nodeWords); err != nil {
		return err
	}
	if t.creators, err = newCreators(memory); err != nil {
		return err
	}
	t.creators.takeUp()
	var stat unix.Stat_t
	if err := unix.Fstat(t.store.Root(), &stat); err != nil {
		return fmt.Errorf("reading the store's root: %w", err)
	}
	t.rootInode, t.device = stat.Ino, stat.Dev
	if err := r.takeUp(); err != nil {
		return err
	}
	t.creators.dropUnused()
	if err := t.takeUpRoot(); err != nil {
		return fmt.Errorf("adopting the store's root: %w", err)
	}
	r.keepNameless()
	return t.startAccount()
}

// takeUpRoot makes the root known and, where it cannot be found by handle, holds it.
func (t *Tree) takeUpRoot() (err error) {
	root := t.nodes[RootID]
	if root == nil {
		_, err = t.adopt(t.store.Root())
	} else if root.handle == "" {
		root.held, err = unix.Openat(t.store.Root(), ".", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	}
	return err
}

// Uncertain says whether a node's references may have been counted too high, by a process that died.
func (t *Tree) Uncertain(id uint64) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	node := t.nodes[id]
	return node != nil && node.uncertain && node.nameless
}

// Doubtful returns the nodes that are Uncertain.
func (t *Tree) Doubtful() []uint64 {
	var ids []uint64
	for _, node := range t.namelessNodes() {
		if t.Uncertain(node.id) {
			ids = append(ids, node.id)
		}
	}
	return ids
}

// Entry returns what Lookup does of a node that is known, without a reference more.
func (t *Tree) Entry(id uint64) (Entry, error) {
	stat, err := t.Stat(id)
	if err != nil {
		return Entry{}, err
	}
	node := t.node(id)
	if node == nil {
		return Entry{}, fmt.Errorf("node %d: %w", id, unix.ESTALE)
	}
	return t.entry(node, &stat), nil
}

// Settle brings a node in line with its inode's links, when a process that died may not have done so. It must not be known to anybody
// else yet.
func (t *Tree) Settle(id uint64) {
	descriptor, err := t.reach(id, unix.O_PATH)
	if errors.Is(err, unix.ESTALE) {
		t.lose(id)
	}
	if err != nil {
		return
	}
	defer unix.Close(descriptor)
	t.settle(descriptor)
	crashpoint.Here("objects: a dead process's change of links is settled")
}

// Pin returns a descriptor (O_PATH), which belongs to the caller, that keeps a node's inode there until it is closed. ESTALE if it is gone.
func (t *Tree) Pin(id uint64) (int, error) { return t.reach(id, unix.O_PATH) }

// lose forgets a node whose inode is gone with its last name, if it can be known that it is.
func (t *Tree) lose(id uint64) {
	t.mu.Lock()
	node := t.nodes[id]
	if node == nil || node.handle == "" {
		t.mu.Unlock()
		return
	}
	t.drop(node)
	if !node.nameless {
		node.nameless = true
		t.orphans.Add(1)
	}
	t.mu.Unlock()
	t.dispose(node)
}

// LookupMade is Lookup for a name that a process has made which died: what it charged for is charged again. It must not be known to
// anybody else yet. late says that it was made after Resume.
func (t *Tree) LookupMade(parent uint64, name string, late bool) (Entry, error) {
	id, err := t.Peek(parent, name)
	if err != nil {
		return Entry{}, err
	}
	known := t.node(id) != nil
	entry, err := t.Lookup(parent, name)
	if err == nil && !known && (late || !t.store.Persistent()) { // else it was counted with the rest of the store
		t.account.oblige(entry.Stat.Uid, Holding{Bytes: t.standingCharge(&entry.Stat), Objects: 1})
	}
	return entry, err
}

// Free is nil if a name can be made in a directory: EEXIST when it is there, and the errors of Lookup.
func (t *Tree) Free(parent uint64, name string) error {
	_, err := t.Peek(parent, name)
	if err == nil {
		return fmt.Errorf("making %q: %w", name, unix.EEXIST)
	}
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

// Peek returns the inode number, as a node id, that a name leads to; ENOENT when there is none. Nobody refers to it by that.
func (t *Tree) Peek(parent uint64, name string) (uint64, error) {
	if err := checkName(name); err != nil {
		return 0, err
	}
	var stat unix.Stat_t
	err := t.in(parent, func(directory int) (err error) {
		stat, err = t.statName(directory, name)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("looking at %q: %w", name, err)
	}
	return t.nodeID(stat.Ino), nil
}
