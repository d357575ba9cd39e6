package faults

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// clients is how many there are.
const clients = 8

// crew is the clients of one run, who work beside each other.
type crew struct {
	t       *testing.T
	place   string
	plain   bool
	members []*member
	reports []report
	failed  atomic.Bool   // somebody has ended before it was told to
	ended   chan struct{} // closed when all have reported
	errors  []string      // read after ended
}

// startCrew makes what is shared and starts so many clients with an order, every other one as an ordinary user. They begin to work.
func startCrew(t *testing.T, count int, told order) *crew {
	t.Helper()
	makeCommon(t, told.Place, told.Plain)
	c := &crew{t: t, place: told.Place, plain: told.Plain, reports: make([]report, count), ended: make(chan struct{})}
	told.Seed = firstSeed(t)
	for number := range count {
		user := 0
		if number%2 == 1 {
			user = firstUser + number
		}
		told.Number = number
		c.members = append(c.members, startMember(t, told.Place, "client", user, told))
	}
	for _, one := range c.members {
		one.ready(t)
	}
	for _, one := range c.members {
		must(t, one.tell("go"))
	}
	go c.collect()
	return c
}

// collect waits for the reports.
func (c *crew) collect() {
	defer close(c.ended)
	told := make(chan string)
	for i, one := range c.members {
		go func() {
			err := one.result(&c.reports[i], 24*time.Hour)
			if err == nil {
				<-one.ended
				err = one.state
			}
			switch {
			case c.reports[i].Wrong != "":
				c.failed.Store(true)
				told <- c.reports[i].Wrong + "\n    " + strings.Join(c.reports[i].History, "\n    ")
			case err != nil:
				c.failed.Store(true)
				told <- err.Error()
			default:
				told <- ""
			}
		}()
	}
	for range c.members {
		if wrong := <-told; wrong != "" {
			c.errors = append(c.errors, wrong)
		}
	}
}

// stop has the clients look at everything once more and end. It returns what they found to be wrong.
func (c *crew) stop() []string {
	for _, one := range c.members {
		_ = one.tell("stop") // one that has ended has said why
	}
	deadline, hurried := time.After(3*patience), false
	for {
		select {
		case <-c.ended:
			return c.errors
		case <-deadline:
			_ = unix.Unmount(c.place, unix.MNT_FORCE)
			return []string{"the clients do not end: the mount is cut off"}
		case <-time.After(time.Second):
			if c.failed.Load() && !hurried {
				deadline, hurried = time.After(patience/2), true // others may wait for what the failed one has
			}
		}
	}
}

// times are those of all clients' calls.
func (c *crew) times() *times {
	var all times
	for i := range c.reports {
		all.join(&c.reports[i].Times)
	}
	return &all
}

// beyond is what the clients' files are charged beyond their sizes, in bytes.
func (c *crew) beyond() int {
	sum := 0
	for i := range c.reports {
		sum += c.reports[i].Beyond
	}
	return sum
}

// requireReached checks that every operation was done by somebody.
func (c *crew) requireReached() {
	c.t.Helper()
	for i := range operations {
		done := 0
		for _, one := range c.reports {
			done += one.Done[operations[i].name]
		}
		if done == 0 && operations[i].weightFor(c.plain) > 0 {
			c.t.Errorf("nobody has done %q", operations[i].name)
		}
	}
}

// makeCommon makes what the clients share.
func makeCommon(t *testing.T, place string, plain bool) {
	t.Helper()
	directory := filepath.Join(place, commonDirectory)
	must(t, unix.Mkdir(directory, 0o777))
	must(t, unix.Chmod(directory, 0o777))
	for _, name := range []string{"counters", "journal"} {
		must(t, os.WriteFile(filepath.Join(directory, name), nil, 0o666))
		must(t, unix.Chmod(filepath.Join(directory, name), 0o666))
	}
	must(t, unix.Truncate(filepath.Join(directory, "counters"), 2*page))
	if plain {
		return
	}
	for _, name := range commonSemaphores {
		must(t, os.WriteFile(filepath.Join(place, name), fmt.Appendln(nil, commonUnits), 0o666))
		must(t, unix.Chmod(filepath.Join(place, name), 0o666))
	}
}

// inCommon returns what is wrong with what the clients share: whether it is what all of them together have made of it.
func (c *crew) inCommon() (wrong []string) {
	c.t.Helper()
	var all share
	for i := range c.reports {
		all.Records += c.reports[i].Shared.Records
		all.Won += c.reports[i].Shared.Won
		for counter, count := range c.reports[i].Shared.Counted {
			all.Counted[counter] += count
		}
	}
	directory := filepath.Join(c.place, commonDirectory)
	counters, err := readFile(filepath.Join(directory, "counters"))
	must(c.t, err)
	for i, want := range all.Counted {
		if got := binary.LittleEndian.Uint64([]byte(counters[i*wordSize:])); got != uint64(want) {
			wrong = append(wrong, fmt.Sprintf("counter %d is %d, and was counted up %d times", i, got, want))
		}
	}
	entries, err := os.ReadDir(directory)
	must(c.t, err)
	if len(entries) != 2 {
		wrong = append(wrong, fmt.Sprintf("%s has %v, want what was made at first", directory, entries))
	}
	c.t.Logf("%d records appended, counters %v, %d names made that only one can make", all.Records, all.Counted, all.Won)
	wrong = append(wrong, c.inJournal(filepath.Join(directory, "journal"))...)
	if !c.plain {
		wrong = append(wrong, c.inSemaphores()...)
	}
	return wrong
}

// inSemaphores returns what is wrong with the common semaphores: all units are there again, nobody waits, nobody holds.
func (c *crew) inSemaphores() (wrong []string) {
	c.t.Helper()
	for _, name := range commonSemaphores {
		text, err := readFile(filepath.Join(c.place, name))
		must(c.t, err)
		for _, line := range []string{fmt.Sprintf("value: %d\n", commonUnits), "waiters: 0\n", "held: 0\n"} {
			if !strings.Contains(text, line) {
				wrong = append(wrong, fmt.Sprintf("%s says %q at the end, want %q in it", name, text, line))
			}
		}
		if word := binary.LittleEndian.Uint64(c.memoryOf(name)); word != commonUnits {
			wrong = append(wrong, fmt.Sprintf("%s is %#x in memory at the end, want the value and no waiters", name, word))
		}
	}
	return wrong
}

// memoryOf is what a semaphore's memory begins with.
func (c *crew) memoryOf(name string) []byte {
	c.t.Helper()
	descriptor, err := unix.Open(filepath.Join(c.place, name), unix.O_RDWR|unix.O_CLOEXEC, 0)
	must(c.t, err)
	defer unix.Close(descriptor)
	memory, err := mapSemaphore(descriptor)
	must(c.t, err)
	defer func() { must(c.t, memory.unmap()) }()
	return bytes.Clone(memory.memory[:wordSize])
}

// inJournal returns what is wrong with the journal: each record is there once, each client's in order.
func (c *crew) inJournal(path string) (wrong []string) {
	c.t.Helper()
	journal, err := readFile(path)
	must(c.t, err)
	next := make([]uint64, len(c.reports))
	for at := 0; at+recordSize <= len(journal); at += recordSize {
		number := binary.LittleEndian.Uint64([]byte(journal[at:]))
		record := binary.LittleEndian.Uint64([]byte(journal[at+wordSize:]))
		if number >= uint64(len(next)) || record != next[number] {
			return []string{fmt.Sprintf("record %d of the journal is client %d's number %d, want %v", at/recordSize, number, record, next)}
		}
		next[number]++
	}
	for i := range c.reports {
		if want := c.reports[i].Shared.Records; next[i] != uint64(want) {
			wrong = append(wrong, fmt.Sprintf("the journal has %d records of client %d, want %d", next[i], i, want))
		}
	}
	if len(journal)%recordSize != 0 {
		wrong = append(wrong, fmt.Sprintf("the journal has %d bytes, want whole records", len(journal)))
	}
	return wrong
}
