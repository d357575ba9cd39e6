package fs

import (
	"sync"
	"sync/atomic"

	"bazil.org/fuse"
)

// resending lasts until all requests have come again that do: those that a process had read and not answered when it died.
//
// The kernel puts them before all that nobody has read yet (fuse_resend in its fs/fuse/dev.c), so the first other request that is read after
// them ends it. INTERRUPT and FORGET tell nothing, since they have queues of their own. Readers take turns as long as it lasts: whoever has
// read that other request knows that those before it are noted.
type resending struct {
	lasts atomic.Bool

	turn sync.Mutex      // held while a request is read, as long as it lasts
	came map[uint64]bool // the numbers of those that came; guarded by turn
}

// begin is called before anybody is served.
func (r *resending) begin() {
	r.came = make(map[uint64]bool)
	r.lasts.Store(true)
}

// next reads and decodes one request.
func (f *Filesystem) next() (fuse.Request, error) {
	r := &f.resending
	if !r.lasts.Load() {
		return f.readOne()
	}
	r.turn.Lock()
	if !r.lasts.Load() {
		r.turn.Unlock()
		return f.readOne()
	}
	defer r.turn.Unlock()
	request, err := f.readOne()
	if err == nil {
		f.noteResent(request)
	}
	return request, err
}

// noteResent notes a request that came again, or that none does any more: then what was kept for requests that were answered is dropped.
// The caller holds resending.turn.
func (f *Filesystem) noteResent(request fuse.Request) {
	r := &f.resending
	switch request.(type) {
	case *fuse.InterruptRequest, *fuse.ForgetRequest, *fuse.BatchForgetRequest:
		return
	}
	if isResent(request.Hdr()) {
		r.came[numberOf(request)] = true
		return
	}
	f.attempts.keepOnly(r.came)
	f.told.keepOnly(r.came)
	f.late.keepOnly(r.came)
	f.requests.keepOnly(r.came)
	r.came = nil
	r.lasts.Store(false)
}
