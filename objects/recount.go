package objects

import (
	"fmt"
	"math"

	"golang.org/x/sys/unix"
)

// startAccount sets what everybody holds: what the nodes are charged and, in a store that was there before, what nobody knows yet.
func (t *Tree) startAccount() error {
	held := make(map[uint32]Holding)
	if t.store.Persistent() {
		var err error
		if held, err = t.unknown(); err != nil {
			return fmt.Errorf("counting what the store holds: %w", err)
		}
	}
	for _, node := range t.nodes {
		addTo(held, node.owner, node.holding())
	}
	t.account.start(held)
	return nil
}

// unknown counts for each owner the standing charges of everything below the root that is no node. Others may change the directory of
// a store meanwhile: what they remove is not counted.
func (t *Tree) unknown() (map[uint32]Holding, error) {
	held := make(map[uint32]Holding)
	err := t.eachInode(func(_ int, _ string, stat *unix.Stat_t) error {
		if t.nodes[t.nodeID(stat.Ino)] == nil {
			addTo(held, stat.Uid, Holding{Bytes: t.standingCharge(stat), Objects: 1})
		}
		return nil
	})
	return held, err
}

func addTo(held map[uint32]Holding, uid uint32, more Holding) {
	if more == (Holding{}) {
		return
	}
	holding := held[uid]
	more.Bytes = min(more.Bytes, math.MaxInt64-holding.Bytes) // what a sparse file says need not be true
	holding.add(more)
	held[uid] = holding
}
