package record

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Change is a transaction: stores in several rows that are made all or not at all, whenever the process dies. Nothing is
// stored before Commit. It is for one goroutine; others may make changes of their own at the same time, but not of the same words.
type Change struct {
	memory  *Memory
	entries []entry
	err     error // what Commit will return
	few     [4]entry
}

// entry is one store of a change.
type entry struct {
	table *Table // of a state word; else nil
	word  *uint64
	value uint64
	freed bool // the store has made a row free
}

// Change begins a transaction.
func (m *Memory) Change() *Change {
	c := &Change{memory: m}
	c.entries = c.few[:0]
	return c
}

// Set sets a word of a row. The last of several settings of a word counts.
func (c *Change) Set(row Row, word int, value uint64) {
	if !c.mine(row) {
		return
	}
	if !row.has(word) {
		c.fail(fmt.Errorf("setting word %d of a row of %d: %w", word, row.table.width, unix.EINVAL))
		return
	}
	c.entries = append(c.entries, entry{word: row.word(word), value: value})
}

// Add makes a row with these values; further words are 0. Until Commit has succeeded, the row is only for this change's other
// methods. It is the zero Row if there is an error, which Commit will return.
func (c *Change) Add(table *Table, values ...uint64) Row {
	if table.memory != c.memory {
		c.fail(fmt.Errorf("adding a row to the table %q of another record: %w", table.name, unix.EINVAL))
		return Row{}
	}
	row, err := table.take(values) // filled at once: nobody looks at a free row
	if err != nil {
		c.fail(fmt.Errorf("adding a row to the table %q: %w", table.name, err))
		return Row{}
	}
	c.entries = append(c.entries, entry{table: table, word: row.state, value: stateUsed})
	return row
}

// Remove frees a row. It does nothing to a row that is free already.
func (c *Change) Remove(row Row) {
	if c.mine(row) {
		c.entries = append(c.entries, entry{table: row.table, word: row.state, value: stateFree})
	}
}

// Commit makes the change. If there is an error, nothing is changed and the rows that were added are none. Afterwards the Change is
// empty and can be used for another.
//
// Errors: the first of Set, Add and Remove: EINVAL for a word that a row does not have, for more values than words, for a row of
// another memory and for none; ENOMEM and ENOSPC when the memory cannot grow; E2BIG for more than 65,536 stores, a row added or removed
// being one.
func (c *Change) Commit() error {
	defer c.reset()
	if c.err != nil {
		c.giveUp()
		return fmt.Errorf("changing the record: %w", c.err)
	}
	if len(c.entries) <= 1 { // one store needs no log
		c.apply()
		c.release()
		return nil
	}
	l, err := c.memory.takeLog(len(c.entries))
	if err != nil {
		c.giveUp()
		return fmt.Errorf("changing the record: %w", err)
	}
	c.memory.write(l, c.entries)
	c.apply()
	c.memory.clear(l)
	c.memory.logs.give(l)
	c.release() // not before the seal is cleared, or doing it again could free a row that is another's by then
	return nil
}

// Cancel drops what the change would do. The rows that it would have added are none.
func (c *Change) Cancel() {
	c.giveUp()
	c.reset()
}

func (c *Change) apply() {
	for i := range c.entries {
		e := &c.entries[i]
		if e.table != nil && e.value == stateFree {
			e.freed = replace(e.word, stateUsed, stateFree)
			continue
		}
		store(e.word, e.value)
	}
}

// release lets the rows be used again that the change has freed.
func (c *Change) release() {
	for _, e := range c.entries {
		if e.freed {
			e.table.release(Row{table: e.table, state: e.word})
		}
	}
}

// giveUp lets the rows be used again that would have been added.
func (c *Change) giveUp() {
	for _, e := range c.entries {
		if e.table != nil && e.value == stateUsed {
			e.table.release(Row{table: e.table, state: e.word})
		}
	}
}

func (c *Change) reset() {
	clear(c.entries)
	c.entries, c.err = c.entries[:0], nil
}

func (c *Change) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

// mine is whether the row is one of the change's memory; else the change has failed.
func (c *Change) mine(row Row) bool {
	if row.table == nil || row.table.memory != c.memory {
		c.fail(fmt.Errorf("a row of another record, or none: %w", unix.EINVAL))
		return false
	}
	return true
}
