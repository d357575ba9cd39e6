package fs

import "shmfs/mmapcore/record"

// sentBack is a thread whose opening was refused so that it looks the name up once more.
type sentBack struct {
	node    *kernelNode // kept for it alone; nil until it looks
	request uint64      // which was refused; 0: another than an OPEN
	row     record.Row  // what outlives the process; immutable
}

// The words of the row of a thread that was sent back. Without it the thread could be sent back again by a process that goes on, when the kernel
// does not look any more.
const (
	sentBackThread = iota
	sentBackRequest
	sentBackWords
)

// mostSentBack bounds how many threads are remembered: one that may not open the file after all is not heard of again.
const mostSentBack = 4096

// admit lets a thread open a node and perhaps wait there in a write. False sends it back to look again, when it will be told of a node
// for itself. Who was sent back already is let in: the kernel looks a second time but not a third. request is the number of the OPEN; if it
// was refused by a process that has died and comes again, it is not the second.
func (s *semaphoreNodes) admit(node *kernelNode, thread uint32, request uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	free := node.writers == 0 && !s.othersWalk(node, thread)
	if back := s.sentBack[thread]; !free && (back == nil || back.request == request) {
		s.remember(thread, request)
		return false
	}
	s.forgetSentBack(thread)
	s.endWalk(thread)
	node.writers++
	return true
}

// sendBack has a thread that is about to look a name up again be told of a node for itself.
func (s *semaphoreNodes) sendBack(thread uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remember(thread, 0)
}

// remember notes a thread as sent back. The caller holds mu.
func (s *semaphoreNodes) remember(thread uint32, request uint64) {
	s.endWalk(thread)
	s.forgetSentBack(thread)
	back := &sentBack{request: request}
	if s.state != nil {
		if row, err := s.state.sentBack.Add(uint64(thread), request); err == nil { // else it does not outlive the process
			back.row = row
		}
	}
	s.sentBack[thread] = back
	if len(s.sentBack) <= mostSentBack {
		return
	}
	for thread := range s.sentBack {
		s.forgetSentBack(thread)
		if len(s.sentBack) <= mostSentBack/2 {
			return
		}
	}
}

// forgetSentBack forgets that a thread was sent back. The caller holds mu.
func (s *semaphoreNodes) forgetSentBack(thread uint32) {
	if back := s.sentBack[thread]; back != nil {
		delete(s.sentBack, thread)
		removeRow(back.row)
	}
}

// takeUpSentBack makes the threads known that a process that has died had sent back.
func (s *semaphoreNodes) takeUpSentBack(state *state) {
	for row, words := range state.sentBack.Each {
		thread := uint32(words[sentBackThread])
		s.forgetSentBack(thread) // it was noted again, and the older row not removed yet
		s.sentBack[thread] = &sentBack{request: words[sentBackRequest], row: row}
	}
}
