package objects

import (
	"fmt"

	"shmfs/mmapcore/crashpoint"

	"golang.org/x/sys/unix"
)

// transfer runs what gives a node's inode, which descriptor is open on, to another user, and moves what is charged for it. EDQUOT when
// that user may not hold so much; then it is not run. If it fails, the charge is where the inode is.
func (t *Tree) transfer(id uint64, descriptor int, to uint32, exempt bool, give func() error) error {
	node := t.node(id)
	if node == nil {
		return fmt.Errorf("node %d: %w", id, unix.ESTALE)
	}
	node.growth.Lock()
	defer node.growth.Unlock()
	if to == node.owner {
		return give()
	}
	moving := node.holding()
	if err := t.account.charge(claim{uid: to, Holding: moving, exempt: exempt, moved: true}, t.patience()); err != nil {
		return fmt.Errorf("giving node %d away: %w", id, err)
	}
	crashpoint.Here("objects: what is to be given away is charged to who gets it")
	node.setCharged(node.charged, false)
	crashpoint.Here("objects: what is to be given away is marked")
	defer func() { node.setCharged(node.charged, true) }()
	err := give()
	var stat unix.Stat_t
	given := unix.Fstat(descriptor, &stat) == nil && stat.Uid == to
	if !given {
		t.account.moved(to, moving)
		return err
	}
	t.account.moved(node.owner, moving)
	node.setOwner(to)
	crashpoint.Here("objects: what was given away is recorded as whose it is")
	return err
}
