package greed

import (
	"container/list"
	"sync"
)

// Line is where something waits for its turn. Those of one user are independent of each other, and each has as many turns at a time as
// the limit allows.
type Line uint8

const (
	Main  Line = iota
	Names      // for what other users may have to wait for: there it waits for nothing but its like
	lines = iota
)

const (
	// mostBytes is how much memory what waits may take of one user, roughly. What does not fit has its turn at once.
	mostBytes = 64 << 20

	// fewUsers are remembered though they ask nothing: most ask one thing after the other.
	fewUsers = 1024
)

// Turns lets users have so many things done at a time, each.
type Turns[T any] struct {
	mu     sync.Mutex
	limit  int                      // turns of a user in a line at a time; 0: no limit; guarded by mu
	users  map[uint32]*user[T]      // guarded by mu
	many   int                      // users at which those are forgotten who ask nothing; guarded by mu
	queued map[uint64]*list.Element // what waits, by key; guarded by mu
	closed bool                     // nothing waits any more; guarded by mu
}

// user is what one user asks. Its fields are guarded by Turns.mu.
type user[T any] struct {
	lines [lines]line
	bytes int // that what waits takes
}

type line struct {
	turns int       // that it has now
	queue list.List // of *waiter
}

// waiter is something that waits for its turn.
type waiter[T any] struct {
	uid   uint32
	line  Line
	key   uint64
	bytes int
	item  T
}

// NewTurns returns turns without a limit.
func NewTurns[T any]() *Turns[T] {
	return &Turns[T]{users: make(map[uint32]*user[T]), many: fewUsers, queued: make(map[uint64]*list.Element)}
}

// Begin gives a user a turn, unless they have as many as they may: then it is false, and Queue may follow. After true, End must.
func (t *Turns[T]) Begin(uid uint32, in Line) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.begin(t.user(uid), in)
}

// begin is Begin for who holds mu.
func (t *Turns[T]) begin(u *user[T], in Line) bool {
	if t.limit > 0 && u.lines[in].turns >= t.limit && !t.closed {
		return false
	}
	u.lines[in].turns++
	return true
}

// Queue has something wait for a turn, under a key that nothing else waits under; it takes so many bytes of memory. True: it has got its turn
// at once after all, and End must follow.
func (t *Turns[T]) Queue(uid uint32, in Line, key uint64, bytes int, item T) (now bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	u := t.user(uid)
	if t.begin(u, in) {
		return true
	}
	if bytes > mostBytes-u.bytes {
		u.lines[in].turns++
		return true
	}
	u.bytes += bytes
	t.queued[key] = u.lines[in].queue.PushBack(&waiter[T]{uid, in, key, bytes, item})
	return false
}

// End ends a turn, which whatever waits next in that line gets: that is returned, and another End must follow for it. It does nothing when
// the user has none.
func (t *Turns[T]) End(uid uint32, in Line) (next T, found bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	u := t.users[uid]
	if u == nil || u.lines[in].turns == 0 {
		return next, false
	}
	u.lines[in].turns--
	return t.next(u, in)
}

// next gives a turn to what waits first, if it may have it. The caller holds mu.
func (t *Turns[T]) next(u *user[T], in Line) (next T, found bool) {
	first := u.lines[in].queue.Front()
	if first == nil || !t.begin(u, in) {
		return next, false
	}
	return t.remove(first).item, true
}

// remove takes something out of its line. The caller holds mu.
func (t *Turns[T]) remove(element *list.Element) *waiter[T] {
	waiting := element.Value.(*waiter[T])
	u := t.users[waiting.uid]
	u.lines[waiting.line].queue.Remove(element)
	u.bytes -= waiting.bytes
	delete(t.queued, waiting.key)
	return waiting
}

// Find returns what waits under a key.
func (t *Turns[T]) Find(key uint64) (item T, found bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	element := t.queued[key]
	if element == nil {
		return item, false
	}
	return element.Value.(*waiter[T]).item, true
}

// Withdraw takes something out of its line. False: nothing waits under that key, any more.
func (t *Turns[T]) Withdraw(key uint64) (item T, found bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	element := t.queued[key]
	if element == nil {
		return item, false
	}
	return t.remove(element).item, true
}

// SetLimit sets how many turns a user may have at a time in a line; 0 is no limit. It returns what has its turn now: for each an End must
// follow.
func (t *Turns[T]) SetLimit(most int) []T {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.limit = most
	var now []T
	for _, u := range t.users {
		for in := range Line(lines) {
			for item, found := t.next(u, in); found; item, found = t.next(u, in) {
				now = append(now, item)
			}
		}
	}
	return now
}

// Close returns all that waits, none of which gets a turn. Nothing waits from then on.
func (t *Turns[T]) Close() []T {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	var all []T
	for _, element := range t.queued {
		all = append(all, t.remove(element).item)
	}
	return all
}

// user returns what a user asks. The caller holds mu.
func (t *Turns[T]) user(uid uint32) *user[T] {
	known := t.users[uid]
	if known == nil {
		if len(t.users) >= t.many {
			t.sweep()
		}
		known = &user[T]{}
		t.users[uid] = known
	}
	return known
}

// sweep forgets users who ask nothing. The caller holds mu.
func (t *Turns[T]) sweep() {
	for uid, u := range t.users {
		if u.idle() {
			delete(t.users, uid)
		}
	}
	t.many = max(fewUsers, 2*len(t.users))
}

// idle says whether a user asks nothing. What waits has somebody's turn to wait for.
func (u *user[T]) idle() bool {
	for in := range u.lines {
		if u.lines[in].turns > 0 {
			return false
		}
	}
	return true
}

// Figure is how much one user asks.
type Figure struct {
	Turns  int // that the user has now
	Queued int // things that wait for theirs
}

// Figures returns how much each user asks who asks anything.
func (t *Turns[T]) Figures() map[uint32]Figure {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make(map[uint32]Figure)
	for uid, u := range t.users {
		if u.idle() {
			continue
		}
		var figure Figure
		for in := range u.lines {
			figure.Turns += u.lines[in].turns
			figure.Queued += u.lines[in].queue.Len()
		}
		all[uid] = figure
	}
	return all
}

// Queued returns how many things wait.
func (t *Turns[T]) Queued() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.queued)
}
