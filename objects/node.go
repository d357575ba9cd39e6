package objects

import (
	"fmt"
	"sync"

	"shmfs/mmapcore"
	"shmfs/mmapcore/crashpoint"
	"shmfs/mmapcore/record"

	"golang.org/x/sys/unix"
)

// RootID is the id of the root directory, whatever its inode number.
const RootID uint64 = 1

// Node is one inode of the store that somebody knows by its id.
type Node struct {
	id         uint64
	handle     mmapcore.FileHandle // empty where the store hands none out; immutable
	generation uint32              // immutable
	kind       uint32              // unix.S_IF*; 0: an earlier version has not recorded it; immutable
	link       linkRoom            // of a symbolic link; immutable

	// growth serialises what reads an inode's size or owner and then changes it, so that these and the charge move together.
	growth      sync.Mutex
	charged     int64  // bytes that are charged for this inode; guarded by growth
	owner       uint32 // to whom it is charged; guarded by growth
	counted     bool   // it is charged as an object; guarded by growth
	reservedEnd int64  // end, in bytes, of what fallocate reserved behind the file's end; guarded by growth

	// row is what outlives the process. Its words are written where the fields are that they mirror; it is removed, and none from then
	// on, with growth held, when the node is in no table any more.
	row record.Row

	lookups   uint64 // references the kernel holds; guarded by Tree.mu
	held      int    // an O_PATH descriptor that keeps the inode, or -1; guarded by Tree.mu
	nameless  bool   // the last name is gone; guarded by Tree.mu
	kept      bool   // the keeper holds it too; guarded by Tree.mu
	token     uint32 // the keeper's; guarded by Tree.mu
	uncertain bool   // a predecessor's: lookups may be too high; guarded by Tree.mu

	creator *creator // nil: not known; guarded by Tree.mu
}

// Entry is a node as a name lookup shows it: the caller owns one more reference, to be given back by Tree.Forget.
type Entry struct {
	ID         uint64
	Generation uint32
	Stat       unix.Stat_t
}

// nodeID maps a store's inode number to a node id. Inode 1 besides the root does not occur in the file systems a store may
// stand on (it is tmpfs's root, and reserved for bad blocks in ext4).
func (t *Tree) nodeID(inode uint64) uint64 {
	if inode == t.rootInode {
		return RootID
	}
	return inode
}

func (t *Tree) node(id uint64) *Node {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.nodes[id]
}

// refer returns the entry of a known node and counts one more reference; false when the node is unknown.
func (t *Tree) refer(stat *unix.Stat_t) (Entry, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	node := t.nodes[t.nodeID(stat.Ino)]
	if node == nil || !node.reachable() {
		return Entry{}, false
	}
	node.count(node.lookups + 1)
	crashpoint.Here("objects: a reference to a known node is counted")
	return t.entry(node, stat), true
}

// Refer counts one more reference to a node, to be given back by Forget; false when it is not known any more.
func (t *Tree) Refer(id uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	node := t.nodes[id]
	if node == nil || !node.reachable() {
		return false
	}
	node.count(node.lookups + 1)
	crashpoint.Here("objects: a reference by number is counted")
	return true
}

// reachable says whether the inode can be opened. A node without handle that nobody refers to only keeps account of its inode
// until the next lookup. The caller holds Tree.mu.
func (n *Node) reachable() bool { return n.handle != "" || n.held >= 0 }

func (t *Tree) entry(node *Node, stat *unix.Stat_t) Entry {
	stat.Ino = node.id
	return Entry{ID: node.id, Generation: node.generation, Stat: *stat}
}

// adopt makes the inode that descriptor is open on known, counts one reference and returns its entry. The descriptor stays
// the caller's. ENOENT when the inode has lost its last name and the tree knows it no more.
func (t *Tree) adopt(descriptor int) (Entry, error) { return t.adoptInode(descriptor, false) }

// adoptInode is adopt, also for an inode that was made without a name.
func (t *Tree) adoptInode(descriptor int, madeNameless bool) (Entry, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(descriptor, &stat); err != nil {
		return Entry{}, err
	}
	if stat.Dev != t.device { // its inode numbers are not ours to hand out as node ids
		return Entry{}, fmt.Errorf("it is on another file system than the store: %w", unix.EXDEV)
	}
	if entry, known := t.refer(&stat); known {
		return entry, nil
	}
	node, err := t.newNode(descriptor, &stat)
	if err != nil {
		return Entry{}, err
	}
	entry, err := t.insert(node, descriptor, &stat, madeNameless)
	if err != nil {
		return Entry{}, err
	}
	t.settle(descriptor) // its last name may have gone since the link count was read
	return entry, nil
}

// insert makes a new node known, whose inode descriptor is open on, unless another lookup was faster.
func (t *Tree) insert(node *Node, descriptor int, stat *unix.Stat_t, madeNameless bool) (Entry, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	other := t.nodes[node.id]
	switch {
	case other == nil:
		// What the tree does not know does not change. Since the attributes were read it may have been known, and gone.
		err := unix.Fstat(descriptor, stat)
		if err == nil && stat.Nlink == 0 && !madeNameless {
			err = fmt.Errorf("inode %d has lost its last name: %w", node.id, unix.ENOENT)
		}
		if err == nil {
			node.charged, node.owner, node.counted = t.standingCharge(stat), stat.Uid, node.id != RootID
			node.row, err = t.newRow(node)
		}
		if err != nil {
			closeHeld(node.held)
			return Entry{}, err
		}
		crashpoint.Here("objects: a node is recorded")
		t.put(node)
		if node.nameless {
			t.orphans.Add(1)
		}
	case other.reachable(): // another lookup was faster
		closeHeld(node.held)
		node = other
	default:
		other.held = node.held
		node = other
	}
	node.count(node.lookups + 1)
	crashpoint.Here("objects: the first reference to a node is counted")
	return t.entry(node, stat), nil
}

// newNode prepares a node that is in no table yet. An inode that cannot be found again by handle and name is held.
func (t *Tree) newNode(descriptor int, stat *unix.Stat_t) (*Node, error) {
	node := &Node{id: t.nodeID(stat.Ino), held: -1, nameless: stat.Nlink == 0, kind: stat.Mode & unix.S_IFMT, link: linkRoomOf(stat)}
	if t.store.HandsOutHandles() {
		handle, err := t.store.Identify(descriptor)
		if err != nil {
			return nil, err
		}
		node.handle = handle
		node.generation = handle.Generation()
	}
	if node.handle != "" && !node.nameless {
		return node, nil
	}
	// A descriptor by which the inode can be reached but not read or written, whatever the given one can: it is no use (Object.Alone).
	held, err := unix.Open(descriptorPath(descriptor), unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	node.held = held
	return node, nil
}

// Forget gives back count references to a node, and reports whether none is left. A node without references is dropped when its
// inode has no name left; then the inode's memory is free unless a mapping still holds it.
func (t *Tree) Forget(id, count uint64) (unreferred bool) {
	if id == RootID {
		return false
	}
	t.mu.Lock()
	node := t.nodes[id]
	if node == nil {
		t.mu.Unlock()
		return true
	}
	node.count(node.lookups - min(count, node.lookups))
	crashpoint.Here("objects: references are given back")
	unreferred = node.lookups == 0
	drop := unreferred && node.nameless
	switch {
	case drop:
		t.drop(node)
	case unreferred: // a lookup of its name holds it again
		closeHeld(node.held)
		node.held = -1
	}
	t.mu.Unlock()
	if drop {
		t.dispose(node)
	}
	return unreferred
}

// Referred says whether anybody holds a reference to a node.
func (t *Tree) Referred(id uint64) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	node := t.nodes[id]
	return node != nil && node.lookups > 0
}

// settle brings a node in line with its inode's link count after a name came or went: without a name it is held by a
// descriptor while referred to and dropped otherwise, with a name it need not be held. The count is read under the lock, so
// that of two changes at once the later sees the truth.
func (t *Tree) settle(descriptor int) {
	t.mu.Lock()
	var stat unix.Stat_t
	if unix.Fstat(descriptor, &stat) != nil {
		t.mu.Unlock()
		return
	}
	node := t.nodes[t.nodeID(stat.Ino)]
	drop, keep := false, false
	after := func() {}
	switch {
	case node == nil:
	case stat.Nlink > 0:
		after = t.named(node)
	default:
		t.unnamed(node, descriptor)
		if drop = node.lookups == 0; drop {
			t.drop(node)
		}
		keep = !drop && !node.kept
	}
	t.mu.Unlock()
	after()
	switch {
	case drop:
		t.dispose(node)
	case keep:
		t.keep(node, descriptor)
	}
}

// named notes that a node's inode has a name, and returns what is to be done then without mu, which the caller holds.
func (t *Tree) named(node *Node) (after func()) {
	if node.nameless {
		t.mark(node, false)
		node.recordFlags()
		crashpoint.Here("objects: a node is recorded as one with a name")
		t.orphans.Add(-1)
	}
	if node.handle != "" {
		closeHeld(node.held)
		node.held = -1
	}
	return t.release(node)
}

// unnamed notes that a node's inode, which descriptor is open on, has no name any more. The caller holds mu.
func (t *Tree) unnamed(node *Node, descriptor int) {
	if !node.nameless {
		t.mark(node, true)
		node.recordFlags()
		crashpoint.Here("objects: a node is recorded as one without a name")
		t.orphans.Add(1)
	}
	if node.held >= 0 || node.lookups == 0 {
		return
	}
	// Should this fail for want of descriptors, the inode lives on as long as it is open or mapped.
	if held, err := duplicate(descriptor); err == nil {
		node.held = held
	}
}

// dispose frees what a node that is in no table any more, and whose inode has no name, holds.
func (t *Tree) dispose(node *Node) {
	defer t.orphans.Add(-1) // last: who finds no orphan has nothing more to wait for
	crashpoint.Here("objects: a node is in no table any more")
	closeHeld(node.held)
	if node.kept {
		_ = t.keeper.LetGo(node.id, node.token)
		t.letGo()
		crashpoint.Here("objects: what was kept of a node in no table is let go")
	}
	node.growth.Lock()
	defer node.growth.Unlock()
	node.row.Remove()
	crashpoint.Here("objects: a node's record is gone")
	node.row = record.Row{}
	t.creators.give(node.creator) // nobody sets another: the node is in no table
	t.account.refund(node.owner, node.holding())
	crashpoint.Here("objects: a node's charge is given back")
	node.charged, node.counted = 0, false
}

// holding is what is charged for an inode. The caller holds growth.
func (n *Node) holding() Holding {
	holding := Holding{Bytes: n.charged}
	if n.counted {
		holding.Objects = 1
	}
	return holding
}

func duplicate(descriptor int) (int, error) {
	return unix.FcntlInt(uintptr(descriptor), unix.F_DUPFD_CLOEXEC, 0)
}

func closeHeld(descriptor int) {
	if descriptor >= 0 {
		_ = unix.Close(descriptor)
	}
}
