package fs

import (
	"sync"

	"bazil.org/fuse"
	"golang.org/x/sys/unix"
)

// inflight knows the requests that are being served, so that an INTERRUPT that overtook its request can be told from one that
// came too late, and that waiting for others can be ended.
type inflight struct {
	mu    sync.Mutex
	byID  map[fuse.RequestID]chan struct{} // nil until somebody asks for it; closed when interrupted; guarded by mu
	ended bool                             // everything is interrupted; guarded by mu
}

// interrupted is the channel of all requests that were interrupted before they asked for one.
var interrupted = func() chan struct{} {
	channel := make(chan struct{})
	close(channel)
	return channel
}()

func (i *inflight) init() { i.byID = make(map[fuse.RequestID]chan struct{}) }

func (i *inflight) begin(id fuse.RequestID) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.byID[id] = nil
}

func (i *inflight) end(id fuse.RequestID) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.byID, id)
}

// interruption returns a channel that is closed when a request that is being served is interrupted, or has been.
func (i *inflight) interruption(id fuse.RequestID) <-chan struct{} {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.ended {
		return interrupted
	}
	if i.byID[id] == nil {
		i.byID[id] = make(chan struct{})
	}
	return i.byID[id]
}

// interrupt interrupts a request; false when it is not being served.
func (i *inflight) interrupt(id fuse.RequestID) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	channel, known := i.byID[id]
	if known {
		i.byID[id] = endWait(channel)
	}
	return known
}

// interruptAll interrupts what is being served and what is still to come.
func (i *inflight) interruptAll() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.ended = true
	for id, channel := range i.byID {
		i.byID[id] = endWait(channel)
	}
}

func endWait(channel chan struct{}) chan struct{} {
	if channel != nil && channel != interrupted {
		close(channel)
	}
	return interrupted
}

// interrupt handles INTERRUPT. A request that is being served is left to finish, but what waits for other clients ends its wait.
// One that is not known may not have been read yet: EAGAIN makes the kernel send the interrupt again, unless the request was
// answered meanwhile.
func (f *Filesystem) interrupt(request *fuse.InterruptRequest) {
	if f.inflight.interrupt(request.IntrID) {
		request.Respond()
		return
	}
	request.RespondError(unix.EAGAIN)
}
