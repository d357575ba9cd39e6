package record

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// modelTables are the model's tables and how many words their rows have.
var modelTables = map[string]int{"narrow": 1, "rows": 3, "wide": 200}

// memoryModel is a memory, and what it must have.
type memoryModel struct {
	memory *Memory
	rows   map[uint64]Row // by their first word
	want   state
	next   uint64 // the first word of the next row
}

// TestSameAsModel does random things to a memory, some of which are cut off before a store at random, and opens it anew after
// each cut and now and then.
func TestSameAsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		memory, err := Create("record-test")
		if err != nil {
			t.Fatal(err)
		}
		m := &memoryModel{memory: memory, want: state{rows: map[string]map[uint64][]uint64{}, blobs: map[string]string{}}}
		defer func() { closeMemory(t, m.memory) }()
		m.find(t)
		t.Repeat(map[string]func(*rapid.T){
			"add":    func(t *rapid.T) { m.do(t, m.drawAdd(t)) },
			"store":  func(t *rapid.T) { m.do(t, m.drawStore(t)) },
			"remove": func(t *rapid.T) { m.do(t, m.drawRemove(t)) },
			"change": func(t *rapid.T) { m.do(t, m.drawChange(t)) },
			"text":   func(t *rapid.T) { m.do(t, m.drawText(t)) },
			"reopen": func(t *rapid.T) { m.reopen(t) },
			"":       func(t *rapid.T) { m.check(t, m.want) },
		})
	})
}

// deed is something to be done, and what it makes of the model.
type deed struct {
	run    func(t *rapid.T)
	change func(s state)
}

// do does it, perhaps not to its end.
func (m *memoryModel) do(t *rapid.T, d *deed) {
	if d == nil {
		return
	}
	after := m.want.clone()
	d.change(after)
	if !rapid.Bool().Draw(t, "cut") {
		d.run(t)
		m.want = after
		return
	}
	wasCut := cutBefore(rapid.IntRange(0, 40).Draw(t, "before store"), func() { d.run(t) })
	m.reopen(t)
	if found := stateOf(t, m.memory); found.equal(after) {
		m.want = after
	} else if !wasCut {
		t.Fatalf("%v is not %v", found, after)
	}
}

// reopen opens the memory as the next process would.
func (m *memoryModel) reopen(t *rapid.T) {
	next, err := Open(duplicate(t, m.memory))
	if err != nil {
		t.Fatal(err)
	}
	closeMemory(t, m.memory)
	m.memory = next
	m.find(t)
}

// find finds the rows.
func (m *memoryModel) find(t *rapid.T) {
	m.rows = map[uint64]Row{}
	for name, words := range modelTables {
		for row, values := range openTable(t, m.memory, name, words).Each {
			m.rows[values[0]] = row
		}
	}
}

func (m *memoryModel) check(t *rapid.T, want state) {
	if found := stateOf(t, m.memory); !found.equal(want) {
		t.Fatalf("%v is not %v", found, want)
	}
	for name, rows := range m.memory.Rows() {
		if rows != len(want.rows[name]) {
			t.Fatalf("%d rows of the table %s are used, want %d", rows, name, len(want.rows[name]))
		}
	}
}

func (s state) clone() state {
	copied := state{rows: map[string]map[uint64][]uint64{}, blobs: maps.Clone(s.blobs)}
	for name, rows := range s.rows {
		copied.rows[name] = map[uint64][]uint64{}
		for first, values := range rows {
			copied.rows[name][first] = slices.Clone(values)
		}
	}
	return copied
}

// put and drop change a model.
func (s state) put(table string, values []uint64) {
	if s.rows[table] == nil {
		s.rows[table] = map[uint64][]uint64{}
	}
	s.rows[table][values[0]] = values
}

func (s state) drop(table string, first uint64) {
	delete(s.rows[table], first)
	if len(s.rows[table]) == 0 {
		delete(s.rows, table)
	}
}

func drawTable(t *rapid.T) string {
	return rapid.SampledFrom(slices.Sorted(maps.Keys(modelTables))).Draw(t, "table")
}

// drawRow draws one of the rows that there are; false if there is none.
func (m *memoryModel) drawRow(t *rapid.T) (table string, first uint64, found bool) {
	table = drawTable(t)
	rows := slices.Sorted(maps.Keys(m.want.rows[table]))
	if len(rows) == 0 {
		return "", 0, false
	}
	return table, rapid.SampledFrom(rows).Draw(t, "row"), true
}

// drawValues draws a row of a table, some of whose words are left out.
func (m *memoryModel) drawValues(t *rapid.T, table string) (values, whole []uint64) {
	m.next++
	values = append([]uint64{m.next}, rapid.SliceOfN(rapid.Uint64(), 0, min(4, modelTables[table]-1)).Draw(t, "values")...)
	whole = make([]uint64, modelTables[table])
	copy(whole, values)
	return values, whole
}

func (m *memoryModel) drawAdd(t *rapid.T) *deed {
	table := drawTable(t)
	values, whole := m.drawValues(t, table)
	return &deed{
		run: func(t *rapid.T) {
			m.rows[values[0]] = addRow(t, openTable(t, m.memory, table, modelTables[table]), values...)
		},
		change: func(s state) { s.put(table, whole) },
	}
}

func (m *memoryModel) drawStore(t *rapid.T) *deed {
	table, first, found := m.drawRow(t)
	if !found || modelTables[table] == 1 {
		return nil
	}
	word, value := rapid.IntRange(1, modelTables[table]-1).Draw(t, "word"), rapid.Uint64().Draw(t, "value")
	return &deed{
		run:    func(*rapid.T) { m.rows[first].Store(word, value) },
		change: func(s state) { s.rows[table][first][word] = value },
	}
}

func (m *memoryModel) drawRemove(t *rapid.T) *deed {
	table, first, found := m.drawRow(t)
	if !found {
		return nil
	}
	return &deed{run: func(*rapid.T) { m.rows[first].Remove() }, change: func(s state) { s.drop(table, first) }}
}

// drawChange draws a transaction of several deeds.
func (m *memoryModel) drawChange(t *rapid.T) *deed {
	var steps []func(c *Change)
	var changes []func(s state)
	added := map[uint64]*Row{}
	removed := map[uint64]bool{}
	for i := range rapid.IntRange(0, 6).Draw(t, "steps") {
		table, first, found := m.drawRow(t)
		switch kind := rapid.SampledFrom([]string{"add", "set", "remove"}).Draw(t, fmt.Sprint("step ", i)); {
		case kind == "add":
			table := drawTable(t)
			values, whole := m.drawValues(t, table)
			row := new(Row)
			added[values[0]] = row
			steps = append(steps, func(c *Change) { *row = c.Add(openTable(t, m.memory, table, modelTables[table]), values...) })
			changes = append(changes, func(s state) { s.put(table, whole) })
		case !found || removed[first]:
		case kind == "remove":
			removed[first] = true
			steps = append(steps, func(c *Change) { c.Remove(m.rows[first]) })
			changes = append(changes, func(s state) { s.drop(table, first) })
		case modelTables[table] > 1:
			word, value := rapid.IntRange(1, modelTables[table]-1).Draw(t, "word"), rapid.Uint64().Draw(t, "value")
			steps = append(steps, func(c *Change) { c.Set(m.rows[first], word, value) })
			changes = append(changes, func(s state) { s.rows[table][first][word] = value })
		}
	}
	return &deed{
		run: func(t *rapid.T) {
			c := m.memory.Change()
			for _, step := range steps {
				step(c)
			}
			commit(t, c)
			for first, row := range added {
				m.rows[first] = *row
			}
		},
		change: func(s state) {
			for _, change := range changes {
				change(s)
			}
		},
	}
}

func (m *memoryModel) drawText(t *rapid.T) *deed {
	name := rapid.SampledFrom([]string{"one", "two"}).Draw(t, "blob")
	text := rapid.StringN(0, 60, 200).Draw(t, "text")
	return &deed{
		run: func(t *rapid.T) {
			blob, err := m.memory.Blob(name)
			if err == nil {
				err = blob.Store([]byte(text))
			}
			if err != nil {
				t.Fatal(err)
			}
		},
		change: func(s state) { s.blobs[name] = text },
	}
}
