package journal

import (
	"bytes"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Reader reads the events that follow its subscription. All methods may be called concurrently.
type Reader struct {
	journal *Journal // immutable
	ring    *ring    // immutable
	filter  Filter   // immutable; called with mu held

	mu     sync.Mutex
	next   uint64 // number of the event to be read next; guarded by mu
	missed uint64 // events before it that the reader has not been told of yet; guarded by mu
	found  *entry // the event before next, which the reader may see and has not read yet; guarded by mu
	full   bool   // it may see all of found; guarded by mu
	rest   []byte // of a line that did not fit; guarded by mu
	closed bool   // guarded by mu
}

// Read fills into with whole lines, as many as there are and fit, and returns how many bytes they are. Only a line that would not fit by itself is
// cut; what is left of it is read next. It does not wait. Errors: EAGAIN when there is nothing to read, os.ErrClosed, EINVAL when there is no
// room at all.
func (r *Reader) Read(into []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return 0, fmt.Errorf("reading events: %w", os.ErrClosed)
	case len(into) == 0:
		return 0, fmt.Errorf("reading events into no room: %w", unix.EINVAL)
	}
	text := r.appendRest(into[:0:len(into)])
	for len(r.rest) == 0 && r.find() {
		line, full := r.line()
		switch {
		case line.length(full) <= cap(text)-len(text):
			text = line.appendTo(text, full)
		case len(text) == 0:
			r.rest = line.appendTo(nil, full)
			text = r.appendRest(text)
		default:
			return len(text), nil
		}
		r.told()
	}
	if len(text) == 0 {
		return 0, fmt.Errorf("reading events: there is none: %w", unix.EAGAIN)
	}
	return len(text), nil
}

func (r *Reader) appendRest(text []byte) []byte {
	part := min(len(r.rest), cap(text)-len(text))
	text = append(text, r.rest[:part]...)
	r.rest = r.rest[part:]
	return text
}

// find says whether there is something to tell, and makes it found or missed. The caller holds mu.
func (r *Reader) find() bool {
	for r.missed == 0 && r.found == nil && r.next <= r.ring.newest.Load() {
		e := r.ring.at(r.next)
		if e == nil {
			oldest := r.ring.oldest.Load()
			r.missed = oldest - r.next
			r.next = oldest
			r.journal.dropped.Add(r.missed)
			break
		}
		r.next++
		if visible, full := r.filter(&e.event); visible {
			r.found, r.full = e, full
		}
	}
	return r.missed > 0 || r.found != nil
}

// Position is the number of the event that is to be told of next.
func (r *Reader) Position() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.next - r.missed
	if r.found != nil {
		at--
	}
	return at
}

// Rest is what is left of a line that was cut; empty if none was.
func (r *Reader) Rest() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Clone(r.rest)
}

// Rewind goes back to an event, by its number, and what was left of a line before it: what it was told of since did not arrive.
func (r *Reader) Rewind(next uint64, rest []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next, r.missed, r.found, r.rest = min(next, r.next), 0, nil, bytes.Clone(rest)
}

// line is what find found. The caller holds mu.
func (r *Reader) line() (l *line, full bool) {
	if r.missed > 0 {
		return encodeDropped(r.missed, time.Now()), true
	}
	return r.found.line(), r.full
}

// told forgets what find found. The caller holds mu.
func (r *Reader) told() {
	if r.missed > 0 {
		r.missed = 0
	} else {
		r.found = nil
	}
}

// Poll says whether there is something to read. If not, and unless tell is nil, tell is called once when that may have changed, by
// a goroutine that holds no lock; a second poll with the same key takes the place of the first. When the reader is closed tell is called, too,
// and Poll says that there is something: an error.
func (r *Reader) Poll(key uint64, tell func()) (readable bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		if r.closed || len(r.rest) > 0 || r.find() {
			return true
		}
		if tell == nil || r.journal.await(poller{r, key}, r.next-1, tell) {
			return false
		}
	}
}

// Remind has tell called once when there is another event, whether or not there is one already; otherwise it is as with Poll.
func (r *Reader) Remind(key uint64, tell func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.journal.remind(poller{r, key}, tell)
	}
}

// Unpoll forgets a poller. It may be told all the same, if that has begun.
func (r *Reader) Unpoll(key uint64) { r.journal.forget(poller{r, key}) }

// Close ends the reader. Events that it had not come to are not counted as dropped.
func (r *Reader) Close() {
	r.mu.Lock()
	r.closed, r.found, r.rest = true, nil, nil
	r.mu.Unlock()
	for _, tell := range r.journal.unsubscribe(r) {
		tell()
	}
}
