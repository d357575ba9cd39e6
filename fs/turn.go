package fs

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"shmfs/fs/caller"
	"shmfs/fs/greed"
	"shmfs/fs/meter"
	"shmfs/objects"

	"bazil.org/fuse"
	"golang.org/x/sys/unix"
)

// A user who asks more at a time than the limit allows waits for their own requests, and others pass by. What waits is no goroutine, only the
// request: whoever has served one of that user's goes on with the next. A request that begins to wait for other clients gives up its turn, lest
// the one that it waits for never comes.

// turn is a request that was read and is not answered yet.
type turn struct {
	request    fuse.Request
	kernelNode uint64     // which the kernel's header named; the request's is the tree's
	kind       meter.Kind // as it is counted
	began      meter.Moment
	line       greed.Line
	limited    bool // has to have a turn, in that line
}

// lineOf returns the line in which a request waits for its turn; false when it is served at once.
//
// The kernel keeps a directory locked, for all users, while a name in it is looked for or changed, and while it asks what it must know for that.
// So those requests are in a line of their own, in which none takes long or waits for others. What is read for the page cache never
// waits: its pages are locked meanwhile, and whoever touches them waits too. Nor does what makes room.
func (f *Filesystem) lineOf(request fuse.Request) (line greed.Line, limited bool) {
	header := request.Hdr()
	if f.limits.exempts(header.Uid) {
		return greed.Main, false
	}
	switch r := request.(type) {
	case *fuse.ReleaseRequest, *fuse.FlushRequest, *fuse.DestroyRequest, *fuse.NotifyReply:
		return greed.Main, false
	case *fuse.LookupRequest, *fuse.CreateRequest, *fuse.MknodRequest, *fuse.MkdirRequest, *fuse.SymlinkRequest, *fuse.LinkRequest,
		*fuse.RemoveRequest, *fuse.RenameRequest:
		return greed.Names, true
	case *fuse.GetattrRequest:
		return lineOfNode(header), true
	case *fuse.GetxattrRequest:
		if strings.HasPrefix(r.Name, accessControl) {
			return greed.Names, true
		}
	case *fuse.ReadRequest:
		if r.Dir {
			return greed.Names, true
		}
		return greed.Main, r.Flags&fuse.ReadLockOwner != 0
	case *fuse.WriteRequest:
		return greed.Main, r.Flags&fuse.WriteCache == 0
	case *fuse.UnrecognizedRequest:
		switch r.Opcode {
		case opcodeRename2:
			return greed.Names, true
		case opcodeStatx:
			return lineOfNode(header), true
		}
	}
	return greed.Main, true
}

// accessControl is what the names of access control lists begin with.
const accessControl = "system.posix_acl_"

// lineOfNode is the line of what the kernel may ask while it has the node locked, if that is the root.
func lineOfNode(header *fuse.Header) greed.Line {
	if uint64(header.Node) == objects.RootID {
		return greed.Names
	}
	return greed.Main
}

// serveInTurn serves a request when it is its turn, and then those whose turn it is next.
func (f *Filesystem) serveInTurn(one turn) {
	if one.limited && !f.limits.turns.Begin(one.request.Hdr().Uid, one.line) && !f.park(one) {
		return
	}
	f.serveTurns(one)
}

// park has a request wait for its turn. True: that has come meanwhile.
func (f *Filesystem) park(one turn) bool {
	header := *one.request.Hdr()
	bytes := compact(one.request)
	if f.limits.turns.Queue(header.Uid, one.line, uint64(header.ID), bytes, one) {
		return true
	}
	if f.inflight.isInterrupted(header.ID) { // before it could be found
		f.endPark(header.ID)
	}
	return false
}

// serveTurns serves a request that has its turn, and then those that get the turn after it.
func (f *Filesystem) serveTurns(one turn) {
	for {
		header := *one.request.Hdr()
		if !f.serveOne(one) {
			return
		}
		next, found := f.limits.turns.End(header.Uid, one.line)
		if !found {
			return
		}
		one = next
		f.pulse.Beat()
		runtime.Gosched() // to whoever has read another user's request
	}
}

// spawnTurns has another goroutine do so.
func (f *Filesystem) spawnTurns(one turn) {
	f.pulse.Beat()
	f.readers.Go(func() { f.serveTurns(one) })
}

// serveOne answers a request, and says whether it still has a turn. A panic is a bug: it costs the request, not the mount.
func (f *Filesystem) serveOne(one turn) (hasTurn bool) {
	header := *one.request.Hdr()
	if one.limited {
		f.inflight.begunTurn(header.ID, one.line)
	}
	defer func() {
		f.attempts.end(header.ID)
		f.told.end(header.ID)
		if isResent(&header) {
			f.late.end(uint64(header.ID) &^ resent) // the request itself is another's by now
		}
		done := f.inflight.end(header.ID)
		if done.reserved {
			f.limits.handles.Give(header.Uid)
		}
		f.meter.Done(one.kind, done.errno, one.began)
		hasTurn = done.hasTurn
	}()
	defer func() {
		if cause := recover(); cause != nil {
			f.log.Error("panic while serving a request", "cause", cause, "stack", string(debug.Stack()))
			f.answerError(one.request, unix.EIO)
		}
	}()
	if err := f.reserveHandle(one.request); err != nil {
		f.fail(one.request, err)
		return
	}
	f.dispatch(one.request, one.kernelNode)
	return
}

// beginWait is to be called before a request begins to wait for other clients. It counts a call that waits, and gives up the request's turn.
// Error: EAGAIN when its user has as many as there may be; endWait must follow otherwise.
func (f *Filesystem) beginWait(header *fuse.Header) error {
	if isResent(header) { // it has waited before
		f.limits.waiters.Add(header.Uid)
	} else if err := f.limits.waiters.Take(header.Uid); err != nil {
		return fmt.Errorf("waiting: %w", err)
	}
	line, had := f.inflight.leaveTurn(header.ID)
	if !had {
		return nil
	}
	if next, found := f.limits.turns.End(header.Uid, line); found {
		f.spawnTurns(next)
	}
	return nil
}

func (f *Filesystem) endWait(header *fuse.Header) { f.limits.waiters.Give(header.Uid) }

// endPark answers a request that was interrupted while it waits for its turn, if its caller wants no other answer.
func (f *Filesystem) endPark(id fuse.RequestID) {
	waiting, found := f.limits.turns.Find(uint64(id))
	if !found || !f.wantsNoAnswer(waiting.request) {
		return
	}
	if waiting, found = f.limits.turns.Withdraw(uint64(id)); !found {
		return // its turn has come
	}
	f.answerErrorTo(waiting.request.Hdr(), unix.EINTR)
	f.inflight.end(id)
	f.meter.Done(waiting.kind, unix.EINTR, waiting.began)
}

// wantsNoAnswer says whether a request that was interrupted can be answered with EINTR: a call that may have to wait for others says so, and
// the rest when the process ends. Any other call would fail in a way that none of tmpfs does; and what comes again may have been done.
func (f *Filesystem) wantsNoAnswer(request fuse.Request) bool {
	if isResent(request.Hdr()) {
		return false
	}
	var id fuse.HandleID
	switch r := request.(type) {
	case *fuse.ReadRequest:
		id = r.Handle
	case *fuse.WriteRequest:
		id = r.Handle
	}
	if handle, err := f.handles.get(uint64(id)); err == nil && handle.waits() {
		return true
	}
	return caller.Dying(request.Hdr().Pid)
}

// waits says whether reading or writing may have to wait for other clients.
func (h *handle) waits() bool { return h.semaphore != nil || h.info != nil && h.info.events != nil }

// endParks forgets what waits for its turn: nobody is left to wait for an answer, or another process gives it.
func (f *Filesystem) endParks() {
	for _, waiting := range f.limits.turns.Close() {
		f.inflight.end(waiting.request.Hdr().ID)
		f.meter.Leave()
	}
}
