package greed

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"
)

// place is a user's line.
type place struct {
	uid  uint32
	line Line
}

// turnsModel is what Turns should be, in plain words.
type turnsModel struct {
	turns  *Turns[uint64] // its items are their keys
	limit  int
	closed bool
	now    map[place]int      // turns that are had
	queue  map[place][]uint64 // keys that wait
	next   uint64
}

func (m *turnsModel) draw(t *rapid.T) place {
	return place{rapid.Uint32Range(1, 3).Draw(t, "uid"), Line(rapid.IntRange(0, lines-1).Draw(t, "line"))}
}

func (m *turnsModel) free(p place) bool { return m.limit == 0 || m.now[p] < m.limit || m.closed }

func (m *turnsModel) begin(t *rapid.T) {
	p := m.draw(t)
	free := m.free(p)
	if got := m.turns.Begin(p.uid, p.line); got != free {
		t.Fatalf("Begin of %v with %d of %d: %v", p, m.now[p], m.limit, got)
	}
	if free {
		m.now[p]++
		return
	}
	m.next++
	if m.turns.Queue(p.uid, p.line, m.next, 100, m.next) {
		t.Fatalf("a turn for %v, who has %d of %d", p, m.now[p], m.limit)
	}
	m.queue[p] = append(m.queue[p], m.next)
}

// queueLate has something wait whose turn has come since Begin.
func (m *turnsModel) queueLate(t *rapid.T) {
	p := m.draw(t)
	m.next++
	now := m.turns.Queue(p.uid, p.line, m.next, 100, m.next)
	if now != m.free(p) {
		t.Fatalf("Queue of %v with %d of %d: %v", p, m.now[p], m.limit, now)
	}
	if now {
		m.now[p]++
	} else {
		m.queue[p] = append(m.queue[p], m.next)
	}
}

func (m *turnsModel) end(t *rapid.T) {
	p := m.draw(t)
	if m.now[p] == 0 {
		return
	}
	m.now[p]--
	next, found := m.turns.End(p.uid, p.line)
	if found != (len(m.queue[p]) > 0 && m.free(p)) {
		t.Fatalf("End for %v, with %d of %d left and %d that wait: %v", p, m.now[p], m.limit, len(m.queue[p]), found)
	}
	if !found {
		return
	}
	if next != m.queue[p][0] {
		t.Fatalf("the turn of %d, want %d", next, m.queue[p][0])
	}
	m.queue[p] = m.queue[p][1:]
	m.now[p]++
}

func (m *turnsModel) withdraw(t *rapid.T) {
	p := m.draw(t)
	if len(m.queue[p]) == 0 {
		if _, found := m.turns.Withdraw(m.next + 1); found {
			t.Fatal("what never was is withdrawn")
		}
		return
	}
	i := rapid.IntRange(0, len(m.queue[p])-1).Draw(t, "which")
	key := m.queue[p][i]
	if item, found := m.turns.Find(key); !found || item != key {
		t.Fatalf("Find: %d, %v", item, found)
	}
	if item, found := m.turns.Withdraw(key); !found || item != key {
		t.Fatalf("Withdraw: %d, %v", item, found)
	}
	if _, found := m.turns.Find(key); found {
		t.Fatal("what is withdrawn is found")
	}
	m.queue[p] = slices.Delete(m.queue[p], i, i+1)
}

func (m *turnsModel) setLimit(t *rapid.T) {
	m.limit = rapid.IntRange(0, 3).Draw(t, "limit")
	var want []uint64
	for p := range m.queue {
		for len(m.queue[p]) > 0 && m.free(p) {
			want = append(want, m.queue[p][0])
			m.queue[p] = m.queue[p][1:]
			m.now[p]++
		}
	}
	got := m.turns.SetLimit(m.limit)
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Fatalf("with a limit of %d it is the turn of %v, want %v", m.limit, got, want)
	}
}

func (m *turnsModel) close(t *rapid.T) {
	if rapid.IntRange(0, 9).Draw(t, "close") > 0 {
		return
	}
	var want []uint64
	for _, queue := range m.queue {
		want = append(want, queue...)
	}
	clear(m.queue)
	m.closed = true
	got := m.turns.Close()
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Fatalf("Close returned %v, want %v", got, want)
	}
}

func (m *turnsModel) check(t *rapid.T) {
	figures := map[uint32]Figure{}
	queued := 0
	for p, now := range m.now {
		f := figures[p.uid]
		figures[p.uid] = Figure{f.Turns + now, f.Queued + len(m.queue[p])}
		queued += len(m.queue[p])
	}
	got := m.turns.Figures()
	for uid, figure := range figures {
		if got[uid] != figure {
			t.Fatalf("user %d: %+v, want %+v", uid, got[uid], figure)
		}
	}
	if m.turns.Queued() != queued {
		t.Fatalf("%d wait, want %d", m.turns.Queued(), queued)
	}
}

// Whatever happens, turns are had in their order, no user has more than the limit allows, and nothing waits for nothing.
func TestTurnsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &turnsModel{turns: NewTurns[uint64](), now: map[place]int{}, queue: map[place][]uint64{}}
		t.Repeat(map[string]func(*rapid.T){
			"begin": m.begin, "begin again": m.begin, "queue late": m.queueLate, "end": m.end, "end again": m.end,
			"withdraw": m.withdraw, "limit": m.setLimit, "close": m.close, "": m.check,
		})
	})
}

// What would take too much memory has its turn at once.
func TestTurnsBoundMemory(t *testing.T) {
	turns := NewTurns[int]()
	turns.SetLimit(1)
	if !turns.Begin(7, Main) || !turns.Begin(7, Names) {
		t.Fatal("no turn")
	}
	const part = mostBytes / 4
	for i := range 4 {
		if turns.Queue(7, Main, uint64(i), part, i) {
			t.Fatalf("a turn at once, with %d bytes that wait", i*part)
		}
	}
	if !turns.Queue(7, Names, 10, part, 10) || !turns.Queue(7, Main, 11, 1, 11) {
		t.Error("it waits, though its like takes as much memory as may be")
	}
	if turns.Begin(8, Main); turns.Queue(8, Main, 12, part, 12) {
		t.Error("another user's memory counts")
	}
	if item, found := turns.Withdraw(0); !found || item != 0 {
		t.Fatalf("Withdraw: %d, %v", item, found)
	}
	if turns.Queue(7, Main, 13, part, 13) {
		t.Error("a turn at once, though there is memory again")
	}
	if item, found := turns.End(7, Main); found { // two are had, of one allowed
		t.Errorf("the turn of %d, beyond the limit", item)
	}
	for _, want := range []int{1, 2, 3, 13} {
		if item, found := turns.End(7, Main); !found || item != want {
			t.Errorf("the turn of %d, %v, want %d", item, found, want)
		}
	}
}

// However many ids come and go, those who ask nothing are forgotten.
func TestTurnsForgetUsers(t *testing.T) {
	turns := NewTurns[int]()
	turns.SetLimit(1)
	for uid := range uint32(100 * fewUsers) {
		turns.Begin(uid, Main)
		if uid >= 10 {
			turns.End(uid, Main)
		}
	}
	if len(turns.users) > 2*fewUsers {
		t.Errorf("%d users are remembered", len(turns.users))
	}
	if figures := turns.Figures(); len(figures) != 10 {
		t.Errorf("%d users have a turn, want 10", len(figures))
	}
	for uid := range uint32(10) {
		if turns.Begin(uid, Main) {
			t.Errorf("user %d, who has a turn, was forgotten", uid)
		}
	}
}

func TestEndingATurnThatNobodyHas(t *testing.T) {
	turns := NewTurns[int]()
	turns.SetLimit(1)
	turns.End(7, Main)
	if !turns.Begin(7, Main) || turns.Begin(7, Main) {
		t.Error("a user may have one turn")
	}
	turns.End(7, Names)
	if turns.Begin(7, Main) {
		t.Error("the end in one line counts in another")
	}
}

// Many ask at the same time: everything is done once, and never more at a time than may be.
func TestTurnsConcurrently(t *testing.T) {
	const users, askers, each, most = 2, 6, 1500, 3
	turns := NewTurns[uint64]()
	turns.SetLimit(most)
	var now, done [users]atomic.Int64
	var all sync.WaitGroup
	serve := func(u int, key uint64) {
		for {
			if at := now[u].Add(1); at > most {
				t.Errorf("user %d is served %d times at once", u, at)
			}
			if key%64 == 0 {
				runtime.Gosched()
			}
			done[u].Add(1)
			now[u].Add(-1)
			next, found := turns.End(uint32(u), Main)
			if !found {
				return
			}
			key = next
		}
	}
	for u := range users {
		for asker := range askers {
			all.Go(func() {
				for i := range each {
					key := uint64((u*askers+asker)*each + i)
					if turns.Begin(uint32(u), Main) || turns.Queue(uint32(u), Main, key, 10, key) {
						serve(u, key)
					}
				}
			})
		}
	}
	all.Wait()
	for u := range users {
		if got := done[u].Load(); got != askers*each {
			t.Errorf("%d of user %d's were done, want %d", got, u, askers*each)
		}
	}
	if left := turns.Queued(); left != 0 || len(turns.Figures()) != 0 {
		t.Errorf("%d wait, of %v", left, turns.Figures())
	}
}
