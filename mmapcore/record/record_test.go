package record

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRowsOutliveTheProcess(t *testing.T) {
	m := newMemory(t)
	table := openTable(t, m, "handles", 3)
	want := map[uint64][]uint64{}
	rows := map[uint64]Row{}
	for i := uint64(1); i <= 5000; i++ { // several chunks
		rows[i] = addRow(t, table, i, i*i)
		want[i] = []uint64{i, i * i, 0}
	}
	for i := uint64(1); i <= 5000; i += 3 {
		rows[i].Remove()
		delete(want, i)
		rows[i+1].Store(2, 7*i)
		want[i+1][2] = 7 * i
	}
	if found := contents(t, table); !maps.EqualFunc(found, want, slices.Equal) {
		t.Fatal("the rows differ from what was stored")
	}
	if found := contents(t, openTable(t, reopen(t, m), "handles", 3)); !maps.EqualFunc(found, want, slices.Equal) {
		t.Fatal("the rows differ from what was stored, once it is opened again")
	}
}

func TestFreedRowsAreUsedAgain(t *testing.T) {
	m := newMemory(t)
	table := openTable(t, m, "rows", 6)
	fill := func(table *Table) {
		var rows []Row
		for i := range uint64(20_000) {
			rows = append(rows, addRow(t, table, i, 2, 3, 4, 5, 6))
		}
		c := table.memory.Change()
		for _, row := range rows[:100] {
			c.Remove(row)
		}
		commit(t, c)
		for _, row := range rows[100:] {
			row.Remove()
			row.Remove() // for nothing
		}
	}
	fill(table)
	size := m.end
	for range 3 {
		fill(table)
	}
	next := reopen(t, m)
	fill(openTable(t, next, "rows", 6))
	if m.end != size || next.end != size {
		t.Fatalf("the memory has grown from %d words to %d and %d", size, m.end, next.end)
	}
	if status, err := m.File().Stat(); err != nil || status.Size() != int64(size*wordSize) {
		t.Fatalf("the file has %d bytes, not %d (%v)", status.Size(), size*wordSize, err)
	}
}

func TestChange(t *testing.T) {
	m := newMemory(t)
	handles, inodes := openTable(t, m, "handles", 2), openTable(t, m, "inodes", 3)
	inode := addRow(t, inodes, 10, 1, 1)
	gone := addRow(t, handles, 1, 10)

	c := m.Change()
	handle := c.Add(handles, 2, 10)
	passing := c.Add(handles, 3, 10)
	c.Set(handle, 1, 11)
	c.Set(inode, 1, 5)
	c.Set(inode, 1, 6)
	c.Remove(gone)
	c.Remove(gone)
	c.Remove(passing)
	if len(contents(t, handles)) != 1 || inode.Load(1) != 1 {
		t.Fatal("a change was made before Commit")
	}
	commit(t, c)
	for _, m := range []*Memory{m, reopen(t, m)} {
		wantRows(t, openTable(t, m, "handles", 2), []uint64{2, 11})
		wantRows(t, openTable(t, m, "inodes", 3), []uint64{10, 6, 1})
	}
	commit(t, c) // is empty now
	one, two := addRow(t, handles, 4), addRow(t, handles, 5)
	if one == two || one == handle || two == handle {
		t.Fatal("a row that was removed twice is used twice")
	}
}

// wantRows demands that a table has these rows and no others, which begin with different words.
func wantRows(t *testing.T, table *Table, rows ...[]uint64) {
	t.Helper()
	want := map[uint64][]uint64{}
	for _, row := range rows {
		want[row[0]] = row
	}
	if found := contents(t, table); !maps.EqualFunc(found, want, slices.Equal) {
		t.Fatalf("the rows are %v, not %v", found, want)
	}
}

func TestChangeThatFailsChangesNothing(t *testing.T) {
	m, other := newMemory(t), newMemory(t)
	table, foreign := openTable(t, m, "rows", 2), openTable(t, other, "rows", 2)
	row, strange := addRow(t, table, 1, 1), addRow(t, foreign, 1, 1)
	for name, spoil := range map[string]func(c *Change){
		"word past the row":     func(c *Change) { c.Set(row, 2, 1) },
		"word before the row":   func(c *Change) { c.Set(row, -1, 1) },
		"too many values":       func(c *Change) { c.Add(table, 1, 2, 3) },
		"row of another record": func(c *Change) { c.Set(strange, 0, 1) },
		"removal in another":    func(c *Change) { c.Remove(strange) },
		"no row":                func(c *Change) { c.Remove(Row{}) },
		"table of another":      func(c *Change) { c.Add(foreign, 1) },
	} {
		c := m.Change()
		c.Set(row, 1, 99)
		added := c.Add(table, 2, 2)
		spoil(c)
		wantError(t, c.Commit(), unix.EINVAL)
		wantRows(t, table, []uint64{1, 1})
		again := addRow(t, table, 3)
		if again != added {
			t.Errorf("%s: the row that was to be added is lost", name)
		}
		again.Remove()
		c.Add(table, 4)
		c.Cancel()
		wantRows(t, table, []uint64{1, 1})
	}
	c := m.Change()
	for range maxEntries + 1 {
		c.Set(row, 1, 5)
	}
	wantError(t, c.Commit(), unix.E2BIG)
	for i := range uint64(maxEntries) {
		c.Set(row, 1, i)
	}
	commit(t, c)
	wantRows(t, table, []uint64{1, maxEntries - 1})
}

func TestBlob(t *testing.T) {
	m := newMemory(t)
	blob := func(m *Memory) *Blob {
		t.Helper()
		blob, err := m.Blob("options")
		if err != nil {
			t.Fatal(err)
		}
		return blob
	}
	if text, err := blob(m).Load(); text != nil || err != nil {
		t.Fatalf("a blob that was never stored is %q, %v", text, err)
	}
	for _, text := range []string{"", "a", "size=1G,mode=1777", strings.Repeat("0123456789", 6553) + "012345", "short", "12345678"} {
		if err := blob(m).Store([]byte(text)); err != nil {
			t.Fatal(err)
		}
		for _, m := range []*Memory{m, reopen(t, m)} {
			if found, err := blob(m).Load(); err != nil || !bytes.Equal(found, []byte(text)) || found == nil {
				t.Fatalf("the blob is %q, %v, not %q", found, err, text)
			}
		}
	}
	wantError(t, blob(m).Store(make([]byte, maxBlob+1)), unix.EFBIG)
	if found, err := blob(m).Load(); err != nil || string(found) != "12345678" {
		t.Fatalf("the blob is %q, %v after an error", found, err)
	}
}

func TestWrongNamesAndWidths(t *testing.T) {
	m := newMemory(t)
	openTable(t, m, "rows", 2)
	longest := strings.Repeat("n", maxName)
	openTable(t, m, longest, 255)
	for _, m := range []*Memory{m, reopen(t, m)} {
		for name, words := range map[string]int{"rows": 3, longest: 1, "": 1, longest + "n": 1, "none": 0, "minus": -1, "wide": 256} {
			_, err := m.Table(name, words)
			wantError(t, err, unix.EINVAL)
		}
		for _, name := range []string{"", longest + "n"} {
			_, err := m.Blob(name)
			wantError(t, err, unix.EINVAL)
		}
	}
	_, err := openTable(t, m, "rows", 2).Add(1, 2, 3)
	wantError(t, err, unix.EINVAL)
	wantRows(t, openTable(t, m, "rows", 2))
}

func TestWordPastTheRow(t *testing.T) {
	row := addRow(t, openTable(t, newMemory(t), "rows", 2), 1, 2)
	for _, word := range []int{-1, 2, 1 << 40} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("word %d of a row of 2 was loaded", word)
				}
			}()
			row.Load(word)
		}()
	}
}

func TestNoMemory(t *testing.T) {
	m := newMemory(t)
	table := openTable(t, m, "rows", 1)
	first := addRow(t, table, 0)
	reserve = func(int, uint32, int64, int64) error { return unix.ENOMEM }
	defer func() { reserve = unix.Fallocate }()
	_, err := Create("record-test")
	wantError(t, err, unix.ENOMEM)
	_, err = m.Table("more", 1)
	wantError(t, err, unix.ENOMEM)
	_, err = m.Blob("more")
	wantError(t, err, unix.ENOMEM)
	c := m.Change()
	c.Set(first, 0, 7)
	c.Set(first, 0, 8)
	wantError(t, c.Commit(), unix.ENOMEM) // there is no log yet
	for i := uint64(1); err == nil || i < 10; i++ {
		_, err = table.Add(i)
	}
	wantError(t, err, unix.ENOMEM)
	count := len(contents(t, table))
	c.Set(first, 0, 7)
	if row := c.Add(table, 1<<40); row != (Row{}) {
		t.Fatal("a row came from nowhere")
	}
	wantError(t, c.Commit(), unix.ENOMEM)
	if len(contents(t, table)) != count || first.Load(0) != 0 {
		t.Fatal("what failed has changed something")
	}
	reserve = unix.Fallocate
	addRow(t, table, 1<<40)
	if found := len(contents(t, openTable(t, reopen(t, m), "rows", 1))); found != count+1 {
		t.Fatalf("there are %d rows, not %d", found, count+1)
	}
}

// TestConcurrently adds, moves and removes in many goroutines at once; each checks its own rows.
func TestConcurrently(t *testing.T) {
	m := newMemory(t)
	const workers, rounds = 8, 400
	var group sync.WaitGroup
	for worker := range uint64(workers) {
		group.Go(func() {
			table, err := m.Table("rows", 3)
			if err != nil {
				t.Error(err)
				return
			}
			for round := range uint64(rounds) {
				if err := changeOnce(m, table, worker<<32|round<<8); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	found := contents(t, openTable(t, reopen(t, m), "rows", 3))
	if len(found) != workers*rounds {
		t.Fatalf("there are %d rows, not %d", len(found), workers*rounds)
	}
	for first, row := range found {
		if row[1] != first+1 || row[2] != first+2 {
			t.Fatalf("a row is %x", row)
		}
	}
}

// changeOnce leaves one row that begins with a number, having made and removed others.
func changeOnce(m *Memory, table *Table, number uint64) error {
	passing, err := table.Add(number+100, 1, 2)
	if err != nil {
		return err
	}
	c := m.Change()
	row := c.Add(table, number)
	c.Set(row, 1, number+1)
	c.Remove(passing)
	if err := c.Commit(); err != nil {
		return err
	}
	row.Store(2, number+2)
	return nil
}
