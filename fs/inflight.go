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
	byID  map[fuse.RequestID]underway // guarded by mu
	ended bool                        // everything is interrupted; guarded by mu
}

// underway is one request that is being served.
type underway struct {
	interrupted chan struct{} // nil until somebody asks for it; closed when interrupted
	errno       unix.Errno    // with which it was answered
}

// interrupted is the channel of all requests that were interrupted before they asked for one.
var interrupted = func() chan struct{} {
	channel := make(chan struct{})
	close(channel)
	return channel
}()

func (i *inflight) init() { i.byID = make(map[fuse.RequestID]underway) }

func (i *inflight) begin(id fuse.RequestID) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.byID[id] = underway{}
}

// end forgets a request, and returns the error that it was answered with, or 0.
func (i *inflight) end(id fuse.RequestID) unix.Errno {
	i.mu.Lock()
	defer i.mu.Unlock()
	errno := i.byID[id].errno
	delete(i.byID, id)
	return errno
}

// failed notes the error that a request is answered with.
func (i *inflight) failed(id fuse.RequestID, errno unix.Errno) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if request, known := i.byID[id]; known {
		request.errno = errno
		i.byID[id] = request
	}
}

// interruption returns a channel that is closed when a request that is being served is interrupted, or has been.
func (i *inflight) interruption(id fuse.RequestID) <-chan struct{} {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.ended {
		return interrupted
	}
	request := i.byID[id]
	if request.interrupted == nil {
		request.interrupted = make(chan struct{})
		i.byID[id] = request
	}
	return request.interrupted
}

// interrupt interrupts a request; false when it is not being served.
func (i *inflight) interrupt(id fuse.RequestID) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	request, known := i.byID[id]
	if known {
		i.byID[id] = request.endWait()
	}
	return known
}

// interruptAll interrupts what is being served and what is still to come.
func (i *inflight) interruptAll() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.ended = true
	for id, request := range i.byID {
		i.byID[id] = request.endWait()
	}
}

func (u underway) endWait() underway {
	if u.interrupted != nil && u.interrupted != interrupted {
		close(u.interrupted)
	}
	u.interrupted = interrupted
	return u
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
