package objects

import (
	"errors"
	"fmt"

	"shmfs/mmapcore"
	"shmfs/mmapcore/record"

	"golang.org/x/sys/unix"
)

// Resume returns the tree as a process that has died left it: its nodes are those that the record has. kept are descriptors that the
// keeper held for it, by node; the tree takes them over, and the store. The record and the keeper stay the caller's. Of a store and
// a record that nobody has used yet it makes the tree of New.
//
// Errors: EUCLEAN for a record that makes no sense.
func Resume(store *mmapcore.Store, ledger *Ledger, memory *record.Memory, keeper Keeper, kept map[uint64]int) (*Tree, error) {
	tree := &Tree{store: store, ledger: ledger, keeper: keeper, nodes: make(map[uint64]*Node), caller: newCallerSwitch()}
	err := tree.resume(memory, kept)
	for id, descriptor := range kept { // those that are left
		_ = unix.Close(descriptor)
		err = errors.Join(err, keeper.LetGo(id, 0))
	}
	if err != nil {
		for _, node := range tree.nodes {
			closeHeld(node.held)
		}
		return nil, err
	}
	return tree, nil
}

func (t *Tree) resume(memory *record.Memory, kept map[uint64]int) error {
	var err error
	if t.rows, err = memory.Table("nodes", nodeWords); err != nil {
		return err
	}
	var stat unix.Stat_t
	if err := unix.Fstat(t.store.Root(), &stat); err != nil {
		return fmt.Errorf("reading the store's root: %w", err)
	}
	t.rootInode, t.device = stat.Ino, stat.Dev
	if err := t.takeUp(kept); err != nil {
		return err
	}
	if t.nodes[RootID] == nil {
		if _, err := t.adopt(t.store.Root()); err != nil {
			return fmt.Errorf("adopting the store's root: %w", err)
		}
	}
	if !t.store.HandsOutHandles() {
		if err := t.findAgain(); err != nil {
			return fmt.Errorf("looking for known inodes by their names: %w", err)
		}
	}
	return t.startLedger()
}

// takeUp makes nodes of the rows, and takes those of the kept descriptors out that they need.
func (t *Tree) takeUp(kept map[uint64]int) error {
	var failed error
	t.rows.Each(func(row record.Row, words []uint64) bool {
		node, settled, err := nodeOf(row, words)
		if err != nil {
			failed = err
			return false
		}
		node.uncertain = true
		if !t.reclaim(node, settled, kept) {
			t.abandon(node)
			return true
		}
		t.nodes[node.id] = node
		if node.nameless {
			t.orphans.Add(1)
		}
		return true
	})
	return failed
}

// reclaim makes a recorded node reachable and its charge right; false when its inode is gone, or nobody knows it.
func (t *Tree) reclaim(node *Node, settled bool, kept map[uint64]int) bool {
	if node.nameless && node.lookups == 0 {
		return false
	}
	if node.nameless || !settled {
		descriptor, held := kept[node.id]
		if !held {
			if node.handle == "" {
				return !node.nameless // found by its name, or not
			}
			var err error
			if descriptor, err = t.store.Reopen(node.handle, unix.O_PATH); err != nil {
				return false
			}
		}
		delete(kept, node.id)
		node.held = descriptor
	}
	if !settled && !t.settleCharge(node) {
		return false
	}
	if !node.nameless && node.handle != "" {
		closeHeld(node.held)
		node.held = -1
	}
	return true
}

// settleCharge makes a charge agree with the size again.
func (t *Tree) settleCharge(node *Node) bool {
	if node.held < 0 {
		return true
	}
	var stat unix.Stat_t
	if unix.Fstat(node.held, &stat) != nil {
		return false
	}
	node.setCharged(max(t.standingCharge(&stat), node.reservedEnd), true)
	return true
}

// abandon forgets a recorded node.
func (t *Tree) abandon(node *Node) {
	closeHeld(node.held)
	if node.kept {
		_ = t.keeper.LetGo(node.id, node.token)
	}
	node.row.Remove()
}

// findAgain holds the nodes that somebody refers to in a store without handles, by their names.
func (t *Tree) findAgain() error {
	return t.eachInode(func(directory int, name string, stat *unix.Stat_t) error {
		node := t.nodes[t.nodeID(stat.Ino)]
		if node == nil || node.lookups == 0 || node.held >= 0 {
			return nil
		}
		held, err := openVictim(directory, name)
		if errors.Is(err, unix.ENOENT) {
			return nil
		}
		node.held = held
		return err
	})
}

// startLedger sets what is charged: what the nodes are, and of a store that was there before what nobody knows yet.
func (t *Tree) startLedger() error {
	if t.ledger == nil {
		return nil
	}
	charged := int64(0)
	for _, node := range t.nodes {
		charged += node.charged
	}
	if t.store.Persistent() {
		unknown, err := t.recount()
		if err != nil {
			return fmt.Errorf("counting what the store holds: %w", err)
		}
		charged += unknown
	}
	t.ledger.Start(charged)
	return nil
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

// Knows says whether an inode's node is known.
func (t *Tree) Knows(inode uint64) bool { return t.node(t.nodeID(inode)) != nil }

// Settle brings a node in line with its inode's links, when a process that died may not have done so.
func (t *Tree) Settle(id uint64) {
	descriptor, err := t.reach(id, unix.O_PATH)
	if err != nil {
		return
	}
	defer unix.Close(descriptor)
	t.settle(descriptor)
}

// Peek returns the inode number, as a node id, that a name leads to; ENOENT when there is none. Nobody refers to it by that.
func (t *Tree) Peek(parent uint64, name string) (uint64, error) {
	if err := checkName(name); err != nil {
		return 0, err
	}
	var stat unix.Stat_t
	err := t.in(parent, func(directory int) error {
		return unix.Fstatat(directory, name, &stat, unix.AT_SYMLINK_NOFOLLOW)
	})
	if err != nil {
		return 0, fmt.Errorf("looking at %q: %w", name, err)
	}
	return t.nodeID(stat.Ino), nil
}
