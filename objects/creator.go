package objects

import (
	"sync"

	"shmfs/mmapcore/crashpoint"
	"shmfs/mmapcore/record"
)

// Creator is the process that made an inode through the mount.
type Creator struct {
	Process uint32 // its number where the daemon runs
	Command string // what it ran; at most 16 bytes are kept
	Cgroup  string // path of its control group; empty when it is not known
}

// SetCreator notes who made a node's inode, for as long as the node is known, beyond the life of this process. Where there is no memory
// for that, or there are a million creators, only this process knows. A node that is not known is none of its business.
func (t *Tree) SetCreator(id uint64, who Creator) {
	made := t.creators.take(who)
	t.mu.Lock()
	if node := t.nodes[id]; node != nil {
		node.creator, made = made, node.creator
		node.recordFlags()
		crashpoint.Here("objects: a node's creator is noted")
	}
	t.mu.Unlock()
	t.creators.give(made)
}

// Creator returns what SetCreator noted; false if nothing is known.
func (t *Tree) Creator(id uint64) (who Creator, known bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	node := t.nodes[id]
	if node == nil || node.creator == nil {
		return Creator{}, false
	}
	return node.creator.who(), true
}

// creator is one that nodes share which the same process made, while one process of ours served.
type creator struct {
	Creator        // unless it was taken up; immutable
	takenUp int    // length of the text that the rows have, in bytes; 0: it was not taken up; immutable
	number  uint32 // in the nodes' rows; 0: it does not outlive the process; immutable

	rows []record.Row // what does; immutable
	uses int          // nodes; guarded by creators.mu
}

// creators are all that some node has. Each has rows of its own, and a node's row has its number: so it is known of whom a node is as soon as,
// and as long as, the node's row is there, and there are no more creators than nodes. One's rows are there before the first node's row has
// the number and until none has it, whenever the process dies; rows of numbers that none has are dropped by the next.
type creators struct {
	memory *record.Memory // immutable
	table  *record.Table  // immutable

	mu       sync.Mutex
	known    map[Creator]*creator // those with a number that were not taken up; guarded by mu
	byNumber []*creator           // nil: the number is free; the first is nobody's; guarded by mu
	free     []uint32             // numbers in byNumber, in no order; guarded by mu
}

// take returns the creator that stands for a process, with one use more, which is to be given back.
func (c *creators) take(who Creator) *creator {
	who.Command = who.Command[:min(len(who.Command), commandBytes)]
	c.mu.Lock()
	defer c.mu.Unlock()
	found := c.known[who]
	if found == nil {
		found = c.add(who)
	}
	found.uses++
	return found
}

// add makes a creator, with a number if it can. The caller holds mu.
func (c *creators) add(who Creator) *creator {
	number, free := c.number()
	if !free {
		return &creator{Creator: who}
	}
	rows, err := c.record(number, who)
	crashpoint.Here("objects: a creator is recorded")
	if err != nil {
		c.free = append(c.free, number)
		return &creator{Creator: who}
	}
	made := &creator{Creator: who, number: number, rows: rows}
	c.known[who], c.byNumber[number] = made, made
	return made
}

// number takes a number that is nobody's; false when there is none. The caller holds mu.
func (c *creators) number() (number uint32, free bool) {
	if last := len(c.free) - 1; last >= 0 {
		number = c.free[last]
		c.free = c.free[:last]
		return number, true
	}
	if len(c.byNumber) > mostCreators {
		return 0, false
	}
	c.byNumber = append(c.byNumber, nil)
	return uint32(len(c.byNumber) - 1), true
}

// give gives back a use, when the row of the node that had it has another number or is gone. Nil is none.
func (c *creators) give(back *creator) {
	if back == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if back.uses--; back.uses == 0 && back.number != 0 {
		c.drop(back)
	}
}

// drop forgets a creator that no node has any more. The caller holds mu.
func (c *creators) drop(unused *creator) {
	c.erase(unused.rows)
	crashpoint.Here("objects: a creator's record is gone")
	if c.known[unused.Creator] == unused {
		delete(c.known, unused.Creator)
	}
	c.byNumber[unused.number] = nil
	c.free = append(c.free, unused.number)
}
