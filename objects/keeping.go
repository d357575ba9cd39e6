package objects

import (
	"shmfs/mmapcore/crashpoint"

	"golang.org/x/sys/unix"
)

// Keeper holds inodes without a name beyond the life of this process. Its methods may be called concurrently; what has been asked for when
// this process dies is done.
type Keeper interface {
	// Keep holds a node's inode, which a descriptor (O_PATH) is open on. The descriptor stays the caller's. The token, at most 32 bits, is
	// for LetGo.
	Keep(node uint64, descriptor int) (token uint32, err error)
	// LetGo ends that. A node that is not held is no error.
	LetGo(node uint64, token uint32) error
}

// NoKeeper keeps nothing: what has no name is gone with this process.
type NoKeeper struct{}

// Keep does nothing.
func (NoKeeper) Keep(uint64, int) (uint32, error) { return 0, nil }

// LetGo does nothing.
func (NoKeeper) LetGo(uint64, uint32) error { return nil }

// keepVictim has the inode that is about to lose its last name kept, if anybody but the caller refers to it: between the two the
// process may die.
func (t *Tree) keepVictim(id uint64, descriptor int) {
	var stat unix.Stat_t
	if unix.Fstat(descriptor, &stat) != nil || stat.Nlink > 1 && stat.Mode&unix.S_IFMT != unix.S_IFDIR {
		return
	}
	t.mu.RLock()
	node := t.nodes[id]
	referred := node != nil && node.lookups > 1 && !node.kept
	t.mu.RUnlock()
	if referred {
		t.keep(node, descriptor)
	}
}

// keep has a node's inode kept. If that fails it is lost when the process dies, unless it is open or mapped. No lock may be held.
func (t *Tree) keep(node *Node, descriptor int) {
	token, err := t.keeper.Keep(node.id, descriptor)
	if err != nil {
		return
	}
	crashpoint.Here("objects: an inode is kept")
	t.mu.Lock()
	unknown, again := t.nodes[node.id] != node, node.kept
	if !unknown && !again {
		node.kept, node.token = true, token
		node.recordFlags()
		crashpoint.Here("objects: an inode is recorded as kept")
	}
	t.mu.Unlock()
	if unknown || again && token != 0 { // without a token the two are one
		_ = t.keeper.LetGo(node.id, token)
	}
}

// Tokens returns the keeper's tokens of all nodes.
func (t *Tree) Tokens() map[uint32]struct{} {
	t.mu.RLock()
	defer t.mu.RUnlock()
	tokens := make(map[uint32]struct{})
	for _, node := range t.nodes {
		if node.kept {
			tokens[node.token] = struct{}{}
		}
	}
	return tokens
}

// release notes that a node's inode need not be kept any more, and returns what ends it. The caller holds mu, and calls what is returned
// without it. The record forgets the token last: nobody else would know which it was.
func (t *Tree) release(node *Node) func() {
	if !node.kept {
		return func() {}
	}
	id, token := node.id, node.token
	node.kept, node.token = false, 0
	return func() {
		_ = t.keeper.LetGo(id, token)
		crashpoint.Here("objects: an inode is not kept any more")
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.nodes[id] == node {
			node.recordFlags()
			crashpoint.Here("objects: an inode is recorded as not kept")
		}
	}
}
