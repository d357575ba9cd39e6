package fs

import (
	"sync"

	"bazil.org/fuse"
	"golang.org/x/sys/unix"
)

// inflight knows the requests that are being served, so that an INTERRUPT that overtook its request can be told from one that
// came too late.
type inflight struct {
	mu   sync.Mutex
	byID map[fuse.RequestID]struct{} // guarded by mu
}

func (i *inflight) init() { i.byID = make(map[fuse.RequestID]struct{}) }

func (i *inflight) begin(id fuse.RequestID) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.byID[id] = struct{}{}
}

func (i *inflight) end(id fuse.RequestID) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.byID, id)
}

func (i *inflight) knows(id fuse.RequestID) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	_, known := i.byID[id]
	return known
}

// interrupt handles INTERRUPT. A request that is being served is left to finish: nothing served here waits for another
// client. One that is not known may not have been read yet: EAGAIN makes the kernel send the interrupt again, unless the
// request was answered meanwhile.
func (f *Filesystem) interrupt(request *fuse.InterruptRequest) {
	if f.inflight.knows(request.IntrID) {
		request.Respond()
		return
	}
	request.RespondError(unix.EAGAIN)
}
