package fs

import (
	"sync"

	"shmfs/fs/greed"

	"bazil.org/fuse"
	"golang.org/x/sys/unix"
)

// inflight knows the requests that are being served, or wait for their turn, so that an INTERRUPT that overtook its request can be told
// from one that came too late, and that waiting for others can be ended.
type inflight struct {
	mu    sync.Mutex
	byID  map[fuse.RequestID]underway // guarded by mu
	ended bool                        // everything is interrupted; guarded by mu
}

// underway is one request that is being served.
type underway struct {
	interrupted chan struct{} // nil until somebody asks for it; closed when interrupted
	errno       unix.Errno    // with which it was answered
	line        greed.Line    // in which it has its turn
	hasTurn     bool          // and has not given it up
	reserved    bool          // a handle is counted for it that is not there yet
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

// end forgets a request, and returns what was known of it.
func (i *inflight) end(id fuse.RequestID) underway {
	i.mu.Lock()
	defer i.mu.Unlock()
	request := i.byID[id]
	delete(i.byID, id)
	return request
}

// change notes something of a request that is being served, if it is known, and returns what was known before.
func (i *inflight) change(id fuse.RequestID, note func(*underway)) (before underway) {
	i.mu.Lock()
	defer i.mu.Unlock()
	before, known := i.byID[id]
	if known {
		after := before
		note(&after)
		i.byID[id] = after
	}
	return before
}

// failed notes the error that a request is answered with.
func (i *inflight) failed(id fuse.RequestID, errno unix.Errno) {
	i.change(id, func(u *underway) { u.errno = errno })
}

// begunTurn notes that a request has its turn in a line.
func (i *inflight) begunTurn(id fuse.RequestID, line greed.Line) {
	i.change(id, func(u *underway) { u.line, u.hasTurn = line, true })
}

// leaveTurn notes that a request has given up its turn, and returns in which line it had one.
func (i *inflight) leaveTurn(id fuse.RequestID) (line greed.Line, had bool) {
	before := i.change(id, func(u *underway) { u.hasTurn = false })
	return before.line, before.hasTurn
}

// reserve notes that a handle is counted for a request.
func (i *inflight) reserve(id fuse.RequestID) {
	i.change(id, func(u *underway) { u.reserved = true })
}

// spendReserved says whether a handle is counted for a request, and notes that it is there.
func (i *inflight) spendReserved(id fuse.RequestID) bool {
	return i.change(id, func(u *underway) { u.reserved = false }).reserved
}

// isInterrupted says whether a request was interrupted.
func (i *inflight) isInterrupted(id fuse.RequestID) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.ended || i.byID[id].interrupted == interrupted
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

// interrupt handles INTERRUPT. A request that is being served is left to finish, but what waits for other clients ends its wait, and so does
// what waits for its turn, if its caller is about to end.
// One that is not known may not have been read yet: EAGAIN makes the kernel send the interrupt again, unless the request was
// answered meanwhile.
func (f *Filesystem) interrupt(request *fuse.InterruptRequest) {
	if f.inflight.interrupt(request.IntrID) {
		f.endPark(request.IntrID)
		request.Respond()
		return
	}
	request.RespondError(unix.EAGAIN)
}
