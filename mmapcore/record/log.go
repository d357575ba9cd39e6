package record

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// A log's body:
//
//	0    the seal: the checksum of all that follows and of the log's address; 0 when nothing is to be done
//	1    how many stores there are
//	2…   an address and a value for each
const (
	logHeader  = 2
	logEntry   = 2
	maxEntries = 1 << 16
)

// log is where one Change at a time is written before it is made.
type log struct{ chunk }

func (l log) capacity() uint64 { return (l.size - chunkHeader - logHeader) / logEntry }

// logs are all logs that no change uses.
type logs struct {
	mu   sync.Mutex // guards free
	free []log
}

// takeLog finds or makes a log for so many stores, which is the caller's until giveLog.
func (m *Memory) takeLog(entries int) (log, error) {
	if entries > maxEntries {
		return log{}, fmt.Errorf("%d stores in one change, more than %d: %w", entries, maxEntries, unix.E2BIG)
	}
	if l, found := m.logs.take(uint64(entries)); found {
		return l, nil
	}
	c, err := m.add(kindLog, chunkHeader+logHeader+logEntry*uint64(entries), 0, "")
	return log{c}, err
}

func (l *logs) take(entries uint64) (log, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := len(l.free) - 1; i >= 0; i-- {
		if found := l.free[i]; found.capacity() >= entries {
			l.free = append(l.free[:i], l.free[i+1:]...)
			return found, true
		}
	}
	return log{}, false
}

func (l *logs) give(back log) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free = append(l.free, back)
}

// write writes the entries and the seal.
func (m *Memory) write(l log, entries []entry) {
	at := l.body()
	sum := checksum(at).add(uint64(len(entries)))
	store(m.at(at+1), uint64(len(entries)))
	for i, e := range entries {
		address := m.address(e.word)
		store(m.at(at+logHeader+logEntry*uint64(i)), address)
		store(m.at(at+logHeader+logEntry*uint64(i)+1), e.value)
		sum = sum.add(address).add(e.value)
	}
	store(m.at(at), sum.seal())
}

// clear says that all is done.
func (m *Memory) clear(l log) { store(m.at(l.body()), 0) }

// redo makes the stores of all sealed logs, once all are known to be right. It may itself be cut off and done again.
func (m *Memory) redo(chunks []chunk) error {
	var undone []log
	for _, l := range m.logs.free {
		sealed, err := m.check(l, chunks)
		if err != nil {
			return err
		}
		if sealed {
			undone = append(undone, l)
		}
	}
	for _, l := range undone {
		at := l.body()
		for i := range load(m.at(at + 1)) {
			entry := at + logHeader + logEntry*i
			store(m.at(load(m.at(entry))), load(m.at(entry+1)))
		}
		m.clear(l)
	}
	return nil
}

// check says whether a log is sealed, and if so, that it can be done.
func (m *Memory) check(l log, chunks []chunk) (sealed bool, err error) {
	at := l.body()
	seal, count := load(m.at(at)), load(m.at(at+1))
	if seal == 0 {
		return false, nil
	}
	if count > l.capacity() {
		return false, mangled("the log at %d has %d entries", l.address, count)
	}
	sum := checksum(at).add(count)
	for i := range count {
		entry := at + logHeader + logEntry*i
		address, value := load(m.at(entry)), load(m.at(entry+1))
		sum = sum.add(address).add(value)
		state, found := rowWord(chunks, address)
		if !found || state && value != stateFree && value != stateUsed {
			return false, mangled("the log at %d wants %#x stored at %d", l.address, value, address)
		}
	}
	if seal != sum.seal() {
		return false, mangled("the seal of the log at %d is wrong", l.address)
	}
	return true, nil
}
