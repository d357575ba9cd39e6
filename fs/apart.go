package fs

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"shmfs/mmapcore/crashpoint"
	"shmfs/mmapcore/record"

	"bazil.org/fuse"
)

// Whoever writes to a file holds the lock of the kernel's inode until the write returns. Writing "wait" to a semaphore may take for
// ever, and meanwhile another's write, truncating open, chmod or unlink of that inode would wait beyond kill. So in passthrough mode
// everybody who opens a semaphore for writing gets a kernel inode of their own: a node apart, with an id of its own, which stands
// for the same inode of the store (docs/decisions/0010).

// apartBit marks the ids of nodes apart. Inode numbers of the stores in use do not reach it.
const apartBit = 1 << 63

// walkTime is how long somebody who was told of a node may take to open it.
const walkTime = 2 * time.Second

// kernelNode is what the kernel knows as one inode: a semaphore's own node, or one apart from it.
type kernelNode struct {
	id        uint64 // immutable
	semaphore *semaphoreNode
	lookups   uint64               // references the kernel holds, of a node apart; guarded by semaphoreNodes.mu
	row       record.Row           // what outlives the process, of a node apart; immutable
	writers   int                  // open files that may wait in a write; guarded by semaphoreNodes.mu
	walkers   map[uint32]time.Time // threads that were told of it and have not been heard of since; guarded by semaphoreNodes.mu
	takenUp   bool                 // another process may have told threads of it; immutable once requests are served
}

// semaphoreNode is one semaphore, by whatever node.
type semaphoreNode struct {
	own     kernelNode
	spare   *kernelNode  // the node apart that is handed out while own has a writer; guarded by semaphoreNodes.mu
	created *createdName // not initialised yet; guarded by semaphoreNodes.mu
	untold  *createdName // it was made by a process that has died, and may not have been told of; guarded by semaphoreNodes.mu
	passing string       // the name under which libc is making it, while its maker has it open; guarded by semaphoreNodes.mu
	row     record.Row   // what outlives the process; immutable
	left    leftBehind   // what whoever goes on has to look at; guarded by semaphoreNodes.mu
	plain   bool         // renamed to what is no semaphore's name; guarded by semaphoreNodes.mu
}

// semaphoreNodes knows the semaphores that the kernel knows.
type semaphoreNodes struct {
	state *state // where they outlive the process; immutable once requests are served

	mu       sync.Mutex
	next     uint64                    // id of the next node apart; guarded by mu
	byID     map[uint64]*semaphoreNode // by their own node's id; guarded by mu
	apart    map[uint64]*kernelNode    // by id; guarded by mu
	sentBack map[uint32]*sentBack      // by thread; guarded by mu

	// Threads by the node that they were told of last. walking counts them, so that requests pay nothing while there are none.
	walks   map[uint32]*kernelNode // guarded by mu
	walking atomic.Int64
	swept   time.Time // when walks were last swept; guarded by mu
	tookUp  time.Time // when those of another process were lost; immutable once requests are served
}

func (s *semaphoreNodes) init() {
	s.next = apartBit
	s.byID = make(map[uint64]*semaphoreNode)
	s.apart = make(map[uint64]*kernelNode)
	s.sentBack = make(map[uint32]*sentBack)
	s.walks = make(map[uint32]*kernelNode)
}

// resolve returns the id of the tree's node that the kernel's id stands for.
func (s *semaphoreNodes) resolve(id fuse.NodeID) fuse.NodeID {
	if id&apartBit == 0 {
		return id
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if node := s.apart[uint64(id)]; node != nil {
		return fuse.NodeID(node.semaphore.own.id)
	}
	return id // which the tree does not know either
}

// know notes that a node of the tree is a semaphore. The caller holds mu.
func (s *semaphoreNodes) know(id uint64) *semaphoreNode {
	known := s.byID[id]
	if known == nil {
		known = &semaphoreNode{own: kernelNode{id: id}}
		known.own.semaphore = known
		s.byID[id] = known
		s.addRow(known)
	}
	if known.plain {
		known.plain = false
		known.write()
	}
	return known
}

// find returns the kernel's node of a semaphore by the kernel's id, or nil.
func (s *semaphoreNodes) find(id uint64) *kernelNode {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.node(id)
}

// node is find for who holds mu.
func (s *semaphoreNodes) node(id uint64) *kernelNode {
	if id&apartBit != 0 {
		return s.apart[id]
	}
	if known := s.byID[id]; known != nil && !known.plain {
		return &known.own
	}
	return nil
}

// findAny is find for what may have been renamed to what is no semaphore's name.
func (s *semaphoreNodes) findAny(id uint64) *kernelNode {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.byID[id]; known != nil {
		return &known.own
	}
	return s.apart[id]
}

// handOut chooses the node by which a thread that looked a semaphore up shall know it, and counts one reference. Under cached mode
// there is one node for all, since they share its page cache.
func (s *semaphoreNodes) handOut(id uint64, thread uint32, apart bool) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.know(id)
	if !apart {
		return id
	}
	node := s.choose(known, thread)
	if node.id&apartBit != 0 {
		node.count(node.lookups + 1)
	}
	s.walk(thread, node)
	return node.id
}

// choose prefers the semaphore's own node, which keeps its path in /proc/PID/maps. The caller holds mu.
func (s *semaphoreNodes) choose(known *semaphoreNode, thread uint32) *kernelNode {
	if back := s.sentBack[thread]; back != nil {
		if back.node == nil || back.node.semaphore != known || s.apart[back.node.id] == nil {
			back.node = s.newApart(known)
		}
		return back.node
	}
	if known.own.writers == 0 {
		return &known.own
	}
	if known.spare == nil || known.spare.writers > 0 || s.apart[known.spare.id] == nil {
		known.spare = s.newApart(known)
	}
	return known.spare
}

func (s *semaphoreNodes) newApart(known *semaphoreNode) *kernelNode {
	s.next++
	if s.state != nil {
		s.state.numbers.Store(numberApart, s.next&^apartBit)
	}
	node := &kernelNode{id: s.next, semaphore: known}
	s.apart[node.id] = node
	s.addApartRow(node)
	return node
}

// walk notes that a thread was told of a node, and may be about to open it. The caller holds mu.
func (s *semaphoreNodes) walk(thread uint32, node *kernelNode) {
	now := time.Now()
	s.endWalk(thread)
	s.sweep(now)
	if node.walkers == nil {
		node.walkers = make(map[uint32]time.Time)
	}
	node.walkers[thread] = now
	s.walks[thread] = node
	s.walking.Add(1)
}

// endWalk forgets it. The caller holds mu.
func (s *semaphoreNodes) endWalk(thread uint32) {
	if node := s.walks[thread]; node != nil {
		delete(node.walkers, thread)
		delete(s.walks, thread)
		s.walking.Add(-1)
	}
}

// sweep forgets, from time to time, walks that took too long: of threads that are not heard of again. The caller holds mu.
func (s *semaphoreNodes) sweep(now time.Time) {
	if now.Sub(s.swept) < walkTime {
		return
	}
	s.swept = now
	for thread, node := range s.walks {
		if now.Sub(node.walkers[thread]) > walkTime {
			s.endWalk(thread)
		}
	}
}

// heard notes that a thread asks for something, so that what it looked up before is done with. Looking up and asking for
// attributes and access control lists, which decide about an ordinary user's way through a directory, are part of a walk themselves.
func (s *semaphoreNodes) heard(request fuse.Request) {
	if s.walking.Load() == 0 {
		return
	}
	switch request := request.(type) {
	case *fuse.LookupRequest, *fuse.GetattrRequest, *fuse.OpenRequest:
		return
	case *fuse.GetxattrRequest:
		if strings.HasPrefix(request.Name, "system.posix_acl_") {
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	thread := request.Hdr().Pid
	s.endWalk(thread)
	s.forgetSentBack(thread)
	s.sweep(time.Now())
}

// othersWalk says whether another thread may be about to open the node. Those who took too long are forgotten. Which threads were told of it
// by a process that has died is not known: for as long it may be any. The caller holds mu.
func (s *semaphoreNodes) othersWalk(node *kernelNode, thread uint32) bool {
	others := node.takenUp && time.Since(s.tookUp) <= walkTime
	for walker, since := range node.walkers {
		switch {
		case walker == thread:
		case time.Since(since) > walkTime:
			s.endWalk(walker)
		default:
			others = true
		}
	}
	return others
}

// enter counts one who may wait in a write after all.
func (s *semaphoreNodes) enter(node *kernelNode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	node.writers++
}

// leave counts one less.
func (s *semaphoreNodes) leave(node *kernelNode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	node.writers--
}

// opened notes that a thread has opened something without being counted.
func (s *semaphoreNodes) opened(thread uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endWalk(thread)
	s.forgetSentBack(thread)
}

// forget gives back references of the kernel's, and returns the id of the node in the tree that they are to.
func (s *semaphoreNodes) forget(id, count uint64) (own uint64) {
	if id&apartBit == 0 {
		return id
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	node := s.apart[id]
	if node == nil {
		return id
	}
	node.count(node.lookups - min(count, node.lookups))
	if node.lookups == 0 {
		delete(s.apart, id)
		removeRow(node.row)
		for thread := range node.walkers {
			s.endWalk(thread)
		}
	}
	return node.semaphore.own.id
}

// forget handles FORGET of one node. Every reference to a node apart is one to its semaphore's in the tree, too.
func (f *Filesystem) forget(id, count uint64) {
	if isInfo(id) {
		f.forgetInfo(id, count)
		return
	}
	own := f.semaphores.forget(id, count)
	crashpoint.Here("fs: references to a node apart are forgotten")
	if f.tree.Forget(own, count) {
		f.dropSemaphore(own)
		return
	}
	if f.tree.Uncertain(own) {
		f.forgetUnknown(own)
	}
}

// dropSemaphore forgets a semaphore that the kernel does not refer to, unless something is still to be found out about it: then also whoever
// goes on has to know. Whoever looks it up meanwhile has its reference already.
func (f *Filesystem) dropSemaphore(own uint64) {
	s := &f.semaphores
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.byID[own]
	if known == nil || known.left != leftNothing || f.tree.Referred(own) {
		return
	}
	for thread := range known.own.walkers {
		s.endWalk(thread)
	}
	delete(s.byID, own)
	removeRow(known.row)
	crashpoint.Here("fs: a semaphore's record is gone")
}
