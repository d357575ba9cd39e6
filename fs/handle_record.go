package fs

import (
	"time"

	"shmfs/mmapcore/record"

	"bazil.org/fuse"
)

// The words of a handle's row in the record. It is there from before the reply that tells the kernel of the handle until the handle is
// closed.
const (
	handleID         = iota
	handleNode       // in the tree
	handleKernelNode // what the kernel calls it
	handleKind       // see kind
	handleOpening    // number of the opening of a regular file, else 0
	handleRequest    // the request that made it
	handleFlags      // open(2)'s below, the reply's above
	handleOpener     // thread below, uid above
	handleSince      // nanoseconds since 1970
	handleGroup      // gid of who opened it
	handlePoll       // what wakes those who poll it, 0: nobody ever did
	handleHeld       // units of a semaphore that are held through it
	handleHolder     // the process that acquired them
	handleCommand    // and what it ran, two words
	_
	handleRead   // of events: the request that read last
	handleBefore // the event to be read next before that request
	handleAfter  // and after it
	handleAsked  // see nobodyAsked
	handleDied   // units that came back because the handle is being closed
	handleRest   // of events: see restBefore; of a text that is not kept: the bytes at its end that nobody has read
	handleText   // of a text of the daemon's own tree, or of a line of events that was cut: its length and 1
	handleDigest // of a text that is not kept: what tells those that were read from others, else 0
	handleWords
)

// Kinds of handles.
const (
	kindFile = 1 + iota
	kindDirectory
	kindSemaphore
	kindInfo
	kindMask = 0xff

	kindWrites  = 1 << 8 // a semaphore's handle whose user may wait in a write
	kindPassing = 1 << 9 // who holds it makes the semaphore under a passing name
)

// The words of an opening's row.
const (
	openingNumber = iota
	openingNode
	openingAccess  // O_RDONLY, O_WRONLY or O_RDWR below; openingShared and openingReferred
	openingBacking // backing id, 0: none
	openingReleased
	openingAttribute // see opened.lastRelease, opened.attributeSet
	openingWords
)

const (
	openingShared   = 1 << 8
	openingReferred = 1 << 9
)

// kind is what a handle is, for its row.
func (h *handle) kind() uint64 {
	switch {
	case h.info != nil:
		return kindInfo
	case h.listing != nil:
		return kindDirectory
	case h.semaphore == nil:
		return kindFile
	}
	kind := uint64(kindSemaphore)
	h.semaphore.mu.Lock()
	defer h.semaphore.mu.Unlock()
	if h.semaphore.writes {
		kind |= kindWrites
	}
	if h.semaphore.passing {
		kind |= kindPassing
	}
	return kind
}

// recordHandle has a handle outlive the process: made by a request, with open(2)'s flags and those of the reply.
func (f *Filesystem) recordHandle(request fuse.Request, handle *handle, flags, replied uint32) error {
	header := request.Hdr()
	from := &origin{header.Pid, header.Uid, flags, time.Now()}
	words := make([]uint64, handleWords)
	words[handleID], words[handleNode], words[handleKernelNode] = handle.id, handle.node, handle.kernelNode
	words[handleKind] = handle.kind()
	if handle.opened != nil {
		words[handleOpening] = handle.opened.row.Load(openingNumber)
	}
	words[handleRequest] = numberOf(request)
	words[handleFlags] = uint64(flags) | uint64(replied)<<32
	words[handleOpener] = uint64(from.thread) | uint64(from.uid)<<32
	words[handleSince] = uint64(from.since.UnixNano())
	words[handleGroup] = uint64(header.Gid)
	if handle.opener != (opener{}) {
		words[handleAsked] = nobodyAsked
	}
	if handle.info != nil && handle.info.events != nil {
		position := handle.info.events.Position()
		words[handleBefore], words[handleAfter] = position, position
	}
	if handle.info.isText() {
		f.recordOpenText(handle, words)
	}
	row, err := f.state.handles.Add(words...)
	if err != nil {
		return err
	}
	handle.row = row
	f.inflight.spendReserved(header.ID) // it is the handle that the request has reserved
	handle.origin.Store(from)
	return nil
}

// resent marks the number of a request that the kernel sends again.
const resent = 1 << 63

// isResent says whether a request was sent to another process before.
func isResent(header *fuse.Header) bool { return uint64(header.ID)&resent != 0 }

// numberOf is a request's number, the same when it comes again.
func numberOf(request fuse.Request) uint64 { return uint64(request.Hdr().ID) &^ resent }

// recordOpening has an opening outlive the process.
func (f *Filesystem) recordOpening(file *opened) error {
	access := uint64(file.access)
	if file.shared {
		access |= openingShared
	}
	if file.referred {
		access |= openingReferred
	}
	row, err := f.state.openings.Add(f.state.next(numberOpening), file.node, access, uint64(file.backingID))
	file.row = row
	return err
}

// originOf is who made a handle, as its row says.
func originOf(words []uint64) *origin {
	return &origin{
		thread: uint32(words[handleOpener]), uid: uint32(words[handleOpener] >> 32), flags: uint32(words[handleFlags]),
		since: time.Unix(0, int64(words[handleSince])),
	}
}

// removeRow ends a row, if there is one.
func removeRow(row record.Row) {
	if row != (record.Row{}) {
		row.Remove()
	}
}
