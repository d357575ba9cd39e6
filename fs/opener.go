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

// openers knows which threads have opened a file and asked nothing about it since.
type openers struct {
	mu      sync.Mutex
	handles map[opener]uint64 // the handle opened last; guarded by mu
}

func (o *openers) init() { o.handles = make(map[opener]uint64) }

func openerOf(request fuse.Request) opener {
	header := request.Hdr()
	return opener{header.Pid, uint64(header.Node)}
}

func (o *openers) opened(by opener, handle uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.handles[by] = handle
}

// forget notes that a thread has gone on to something else.
func (o *openers) forget(by opener) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.handles, by)
}

// take says whether a thread has only opened the file so far, and forgets it.
func (o *openers) take(by opener) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, known := o.handles[by]
	delete(o.handles, by)
	return known
}

// closed notes that a handle is gone.
func (o *openers) closed(by opener, handle uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.handles[by] == handle {
		delete(o.handles, by)
	}
}

// noteOpener notes who made a handle that the kernel does not know yet.
func (f *Filesystem) noteOpener(r *fuse.OpenRequest, handle *handle) {
	if f.agreed.grants(initAtomicTruncate) {
		return
	}
	handle.opener = openerOf(r)
	f.openers.opened(handle.opener, handle.id)
}

// truncatesAtOpen says whether a SETATTR is an open's O_TRUNC. It must be asked once a request.
func (f *Filesystem) truncatesAtOpen(r *fuse.SetattrRequest) bool {
	const size = fuse.SetattrSize | fuse.SetattrLockOwner | setattrKillPrivileges
	opened := f.openers.take(openerOf(r))
	return opened && r.Valid.Size() && r.Size == 0 && r.Valid&^size == 0
}
