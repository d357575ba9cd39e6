package fs

import (
	"time"

	"shmfs/mmapcore/crashpoint"
	"shmfs/mmapcore/record"
)

// The words of a semaphore's row in the record: of each that the kernel knows.
const (
	semaphoreID     = iota // its own node's
	semaphoreFlags         // semaphorePlain, semaphorePassing, semaphoreCreated
	semaphoreParent        // the directory of the name
	semaphoreLength        // of the name, in bytes
	semaphoreName          // the name that it is to get or, without semaphoreCreated, has while its maker has it open
	semaphoreWords  = semaphoreName + nameWords
)

const (
	semaphorePlain   = 1 << iota // renamed to what is no semaphore's name
	semaphorePassing             // the name is a passing one
	semaphoreCreated             // not initialised yet
	semaphoreLeft                // leftByAll
	semaphoreArmed               // leftArmed
	semaphoreUntold              // see semaphoreNode.untold, whose name it is then
)

// The words of the row of a node apart.
const (
	apartID = iota
	apartOwn
	apartLookups
	apartWords
)

// nameWords are enough for the longest name.
const nameWords = 32

// putName writes a name of at most 255 bytes to words of a row.
func putName(row record.Row, word int, name string) {
	for i := 0; i < len(name); i += 8 {
		var bytes [8]byte
		copy(bytes[:], name[i:])
		row.Store(word+i/8, le.Uint64(bytes[:]))
	}
}

// nameFrom reads what putName wrote; empty for a length that no name has.
func nameFrom(words []uint64, length uint64) string {
	if length > 8*uint64(len(words)) {
		return ""
	}
	bytes := make([]byte, 0, 8*nameWords)
	for _, word := range words {
		bytes = le.AppendUint64(bytes, word)
	}
	return string(bytes[:length])
}

// write brings a semaphore's row in line with it. A process may die between any two words: a semaphore has one name at most as long as the row is
// there, and the flags, which are written last, say whether it counts. The caller holds semaphoreNodes.mu.
func (n *semaphoreNode) write() {
	if n.row == (record.Row{}) {
		return
	}
	flags, parent, name := uint64(0), uint64(0), n.passing
	if n.plain {
		flags |= semaphorePlain
	}
	switch n.left {
	case leftByAll:
		flags |= semaphoreLeft
	case leftArmed:
		flags |= semaphoreArmed
	}
	if n.passing != "" {
		flags |= semaphorePassing
	}
	if n.created != nil { // has the same name, if that is a passing one
		flags |= semaphoreCreated
		parent, name = n.created.parent, n.created.name
	}
	if n.untold != nil {
		flags |= semaphoreUntold
		parent, name = n.untold.parent, n.untold.name
	}
	if name != "" { // else what stands there means nothing, and must stay as long as the flags say that it is the name
		putName(n.row, semaphoreName, name)
		n.row.Store(semaphoreLength, uint64(len(name)))
		n.row.Store(semaphoreParent, parent)
	}
	crashpoint.Here("fs: the name of a semaphore is recorded, if it has one to be recorded")
	n.row.Store(semaphoreFlags, flags)
}

// addRow begins a semaphore's row. Without one, for want of memory, it does not outlive the process. The caller holds mu.
func (s *semaphoreNodes) addRow(known *semaphoreNode) {
	if s.state == nil {
		return
	}
	if row, err := s.state.semaphores.Add(known.own.id); err == nil {
		known.row = row
	}
}

// addApartRow is addRow for a node apart.
func (s *semaphoreNodes) addApartRow(node *kernelNode) {
	if s.state == nil {
		return
	}
	if row, err := s.state.apart.Add(node.id, node.semaphore.own.id, node.lookups); err == nil {
		node.row = row
	}
}

// leftBehind says what is still to be found out about a semaphore with orphanAttribute that nobody has open.
type leftBehind uint8

const (
	leftNothing leftBehind = iota
	leftByAll              // its last user has closed it, who may map it still
	leftArmed              // the attribute was set since: it waits for its next users, unless somebody maps it
)

// noteLeft notes what is to be found out about a semaphore. About what was renamed to no semaphore's name there is nothing.
func (s *semaphoreNodes) noteLeft(id uint64, left leftBehind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.byID[id]; known != nil && !known.plain && known.left != left {
		known.left = left
		known.write()
	}
}

// allLeft returns the semaphores about which something is to be found out, and whether they are armed.
func (s *semaphoreNodes) allLeft() map[uint64]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	armed := make(map[uint64]bool)
	for id, known := range s.byID {
		if known.left != leftNothing {
			armed[id] = known.left == leftArmed
		}
	}
	return armed
}

// count sets the references that the kernel holds to a node apart. The caller holds semaphoreNodes.mu.
func (n *kernelNode) count(lookups uint64) {
	n.lookups = lookups
	if n.row != (record.Row{}) {
		n.row.Store(apartLookups, lookups)
	}
}

// takeUpSemaphores makes the semaphores of a process that has died known, but for those that nobody refers to any more and about which
// nothing is to be found out.
func (f *Filesystem) takeUpSemaphores() {
	s := &f.semaphores
	s.takeUp(f.state)
	for id, known := range s.byID {
		if known.left == leftNothing && !f.tree.Referred(id) {
			delete(s.byID, id)
			removeRow(known.row)
			continue
		}
		if known.created != nil && f.leadsTo(known.created.parent, known.created.name, id) { // it was given its name
			known.created, known.untold = nil, known.created
			known.write()
			f.tree.Settle(id)
		}
	}
	s.takeUpApart(f.state)
	s.takeUpSentBack(f.state)
}

// leadsTo says whether a name leads to a node.
func (f *Filesystem) leadsTo(parent uint64, name string, id uint64) bool {
	found, err := f.tree.Peek(parent, name)
	return err == nil && found == id
}

// takeUp makes the semaphores of a process that has died known. Nobody else uses them yet.
func (s *semaphoreNodes) takeUp(state *state) {
	s.state, s.tookUp = state, time.Now()
	for row, words := range state.semaphores.Each {
		known := &semaphoreNode{own: kernelNode{id: words[semaphoreID], takenUp: true}, row: row}
		known.own.semaphore = known
		name := nameFrom(words[semaphoreName:], words[semaphoreLength])
		flags := words[semaphoreFlags]
		known.plain = flags&semaphorePlain != 0
		switch {
		case known.plain: // then nothing is to be found out, though form 1 may say so
		case flags&semaphoreLeft != 0:
			known.left = leftByAll
		case flags&semaphoreArmed != 0:
			known.left = leftArmed
		}
		if flags&semaphorePassing != 0 {
			known.passing = name
		}
		if flags&semaphoreCreated != 0 {
			known.created = &createdName{words[semaphoreParent], name}
		}
		if flags&semaphoreUntold != 0 {
			known.untold = &createdName{words[semaphoreParent], name}
		}
		s.byID[known.own.id] = known
	}
}

// takeUpApart makes the nodes apart known whose semaphores are.
func (s *semaphoreNodes) takeUpApart(state *state) {
	s.next = apartBit | state.numbers.Load(numberApart)
	for row, words := range state.apart.Each {
		known := s.byID[words[apartOwn]]
		if known == nil || words[apartLookups] == 0 {
			row.Remove()
			continue
		}
		id := words[apartID]
		s.apart[id] = &kernelNode{id: id, semaphore: known, lookups: words[apartLookups], row: row, takenUp: true}
	}
}
