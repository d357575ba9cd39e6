package journal

import "sync/atomic"

// Room is how many events a reader may be behind before it misses some.
const Room = 1 << 16

const (
	// heaviest is how many bytes the texts of all events in the ring may take; the oldest go early beyond that. 1 KiB each is more than
	// names usually are, and one who makes only names of 4,000 bytes must not fill the daemon's memory with them.
	heaviest = Room << 10
	// longestKept is the longest line that is kept for other readers, in bytes.
	longestKept = 512
)

// entry is an event in the ring.
type entry struct {
	event Event                // immutable
	kept  atomic.Pointer[line] // its text, once somebody has read it
}

// line encodes the event, unless another reader has.
func (e *entry) line() *line {
	if kept := e.kept.Load(); kept != nil {
		return kept
	}
	made := encode(&e.event)
	if len(made.text) <= longestKept {
		e.kept.Store(made)
	}
	return made
}

// ring has the newest events. One goroutine at a time pushes; any number read.
type ring struct {
	slots  []atomic.Pointer[entry] // an event is in the slot of its number modulo Room
	oldest atomic.Uint64           // no event before it is there
	newest atomic.Uint64           // no event after it is there
	weight int                     // of all events in it, bytes; the pusher's
	limit  int                     // of weight: heaviest; immutable
}

// newRing returns a ring that begins behind an event.
func newRing(last uint64) *ring {
	r := &ring{slots: make([]atomic.Pointer[entry], Room), limit: heaviest}
	r.oldest.Store(last + 1)
	r.newest.Store(last)
	return r
}

func (r *ring) slot(number uint64) *atomic.Pointer[entry] { return &r.slots[number%Room] }

// push appends the event that follows the newest.
func (r *ring) push(e *entry) {
	number := e.event.Sequence
	r.weight += e.event.weight()
	for oldest := r.oldest.Load(); number-oldest >= Room || r.weight > r.limit && oldest < number; oldest++ {
		r.oldest.Store(oldest + 1) // before the slot changes: who finds it changed looks here
		r.weight -= r.slot(oldest).Swap(nil).event.weight()
	}
	r.slot(number).Store(e)
	r.newest.Store(number)
}

// at returns an event, or nil if it is there no more. It must have been pushed.
func (r *ring) at(number uint64) *entry {
	e := r.slot(number).Load()
	if e == nil || e.event.Sequence != number {
		return nil
	}
	return e
}
