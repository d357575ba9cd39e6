package record

import (
	"fmt"
	"math"
	"sync"

	"golang.org/x/sys/unix"
)

const (
	maxWidth = 255 // words of a row

	// A table's next chunk is as large as all before it, within these bounds: small tables are to be small, and large ones to
	// have few chunks and little that is not used.
	minTableChunk = 2048   // words: 16 KiB
	maxTableChunk = 131072 // words: 1 MiB
)

// The state words of rows. A chunk begins as zeros, so all its rows are free.
const (
	stateFree = 0
	stateUsed = 0x757365642d726f77
)

// Table is a set of rows of so many words each. All methods may be called concurrently.
type Table struct {
	memory *Memory // immutable
	name   string  // immutable
	width  int     // words of a row, without the state word; immutable

	mu     sync.Mutex // guards what follows
	chunks []chunk    // only ever appended to
	size   uint64     // of all chunks
	free   []uint32   // state words of free rows, but those from fresh on
	fresh  uint64     // the state word of the next row that was never used
	end    uint64     // behind the last such row
	used   int        // rows that are neither free nor fresh
}

// Table opens the table of that name, or makes it, with rows of so many words, 1 to 255. The name has 1 to 64 bytes.
//
// Errors: EINVAL for such a number or name, and for a table whose rows have another number of words; ENOMEM and ENOSPC when the
// memory cannot grow.
func (m *Memory) Table(name string, words int) (*Table, error) {
	doing := fmt.Sprintf("opening the table %q of the record", name)
	if err := checkName(name); err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	if words < 1 || words > maxWidth {
		return nil, fmt.Errorf("%s: rows of %d words: %w", doing, words, unix.EINVAL)
	}
	m.naming.Lock()
	defer m.naming.Unlock()
	table := m.tables[name]
	if table == nil {
		table = &Table{memory: m, name: name, width: words}
		if err := table.grow(); err != nil { // not before it has a chunk is it remembered
			return nil, fmt.Errorf("%s: %w", doing, err)
		}
		m.tables[name] = table
	}
	if table.width != words {
		return nil, fmt.Errorf("%s: its rows have %d words, not %d: %w", doing, table.width, words, unix.EINVAL)
	}
	return table, nil
}

// Add makes a row with these values; further words are 0. It is there whole or not at all.
//
// Errors: EINVAL for more values than words; ENOMEM and ENOSPC when the memory cannot grow.
func (t *Table) Add(values ...uint64) (Row, error) {
	row, err := t.take(values)
	if err != nil {
		return Row{}, fmt.Errorf("adding a row to the table %q: %w", t.name, err)
	}
	store(row.state, stateUsed)
	return row, nil
}

// Each calls yield for every row until it returns false. The values are the row's words; they are overwritten by the next
// row's. A row that is added or removed meanwhile may be seen or not, with some words from before a change and some from after it.
// yield may add, change and remove rows.
func (t *Table) Each(yield func(row Row, values []uint64) bool) {
	t.mu.Lock()
	chunks := t.chunks // those behind its end do not matter
	t.mu.Unlock()
	values := make([]uint64, t.width)
	for _, c := range chunks {
		for i := range c.rows() {
			row := t.row(c.body() + i*t.stride())
			if load(row.state) != stateUsed {
				continue
			}
			for word := range values {
				values[word] = row.Load(word)
			}
			if !yield(row, values) {
				return
			}
		}
	}
}

// Rows returns how many rows of each table are used, by the tables' names. Those that are about to be added count, and those that are being
// removed.
func (m *Memory) Rows() map[string]int {
	m.naming.Lock()
	defer m.naming.Unlock()
	rows := make(map[string]int, len(m.tables))
	for name, table := range m.tables {
		table.mu.Lock()
		rows[name] = table.used
		table.mu.Unlock()
	}
	return rows
}

// stride is how far rows are apart.
func (t *Table) stride() uint64 { return uint64(t.width) + 1 }

// row is the row with its state word at an address.
func (t *Table) row(address uint64) Row { return Row{table: t, state: t.memory.at(address)} }

// take takes a free row and fills it. It is not there before its state word is stored.
func (t *Table) take(values []uint64) (Row, error) {
	if len(values) > t.width {
		return Row{}, fmt.Errorf("%d values for %d words: %w", len(values), t.width, unix.EINVAL)
	}
	address, err := t.allocate()
	if err != nil {
		return Row{}, err
	}
	row := t.row(address)
	for word, value := range values {
		store(row.word(word), value)
	}
	for word := len(values); word < t.width; word++ {
		store(row.word(word), 0)
	}
	return row, nil
}

// allocate finds the state word of a free row, which nobody else finds before release.
func (t *Table) allocate() (uint64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if last := len(t.free) - 1; last >= 0 {
		address := t.free[last]
		t.free = t.free[:last]
		t.used++
		return uint64(address), nil
	}
	if t.fresh == t.end {
		if err := t.grow(); err != nil {
			return 0, err
		}
	}
	address := t.fresh
	t.fresh += t.stride()
	t.used++
	return address, nil
}

// release lets the row be used again. Its state word must say that it is free, and no sealed log may touch it.
func (t *Table) release(row Row) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.free = append(t.free, uint32(t.memory.address(row.state)))
	t.used--
}

// grow adds a chunk, when there is no fresh row left. It is called with mu held, or before anyone else has the table.
func (t *Table) grow() error {
	size := min(max(t.size, minTableChunk), maxTableChunk)
	c, err := t.memory.add(kindTable, size, uint64(t.width), t.name)
	if err != nil {
		return err
	}
	t.chunks = append(t.chunks, c)
	t.size += c.size
	t.fresh, t.end = c.body(), c.body()+c.rows()*t.stride()
	return nil
}

// scan finds the free rows of a table that another process has made.
func (t *Table) scan() error {
	for _, c := range t.chunks {
		t.size += c.size
		t.fresh, t.end = c.body(), c.body()+c.rows()*t.stride()
		// Behind the last row that is used all are as good as fresh.
		for address := t.fresh; address < t.end; address += t.stride() {
			switch state := load(t.memory.at(address)); state {
			case stateFree:
			case stateUsed:
				t.forget(t.fresh, address)
				t.fresh = address + t.stride()
				t.used++
			default:
				return mangled("the state of the row at %d is %#x", address, state)
			}
		}
		if c.end() != t.chunks[len(t.chunks)-1].end() {
			t.forget(t.fresh, t.end)
		}
	}
	return nil
}

// forget puts the rows between two addresses on the list of free rows.
func (t *Table) forget(from, to uint64) {
	for address := from; address < to; address += t.stride() {
		t.free = append(t.free, uint32(address))
	}
}

var _ [math.MaxUint32 - (limit - 1)]struct{} // addresses fit Table.free
