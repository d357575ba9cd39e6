package fs

import (
	"errors"
	"math"
	"slices"

	"bazil.org/fuse"
)

// References to nodes are counted before the kernel is told of them, and given back after it has forgotten them. A process that dies in
// between leaves the count too high. That makes no difference while the inode has a name. Without one it would stay for good, so
// the kernel is asked whether it knows the node.

// forgetDoubtful forgets the nodes without a name that the kernel does not know.
func (f *Filesystem) forgetDoubtful() {
	for _, id := range f.tree.Doubtful() {
		f.forgetUnknown(id)
	}
}

// forgetUnknown forgets a node that the kernel knows by none of its ids.
func (f *Filesystem) forgetUnknown(own uint64) {
	f.openings.mu.Lock()
	open := f.openings.byNode[own] != nil
	f.openings.mu.Unlock()
	if open || f.kernelKnows(own) || f.kernelKnows(mirrorOf(own)) {
		return
	}
	apart := f.semaphores.apartFrom(own)
	if slices.ContainsFunc(apart, f.kernelKnows) {
		return
	}
	if f.tree.Forget(own, math.MaxUint64) {
		for _, id := range apart {
			f.semaphores.forget(id, math.MaxUint64)
		}
		f.dropSemaphore(own)
	}
}

// askKernel asks for attributes to be forgotten, which fails for a node that the kernel does not know.
func (f *Filesystem) askKernel(id uint64) bool {
	const attributesOnly = -1
	return !errors.Is(f.conn.InvalidateNode(fuse.NodeID(id), attributesOnly, 0), fuse.ErrNotCached)
}

// apartFrom returns the ids of the nodes apart from a semaphore's own.
func (s *semaphoreNodes) apartFrom(own uint64) []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []uint64
	for id, node := range s.apart {
		if node.semaphore.own.id == own {
			ids = append(ids, id)
		}
	}
	return ids
}
