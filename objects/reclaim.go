package objects

import (
	"errors"
	"fmt"

	"shmfs/mmapcore/crashpoint"

	"golang.org/x/sys/unix"
)

// reclaiming makes nodes of what a process that has died knew. Nobody else uses the tree yet, and no name changes.
type reclaiming struct {
	tree *Tree
	kept map[uint64]int // descriptors that the keeper held, by node; those that are left belong to nobody

	// Of a store without handles, whose inodes are found by their names or not at all.
	unsettled map[uint64]bool // nodes whose charge may not agree with their size
	seen      map[uint64]bool // nodes that have a name
}

// takeUp makes nodes of the rows that are any use.
func (r *reclaiming) takeUp() error {
	t := r.tree
	r.unsettled, r.seen = make(map[uint64]bool), make(map[uint64]bool)
	for row, words := range t.rows.Each {
		node, settled, err := t.nodeOf(row, words)
		if err != nil {
			return err
		}
		node.uncertain = true
		if !r.reclaim(node, settled) {
			r.abandon(node)
			continue
		}
		t.put(node)
		if node.nameless {
			t.orphans.Add(1)
		}
		r.takeUpCreator(node, words[nodeFlags])
	}
	if t.store.HandsOutHandles() {
		return nil
	}
	if err := r.findAgain(); err != nil {
		return fmt.Errorf("looking for known inodes by their names: %w", err)
	}
	return nil
}

// takeUpCreator counts that a node has its creator. A number that is nobody's would be another's some day.
func (r *reclaiming) takeUpCreator(node *Node, flags uint64) {
	switch {
	case node.creator != nil:
		node.creator.uses++
	case uint32(flags)>>creatorShift != 0:
		node.recordFlags()
	}
}

// reclaim brings a node in line with its inode, if it was being changed, or has no name to be found by. False when the inode is gone or
// nobody knows it.
func (r *reclaiming) reclaim(node *Node, settled bool) bool {
	if node.id == RootID || !node.nameless && !node.kept && settled {
		return true
	}
	descriptor, held := r.kept[node.id]
	delete(r.kept, node.id)
	switch {
	case held:
		node.kept = true // that may not have come to be recorded
	case node.handle == "":
		r.unsettled[node.id] = !settled
		return !node.nameless // found by its name, or not
	default:
		var err error
		if descriptor, err = r.tree.store.Reopen(node.handle, unix.O_PATH); err != nil {
			return false
		}
	}
	node.held = descriptor
	var stat unix.Stat_t
	if unix.Fstat(descriptor, &stat) != nil {
		return false
	}
	r.settleNames(node, &stat)
	if node.nameless && node.lookups == 0 {
		return false
	}
	if !settled {
		r.tree.settleCharge(node, &stat)
	}
	if !node.nameless && (node.handle != "" || node.lookups == 0) {
		closeHeld(node.held)
		node.held = -1
	}
	return true
}

// settleNames brings a node in line with whether its inode has a name.
func (r *reclaiming) settleNames(node *Node, stat *unix.Stat_t) {
	node.nameless = stat.Nlink == 0
	if !node.nameless && node.kept {
		id, token := node.id, node.token
		_ = r.tree.keeper.LetGo(id, token) // before the record forgets the token
		node.kept, node.token = false, 0
		node.recordFlags()
		crashpoint.Here("objects: a node of a dead process that has a name is noted as not kept")
		return
	}
	node.recordFlags()
}

// settleCharge makes a charge agree with the size and the owner again.
func (t *Tree) settleCharge(node *Node, stat *unix.Stat_t) {
	node.setOwner(stat.Uid)
	node.setCharged(max(t.standingCharge(stat), node.reservedEnd), true)
	crashpoint.Here("objects: a dead process's charge is settled")
}

// abandon forgets a node that is in no table.
func (r *reclaiming) abandon(node *Node) {
	closeHeld(node.held)
	if node.kept {
		_ = r.tree.keeper.LetGo(node.id, node.token)
		crashpoint.Here("objects: what a dead process had kept is let go")
	}
	node.row.Remove()
}

// findAgain holds the nodes that somebody refers to in a store without handles, by their names, and forgets those that have none.
func (r *reclaiming) findAgain() error {
	t := r.tree
	err := t.eachInode(func(directory int, name string, stat *unix.Stat_t) error {
		node := t.nodes[t.nodeID(stat.Ino)]
		if node == nil {
			return nil
		}
		r.seen[node.id] = true
		if r.unsettled[node.id] {
			t.settleCharge(node, stat)
		}
		if node.lookups == 0 || node.held >= 0 {
			return nil
		}
		held, err := openVictim(directory, name)
		if errors.Is(err, unix.ENOENT) {
			return nil
		}
		node.held = held
		return err
	})
	if err != nil {
		return err
	}
	for id, node := range t.nodes {
		if id != RootID && !node.nameless && !r.seen[id] {
			t.drop(node)
			r.abandon(node)
			t.creators.give(node.creator)
		}
	}
	return nil
}

// keepNameless has those kept that were not yet when the process died.
func (r *reclaiming) keepNameless() {
	for _, node := range r.tree.namelessNodes() {
		if !node.kept && node.held >= 0 {
			r.tree.keep(node, node.held)
		}
	}
}

// letGoOfRest has the keeper let go of what no node needs.
func (r *reclaiming) letGoOfRest() {
	for id, descriptor := range r.kept {
		closeHeld(descriptor)
		_ = r.tree.keeper.LetGo(id, 0)
	}
}
