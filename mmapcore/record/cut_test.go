package record

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// state is all that a memory of the tests has, by name.
type state struct {
	rows  map[string]map[uint64][]uint64
	blobs map[string]string
}

func (s state) equal(other state) bool {
	sameRows := func(a, b map[uint64][]uint64) bool { return maps.EqualFunc(a, b, slices.Equal) }
	return maps.EqualFunc(s.rows, other.rows, sameRows) && maps.Equal(s.blobs, other.blobs)
}

func stateOf(t tester, m *Memory) state {
	t.Helper()
	s := state{rows: map[string]map[uint64][]uint64{}, blobs: map[string]string{}}
	for name, table := range m.tables {
		if rows := contents(t, table); len(rows) > 0 {
			s.rows[name] = rows
		}
	}
	for name, blob := range m.blobs {
		text, err := blob.Load()
		if err != nil {
			t.Fatal(err)
		}
		if text != nil {
			s.blobs[name] = string(text)
		}
	}
	return s
}

// bed is a memory with something in it.
type bed struct {
	memory      *Memory
	left, right *Table
	one, two    Row
	blob        *Blob
}

func newBed(t tester) bed {
	m := newMemory(t)
	b := bed{memory: m, left: openTable(t, m, "left", 2), right: openTable(t, m, "right", 60)}
	b.one, b.two = addRow(t, b.left, 1, 40), addRow(t, b.left, 2, 60)
	blob, err := m.Blob("text")
	if err != nil {
		t.Fatal(err)
	}
	b.blob = blob
	for _, text := range []string{"first text", "second text"} {
		if err := blob.Store([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// steps are what a cut must leave done or not done.
var steps = map[string]func(t tester, b bed){
	"add":    func(t tester, b bed) { addRow(t, b.left, 3, 3) },
	"store":  func(t tester, b bed) { b.one.Store(1, 41) },
	"remove": func(t tester, b bed) { b.two.Remove() },
	"move between rows": func(t tester, b bed) {
		c := b.memory.Change()
		c.Set(b.one, 1, 50)
		c.Set(b.two, 1, 50)
		commit(t, c)
	},
	"all at once": func(t tester, b bed) {
		c := b.memory.Change()
		c.Set(b.one, 1, 0)
		row := c.Add(b.right, 7, 8, 9)
		c.Set(row, 59, 100)
		c.Remove(b.two)
		c.Remove(c.Add(b.left, 5))
		commit(t, c)
	},
	"many, and a larger log": func(t tester, b bed) {
		c := b.memory.Change()
		for i := range uint64(300) {
			c.Add(b.left, 1000+i, i)
		}
		commit(t, c)
	},
	"remove and use again": func(t tester, b bed) {
		c := b.memory.Change()
		c.Remove(b.two)
		c.Set(c.Add(b.left, 3), 1, 60)
		commit(t, c)
	},
	"new table": func(t tester, b bed) { addRow(t, openTable(t, b.memory, "new", 4), 1, 2, 3, 4) },
	"shorter text": func(t tester, b bed) {
		if err := b.blob.Store([]byte("third")); err != nil {
			t.Fatal(err)
		}
	},
	"longer text": func(t tester, b bed) {
		if err := b.blob.Store([]byte(strings.Repeat("third", 30))); err != nil {
			t.Fatal(err)
		}
	},
	"new text": func(t tester, b bed) {
		blob, err := b.memory.Blob("new")
		if err != nil {
			t.Fatal(err)
		}
		if err := blob.Store(nil); err != nil {
			t.Fatal(err)
		}
	},
}

// TestCutBeforeEveryStore ends each step before each of its stores. Then also the recovery is ended before each of its stores. What
// is found at last is all of the step or nothing of it, and can be worked with.
func TestCutBeforeEveryStore(t *testing.T) {
	for name, step := range steps {
		t.Run(name, func(t *testing.T) {
			whole := newBed(t)
			before := stateOf(t, whole.memory)
			step(t, whole)
			after := stateOf(t, reopen(t, whole.memory))
			if before.equal(after) {
				t.Fatal("the step does nothing")
			}
			var done, undone, again int
			for number := 0; ; number = following(number) {
				b := newBed(t)
				if !cutBefore(number, func() { step(t, b) }) {
					break
				}
				again += cutRecovery(t, b.memory)
				m := reopen(t, b.memory)
				switch found := stateOf(t, m); {
				case found.equal(before):
					undone++
				case found.equal(after):
					done++
				default:
					t.Fatalf("cut before store %d: %v is neither %v nor %v", number, found, before, after)
				}
				checkUsable(t, m)
				closeMemory(t, m)
				closeMemory(t, b.memory)
			}
			if undone == 0 {
				t.Fatal("no cut has left the step undone")
			}
			if strings.Contains(name, "at once") && (done == 0 || again == 0) {
				t.Fatalf("%d cuts have left it done, %d cut its recovery", done, again)
			}
		})
	}
}

// following is the next store to cut before: each of the first, and some of very many.
func following(number int) int {
	if number < 150 {
		return number + 1
	}
	return number + 23
}

// cutRecovery ends the opening before its stores, and says how many it made.
func cutRecovery(t tester, m *Memory) (stores int) {
	for number := 0; ; number = following(number) {
		next, err := attach(duplicate(t, m))
		if err != nil {
			t.Fatal(err)
		}
		wasCut := cutBefore(number, func() { err = next.recover() })
		if err != nil {
			t.Fatalf("recovery, to be cut before store %d: %v", number, err)
		}
		closeMemory(t, next)
		if !wasCut {
			return number
		}
	}
}

// checkUsable demands that rows can be added without touching the others.
func checkUsable(t tester, m *Memory) {
	t.Helper()
	want := stateOf(t, m)
	for _, table := range m.tables {
		rows := want.rows[table.name]
		if rows == nil {
			rows = map[uint64][]uint64{}
			want.rows[table.name] = rows
		}
		for i := range uint64(50) {
			values := make([]uint64, table.width)
			values[0] = 1<<50 + i
			addRow(t, table, values...)
			rows[values[0]] = values
		}
	}
	next := reopen(t, m)
	if found := stateOf(t, next); !found.equal(want) {
		t.Fatalf("after adding rows there are %v, not %v", found, want)
	}
	closeMemory(t, next)
}

func (s state) String() string { return fmt.Sprintf("%v %v", s.rows, s.blobs) }
