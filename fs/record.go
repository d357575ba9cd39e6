package fs

import (
	"errors"
	"fmt"
	"os"

	"shmfs/mmapcore/record"

	"golang.org/x/sys/unix"
)

// state is what of a mount outlives the process that serves it, besides the tree's nodes.
type state struct {
	memory *record.Memory
	facts  *record.Blob
	quotas *record.Blob // see takeUpQuotas

	handles    *record.Table // see handleRow
	openings   *record.Table // see openingRow
	attempts   *record.Table // see attemptRow
	semaphores *record.Table // see semaphoreRow
	apart      *record.Table // see apartRow
	sentBack   *record.Table // see sentBack
	texts      *record.Table // see keptText
	told       *record.Table // see tellings
	intents    *record.Table // see intentRow
	numbers    record.Row    // see numberEvents
}

// Numbers that are never used twice in the life of a mount, and counters.
const (
	numberEvents  = iota // the latest event's
	numberApart          // the latest id of a node apart, without apartBit
	numberOpening        // the latest opening's
	numberHandle         // the latest handle's
	numberStarts         // processes that have begun to serve
	numberWords
)

// factsBlob is the name of the facts in the record.
const factsBlob = "facts"

// newRecord begins the record of a mount.
func newRecord(found *facts) (*os.File, error) {
	memory, err := record.Create("shmfs-record")
	if err != nil {
		return nil, err
	}
	blob, err := memory.Blob(factsBlob)
	if err == nil {
		err = found.store(blob)
	}
	var shared *os.File
	if err == nil {
		shared, err = duplicateFile(memory.File())
	}
	return shared, errors.Join(err, memory.Close())
}

func duplicateFile(file *os.File) (*os.File, error) {
	descriptor, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("copying a descriptor: %w", err)
	}
	return os.NewFile(uintptr(descriptor), file.Name()), nil
}

// openState opens the parts of a record, or makes them.
func openState(memory *record.Memory) (*state, error) {
	s := &state{memory: memory}
	var err error
	if s.facts, err = memory.Blob(factsBlob); err != nil {
		return nil, err
	}
	if s.quotas, err = memory.Blob("quotas"); err != nil {
		return nil, err
	}
	for _, table := range []struct {
		name  string
		words int
		to    **record.Table
	}{
		{"handles", handleWords, &s.handles},
		{"openings", openingWords, &s.openings},
		{"attempts", attemptWords, &s.attempts},
		{"semaphores", semaphoreWords, &s.semaphores},
		{"apart", apartWords, &s.apart},
		{"sent back", sentBackWords, &s.sentBack},
		{"texts", textWords, &s.texts},
		{"told", toldWords, &s.told},
		{"intents", intentWords, &s.intents},
	} {
		if *table.to, err = memory.Table(table.name, table.words); err != nil {
			return nil, err
		}
	}
	numbers, err := memory.Table("numbers", numberWords)
	if err != nil {
		return nil, err
	}
	numbers.Each(func(row record.Row, _ []uint64) bool {
		s.numbers = row
		return false
	})
	if s.numbers == (record.Row{}) {
		s.numbers, err = numbers.Add()
	}
	return s, err
}

// next returns the next of a number that only one goroutine at a time takes.
func (s *state) next(number int) uint64 {
	next := s.numbers.Load(number) + 1
	s.numbers.Store(number, next)
	return next
}
