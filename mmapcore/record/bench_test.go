package record

import "testing"

// BenchmarkAdd adds rows of 6 words; the memory is made anew for every million.
func BenchmarkAdd(b *testing.B) {
	b.ReportAllocs()
	for left := b.N; left > 0; left -= 1_000_000 {
		m := newMemory(b)
		table := openTable(b, m, "rows", 6)
		for i := range uint64(min(left, 1_000_000)) {
			if _, err := table.Add(i, 2, 3, 4, 5, 6); err != nil {
				b.Fatal(err)
			}
		}
		closeMemory(b, m)
	}
}

// BenchmarkAddRemove uses one row again and again.
func BenchmarkAddRemove(b *testing.B) {
	table := openTable(b, newMemory(b), "rows", 6)
	b.ReportAllocs()
	for b.Loop() {
		row, err := table.Add(1, 2, 3, 4, 5, 6)
		if err != nil {
			b.Fatal(err)
		}
		row.Remove()
	}
}

func BenchmarkStore(b *testing.B) {
	row := addRow(b, openTable(b, newMemory(b), "rows", 6))
	value := uint64(0)
	for b.Loop() {
		row.Store(3, value)
		value++
	}
}

func BenchmarkLoad(b *testing.B) {
	row := addRow(b, openTable(b, newMemory(b), "rows", 6))
	sum := uint64(0)
	for b.Loop() {
		sum += row.Load(3)
	}
}

// BenchmarkChange stores 3 words in 3 rows as one.
func BenchmarkChange(b *testing.B) {
	m := newMemory(b)
	table := openTable(b, m, "rows", 6)
	one, two, three := addRow(b, table), addRow(b, table), addRow(b, table)
	b.ReportAllocs()
	value := uint64(0)
	for b.Loop() {
		c := m.Change()
		c.Set(one, 1, value)
		c.Set(two, 2, value)
		c.Set(three, 3, value)
		commit(b, c)
		value++
	}
}

// BenchmarkOpen opens a memory with a million rows of 6 words, half of them freed, and goes through them.
func BenchmarkOpen(b *testing.B) {
	m := newMemory(b)
	table := openTable(b, m, "rows", 6)
	for i := range uint64(1_000_000) {
		addRow(b, table, i, 2, 3, 4, 5, 6)
	}
	b.ReportMetric(float64(m.end*wordSize)/1_000_000, "bytes/row")
	open := func(b *testing.B, each bool) {
		for b.Loop() {
			next, err := Open(duplicate(b, m))
			if err != nil {
				b.Fatal(err)
			}
			if each {
				count := 0
				for range openTable(b, next, "rows", 6).Each {
					count++
				}
				b.ReportMetric(float64(count), "rows")
			}
			closeMemory(b, next)
		}
	}
	b.Run("full", func(b *testing.B) { open(b, false) })
	b.Run("full, each", func(b *testing.B) { open(b, true) })
	removed := 0
	for row, values := range table.Each {
		if values[0]%2 == 0 {
			row.Remove()
			removed++
		}
	}
	if removed != 500_000 {
		b.Fatalf("%d rows removed", removed)
	}
	b.Run("half", func(b *testing.B) { open(b, false) })
}
