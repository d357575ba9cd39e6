package fs

import (
	"slices"
	"sync"
	"sync/atomic"

	"shmfs/fs/journal"
	"shmfs/mmapcore/crashpoint"
	"shmfs/mmapcore/record"

	"bazil.org/fuse"
)

// What a request has caused is told before it is answered. If it comes again, it must not be told again: so as long as somebody reads events, the
// record has which were told of requests that are not answered yet.
//
// A row is there before its event is numbered. Whoever goes on finds by the number that was counted last whether it came to that: those
// who read then are told of it, or that they have missed it.

// The words of the row of an event that was told.
const (
	toldRequest = iota
	toldKind    // its place in toldKinds
	toldNumber  // the event's
	toldWords
)

// toldKinds are the kinds of events that a request may cause, each once.
var toldKinds = []journal.Kind{
	journal.Create, journal.Open, journal.Close, journal.Resize, journal.Unlink, journal.Rename, journal.Link, journal.Chmod, journal.HolderDied,
	journal.NoSpace, journal.Quota,
}

// tellings knows those events.
type tellings struct {
	state *state // immutable

	some atomic.Int64 // counts rows, so that requests pay nothing while nobody reads

	mu        sync.Mutex
	byRequest map[uint64][]toldEvent // by the request's number; guarded by mu
}

type toldEvent struct {
	kind uint64
	row  record.Row
}

func (t *tellings) init(state *state) {
	t.state = state
	t.byRequest = make(map[uint64][]toldEvent)
}

// takeUp makes known what a process that has died had told.
func (t *tellings) takeUp() {
	last := t.state.numbers.Load(numberEvents)
	for row, words := range t.state.told.Each {
		if words[toldNumber] > last {
			row.Remove()
			continue
		}
		t.add(words[toldRequest], toldEvent{words[toldKind], row})
	}
}

func (t *tellings) add(request uint64, event toldEvent) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.byRequest[request] = append(t.byRequest[request], event)
	t.some.Add(1)
}

// was says whether an event of a request was told.
func (t *tellings) was(request uint64, kind journal.Kind) bool {
	if t.some.Load() == 0 {
		return false
	}
	wanted := uint64(slices.Index(toldKinds, kind))
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.ContainsFunc(t.byRequest[request], func(event toldEvent) bool { return event.kind == wanted })
}

// note notes an event that is about to get its number. Without memory for it, it may be told twice.
func (t *tellings) note(request uint64, kind journal.Kind, number uint64) {
	place := uint64(slices.Index(toldKinds, kind))
	row, err := t.state.told.Add(request, place, number)
	if err == nil {
		t.add(request, toldEvent{place, row})
	}
	crashpoint.Here("fs: an event is about to be told")
}

// end forgets what was told of a request that is answered.
func (t *tellings) end(id fuse.RequestID) {
	if t.some.Load() == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drop(uint64(id) &^ resent)
}

// keepOnly forgets all but requests of these numbers.
func (t *tellings) keepOnly(numbers map[uint64]bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for request := range t.byRequest {
		if !numbers[request] {
			t.drop(request)
		}
	}
}

// drop forgets what was told of a request. The caller holds mu.
func (t *tellings) drop(request uint64) {
	for _, event := range t.byRequest[request] {
		event.row.Remove()
		t.some.Add(-1)
	}
	delete(t.byRequest, request)
}

// tellOnce tells of what a request has caused, by its number, unless that was told before it came again. 0 is no request.
func (f *Filesystem) tellOnce(request uint64, event *journal.Event) {
	switch {
	case request == 0:
		f.journal.Publish(event)
		return
	case f.told.was(request, event.Kind):
		return
	}
	f.journal.PublishAs(event, func(number uint64) { f.told.note(request, event.Kind, number) })
	crashpoint.Here("fs: an event is told")
}
