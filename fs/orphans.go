package fs

import (
	"context"
	"errors"
	"sync"

	"shmfs/objects"

	"golang.org/x/sys/unix"
)

// orphans finds semaphores that were left by all their users, and does to them what their attribute asks for.
//
// Only semaphores with such an attribute are looked at, and those only when nobody has them open. Without passthrough that is the end:
// a mapping keeps open what it was made of. With it the client's open file is closed while its mapping, which holds an open file of the
// store, goes on. Then the semaphore is watched: the kernel tells (inotify) when an open file of the store is closed, and whether there
// are others (objects.Object.Alone).
//
// To find out and to act takes moments in which nobody may open the semaphore: see gate.
type orphans struct {
	running sync.WaitGroup

	mu      sync.Mutex
	watched map[uint64]*watch // by node; guarded by mu
	notices *notices          // nil until the first watch; guarded by mu
	closed  bool              // nothing is looked at any more; guarded by mu
}

// gate keeps everybody from opening a node.
type gate struct {
	done   chan struct{} // closed when the gate is open again
	again  bool          // somebody else wanted to look at the node meanwhile; guarded by openings.mu
	left   bool          // among them somebody for whom it was not armed (see lookForOrphan); guarded by openings.mu
	erased bool          // the node has no names any more; written before done is closed
}

func (o *orphans) init() { o.watched = make(map[uint64]*watch) }

// left is to be called when the last handle of a file was closed, without openings.mu, while the node is still referred to.
func (f *Filesystem) left(file *opened) {
	if f.semaphores.find(file.node) != nil {
		f.lookForOrphan(file.node, file.armed())
	}
}

// pass waits for a node's gate. The caller holds openings.mu, which is given up meanwhile. Error: ESTALE when the node has no names any
// more; the kernel then looks the name up again.
func (f *Filesystem) pass(node uint64) error {
	for {
		closed := f.openings.gates[node]
		if closed == nil {
			return nil
		}
		f.openings.mu.Unlock()
		<-closed.done
		f.openings.mu.Lock()
		if closed.erased {
			return errLookAgain
		}
	}
}

// lookForOrphan looks whether anybody uses a semaphore that nobody has open, if it has an attribute that matters. armed says that the
// attribute was set when nobody had it open: if nobody maps it either, nobody has left it.
func (f *Filesystem) lookForOrphan(node uint64, armed bool) {
	policy, err := f.orphanPolicy(node)
	if err != nil {
		f.log.Warn("reading what to do with a semaphore left by its users", "node", node, "reason", err)
	}
	if policy == orphanKeep && !f.orphans.watches(node) || !f.tree.Refer(node) {
		f.noteFoundOut(node)
		return
	}
	if !armed {
		f.semaphores.noteLeft(node, leftByAll)
	}
	settle := func() {
		f.settleOrphan(node, armed)
		f.forget(node, 1)
	}
	if !f.orphans.spawn(settle) {
		f.forget(node, 1)
	}
}

// lookForLeftBehind looks for orphans among the semaphores that were left before the process died that served before.
func (f *Filesystem) lookForLeftBehind() {
	for node, armed := range f.semaphores.allLeft() {
		f.lookForOrphan(node, armed)
	}
}

// settleOrphan finds out whether anybody uses a semaphore, and acts if nobody does.
func (f *Filesystem) settleOrphan(node uint64, armed bool) {
	for again := true; again; {
		closed := f.closeGate(node, armed)
		if closed == nil {
			return
		}
		closed.erased = f.settleBehindGate(node, armed)
		again, armed = f.openGate(node, closed)
	}
}

// closeGate closes a node's gate, unless somebody has it open: then the last who closes it looks again. Nil when there is nothing to do.
func (f *Filesystem) closeGate(node uint64, armed bool) *gate {
	f.openings.mu.Lock()
	defer f.openings.mu.Unlock()
	if f.openings.byNode[node] != nil {
		f.orphans.unwatch(node)
		return nil
	}
	if other := f.openings.gates[node]; other != nil {
		other.again, other.left = true, other.left || !armed
		return nil
	}
	closed := &gate{done: make(chan struct{})}
	f.openings.gates[node] = closed
	return closed
}

// openGate opens it again, and says whether somebody else wanted to look meanwhile, and if so whether for all of them it was armed.
func (f *Filesystem) openGate(node uint64, closed *gate) (again, armed bool) {
	f.openings.mu.Lock()
	defer f.openings.mu.Unlock()
	delete(f.openings.gates, node)
	close(closed.done)
	return closed.again, !closed.left
}

// settleBehindGate is settleOrphan while nobody can open the semaphore. It returns whether the names were removed.
func (f *Filesystem) settleBehindGate(node uint64, armed bool) (erased bool) {
	policy, err := f.orphanPolicy(node)
	if err != nil || policy == orphanKeep || f.semaphores.isPlain(node) {
		f.orphans.unwatch(node)
		f.noteFoundOut(node)
		return false
	}
	if f.agreed.passthrough {
		used, watchedBefore := f.watchUse(node)
		if used {
			f.semaphores.noteLeft(node, leftByAll) // it will be, also if the process dies before
			return false
		}
		armed = armed && !watchedBefore
	}
	f.orphans.unwatch(node)
	if !armed {
		erased = f.actOnOrphan(node, policy)
	}
	f.noteFoundOut(node)
	return erased
}

// actOnOrphan does what a semaphore's attribute asks for.
func (f *Filesystem) actOnOrphan(node uint64, policy string) (erased bool) {
	var err error
	switch policy {
	case orphanReset:
		err = f.resetOrphan(node)
	case orphanRemove:
		var links []objects.Link
		links, err = f.tree.Erase(node)
		f.forgetNames(links)
		erased = err == nil
	}
	if err != nil && !errors.Is(err, unix.ESTALE) { // else it has gone meanwhile
		f.log.Warn("a semaphore left by its users stays as it is", "node", node, "policy", policy, "reason", err)
		return erased
	}
	f.log.Debug("a semaphore was left by its users", "node", node, "policy", policy)
	return erased
}

// isPlain says whether a node was renamed to what is no semaphore's name.
func (s *semaphoreNodes) isPlain(id uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.byID[id]
	return known != nil && known.plain
}

// isMapped is for where the kernel gives no lease: nobody maps a node if two looks through all processes find nobody and leave out nobody.
func (f *Filesystem) isMapped(node uint64) bool {
	ctx, cancel := context.WithTimeout(context.Background(), longestScan)
	defer cancel()
	for range 2 {
		found, complete, err := f.census.ofNode(ctx, node)
		if err != nil || !complete || len(found) > 0 {
			return true
		}
	}
	return false
}
