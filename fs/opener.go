package fs

import (
	"sync"

	"bazil.org/fuse"
)

// Without initAtomicTruncate the kernel sends O_TRUNC as a SETATTR of size 0 behind the OPEN, and nothing in it tells it from
// that of truncate(2), which means something else: it leaves the times of an empty file alone, and a semaphore does not
// survive it. What comes before tells: truncate(2) checks the caller's right to write, for which the kernel asks for the file's
// attributes, since it may not keep them; an open has done so before its OPEN.

// opener is a thread that has opened a file.
type opener struct {
	thread uint32 // 0 for all threads that have no number where the daemon runs
	node   uint64
}

// openers knows which threads have opened a file and asked nothing about it since. So do the handles' rows, since whoever goes on must not
// take the O_TRUNC for a truncate(2).
type openers struct {
	mu      sync.Mutex
	handles map[opener]*handle // the handle opened last; guarded by mu, as handleAsked of their rows is
}

// nobodyAsked is handleAsked of a handle whose opener has asked nothing about the file since. 0 says that it has, or does not matter; anything else
// is the number of the SETATTR that was the first: if that was not answered it comes again.
const nobodyAsked = 1 << 63

func (o *openers) init() { o.handles = make(map[opener]*handle) }

func openerOf(request fuse.Request) opener {
	header := request.Hdr()
	return opener{header.Pid, uint64(header.Node)}
}

// opened notes that a file was opened. The handle has its row.
func (o *openers) opened(handle *handle) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if before := o.handles[handle.opener]; before != nil {
		if before.id > handle.id { // of a process that has died, and its rows are in any order
			handle.row.Store(handleAsked, 0)
			return
		}
		before.row.Store(handleAsked, 0)
	}
	o.handles[handle.opener] = handle
}

// asked notes that a thread has gone on to something else, for a SETATTR by its number, else 0. It says whether it has only opened the file so far.
func (o *openers) asked(by opener, request uint64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	handle := o.handles[by]
	if handle == nil {
		return false
	}
	delete(o.handles, by)
	handle.row.Store(handleAsked, request)
	return true
}

// closed notes that a handle is about to go, and its row with it.
func (o *openers) closed(handle *handle) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.handles[handle.opener] == handle {
		delete(o.handles, handle.opener)
	}
}

// noteOpener notes who makes a handle, which has no row yet.
func (f *Filesystem) noteOpener(r *fuse.OpenRequest, handle *handle) {
	if !f.agreed.grants(initAtomicTruncate) {
		handle.opener = openerOf(r)
	}
}

// takeUpOpener makes known who has opened a file by a handle of a process that has died, if that matters.
func (f *Filesystem) takeUpOpener(handle *handle) {
	asked := handle.row.Load(handleAsked)
	if asked == 0 {
		return
	}
	handle.opener = opener{handle.origin.Load().thread, handle.node}
	if asked == nobodyAsked {
		f.openers.opened(handle)
	}
}

// askedBefore says whether a request was the first that asked about a file, of a handle's opener, before it came again.
func (h *handleTable) askedBefore(request fuse.Request) bool {
	if !isResent(request.Hdr()) {
		return false
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	by, number := openerOf(request), numberOf(request)
	for _, handle := range h.byID {
		if handle.origin.Load() != nil && handle.opener == by && handle.row.Load(handleAsked) == number { // else it has no row yet
			return true
		}
	}
	return false
}

// truncatesAtOpen says whether a SETATTR is an open's O_TRUNC. It must be asked once a request.
func (f *Filesystem) truncatesAtOpen(r *fuse.SetattrRequest) bool {
	const size = fuse.SetattrSize | fuse.SetattrLockOwner | setattrKillPrivileges
	opened := f.openers.asked(openerOf(r), numberOf(r)) || f.handles.askedBefore(r)
	return opened && r.Valid.Size() && r.Size == 0 && r.Valid&^size == 0
}
