package journal

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Pace is how long those who wait may have to wait for an event that follows another closely.
const Pace = 20 * time.Millisecond

// Journal is where events are published. All methods may be called concurrently; none waits for a reader.
type Journal struct {
	dropped atomic.Uint64

	mu       sync.Mutex
	last     uint64               // number of the newest event; guarded by mu
	note     func(last uint64)    // told each number before anybody else; immutable
	ring     *ring                // nil while nobody reads; guarded by mu, but for reading what is in it
	readers  map[*Reader]struct{} // guarded by mu
	waiting  map[poller]func()    // whom to tell of the next event; guarded by mu
	woken    time.Time            // when those who waited were last told; guarded by mu
	wakening bool                 // they are about to be; guarded by mu
}

// poller is one who waits, by a key of the reader's choice.
type poller struct {
	reader *Reader
	key    uint64
}

// New returns a journal without events.
func New() *Journal { return Continue(0, func(uint64) {}) }

// Continue returns a journal whose events up to a number are gone. note is told the number of each event, in their order, so that they can be
// counted on by the next journal; it must be quick.
func Continue(last uint64, note func(last uint64)) *Journal {
	return &Journal{last: last, note: note, readers: make(map[*Reader]struct{}), waiting: make(map[poller]func())}
}

// Pass counts an event that nobody reads. False: somebody does, it was not counted and is to be published. It spares the
// publisher finding out what there is to say.
func (j *Journal) Pass() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.readers) > 0 {
		return false
	}
	j.count()
	return true
}

// Publish numbers an event and hands it to all who read. The event stays the caller's. Those who publish events of one object must do so in
// the order in which they happened.
func (j *Journal) Publish(event *Event) { j.PublishAs(event, func(uint64) {}) }

// PublishAs is Publish. before is told the event's number while no other event gets one, and before anybody else; it must be quick.
func (j *Journal) PublishAs(event *Event, before func(number uint64)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	before(j.last + 1)
	j.count()
	if len(j.readers) == 0 {
		return
	}
	now := time.Now()
	e := &entry{event: *event}
	e.event.Sequence = j.last
	if e.event.Time.IsZero() {
		e.event.Time = now
	}
	j.ring.push(e)
	if len(j.waiting) > 0 {
		j.wakeSoon(now)
	}
}

// count numbers an event. The caller holds mu.
func (j *Journal) count() {
	j.last++
	j.note(j.last)
}

// wakeSoon sees to it that those who wait are told, at once or when Pace is over. The caller holds mu.
func (j *Journal) wakeSoon(now time.Time) {
	if j.wakening {
		return
	}
	j.wakening = true
	if rest := Pace - now.Sub(j.woken); rest > 0 {
		time.AfterFunc(rest, j.wake)
	} else {
		go j.wake()
	}
}

// wake tells all who wait.
func (j *Journal) wake() {
	j.mu.Lock()
	told := slices.Collect(maps.Values(j.waiting))
	clear(j.waiting)
	j.woken, j.wakening = time.Now(), false
	j.mu.Unlock()
	for _, tell := range told {
		tell()
	}
}

// Published is the number of events so far.
func (j *Journal) Published() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.last
}

// Readers is the number of readers that are open.
func (j *Journal) Readers() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.readers)
}

// Dropped is how many events readers have been told, or are about to be told, that they missed; summed over all there ever were.
func (j *Journal) Dropped() uint64 { return j.dropped.Load() }

// Filter says whether a reader may know of an event, and whether of the process, too, that caused it. It is called by Read and
// Poll, for each event no more than once, and must not change the event.
type Filter func(event *Event) (visible, full bool)

// Subscribe returns a reader of what happens from now on; nil for the filter shows it everything. It must be closed.
func (j *Journal) Subscribe(filter Filter) *Reader { return j.subscribe(filter, 0) }

// SubscribeFrom is Subscribe for who reads on from an event, by its number, that may be gone: then it is told how many are.
func (j *Journal) SubscribeFrom(filter Filter, next uint64) *Reader { return j.subscribe(filter, next) }

func (j *Journal) subscribe(filter Filter, next uint64) *Reader {
	if filter == nil {
		filter = func(*Event) (bool, bool) { return true, true }
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ring == nil {
		j.ring = newRing(j.last)
	}
	if next == 0 || next > j.last {
		next = j.last + 1
	}
	r := &Reader{journal: j, ring: j.ring, filter: filter, next: next}
	j.readers[r] = struct{}{}
	return r
}

// unsubscribe forgets a reader, and returns whom it had asked to be told.
func (j *Journal) unsubscribe(r *Reader) []func() {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.readers, r)
	if len(j.readers) == 0 {
		j.ring = nil
	}
	var told []func()
	for waiting, tell := range j.waiting {
		if waiting.reader == r {
			told = append(told, tell)
			delete(j.waiting, waiting)
		}
	}
	return told
}

// await has somebody told of the next event, unless there is one behind a number already: then false.
func (j *Journal) await(who poller, after uint64, tell func()) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.last > after {
		return false
	}
	j.waiting[who] = tell
	return true
}

// remind has somebody told of the next event.
func (j *Journal) remind(who poller, tell func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.waiting[who] = tell
}

func (j *Journal) forget(who poller) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.waiting, who)
}
