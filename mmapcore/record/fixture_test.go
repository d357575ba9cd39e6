package record

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// TestMain fails if any test has left a goroutine.
func TestMain(m *testing.M) {
	if os.Getenv(victimVariable) != "" {
		fmt.Fprintln(os.Stderr, victim())
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// tester is a test, or one case of a property.
type tester interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
	Cleanup(func())
}

func newMemory(t tester) *Memory {
	t.Helper()
	m, err := Create("record-test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeMemory(t, m) })
	return m
}

func closeMemory(t tester, m *Memory) {
	t.Helper()
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
}

// duplicate is another descriptor of the memory's file, as another process would have it.
func duplicate(t tester, m *Memory) *os.File {
	t.Helper()
	descriptor, err := unix.FcntlInt(m.File().Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(descriptor), "record-test")
}

// reopen opens the memory as the next process would. The old one is abandoned as it is, as by a death.
func reopen(t tester, m *Memory) *Memory {
	t.Helper()
	next, err := Open(duplicate(t, m))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeMemory(t, next) })
	return next
}

func openTable(t tester, m *Memory, name string, words int) *Table {
	t.Helper()
	table, err := m.Table(name, words)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func addRow(t tester, table *Table, values ...uint64) Row {
	t.Helper()
	row, err := table.Add(values...)
	if err != nil {
		t.Fatal(err)
	}
	return row
}

func commit(t tester, c *Change) {
	t.Helper()
	if err := c.Commit(); err != nil {
		t.Fatal(err)
	}
}

// contents are the rows of a table by their first word, which the tests keep unique.
func contents(t tester, table *Table) map[uint64][]uint64 {
	t.Helper()
	rows := map[uint64][]uint64{}
	for row, values := range table.Each {
		if rows[values[0]] != nil {
			t.Fatalf("two rows begin with %d", values[0])
		}
		rows[values[0]] = append([]uint64(nil), values...)
		for word, value := range values {
			if found := row.Load(word); found != value {
				t.Fatalf("Each says that word %d of a row is %d, Load %d", word, value, found)
			}
		}
	}
	return rows
}

// cut is what a store panics with that is not made, as if the process had died before it.
type cut struct{}

// cutBefore runs what makes stores and stops it before the one of this number, counted from 0. It says whether there was such a
// store. The memory must be abandoned then.
func cutBefore(number int, run func()) (wasCut bool) {
	beforeStore = func() {
		if number == 0 {
			panic(cut{})
		}
		number--
	}
	defer func() {
		beforeStore = nil
		if reason := recover(); reason != nil {
			if _, wasCut = reason.(cut); !wasCut {
				panic(reason)
			}
		}
	}()
	run()
	return false
}

func wantError(t tester, err error, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("the error is %v, not %v", err, want)
	}
}
