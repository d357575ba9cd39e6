package fs

import (
	"testing"
	"time"
)

// nodesOf returns what a process knows that goes on with a record.
func nodesOf(state *state) *semaphoreNodes {
	s := &semaphoreNodes{}
	s.init()
	s.takeUp(state)
	s.takeUpApart(state)
	s.takeUpSentBack(state)
	return s
}

// The kernel looks a second time but not a third: whoever was sent back is let in, though the process dies in between.
func TestSentBackOutlivesTheProcess(t *testing.T) {
	const semaphore, first, second = 7, 100, 200
	state := newState(t)
	s := nodesOf(state)
	s.handOut(semaphore, first, true)
	if s.admit(s.find(s.handOut(semaphore, second, true)), second, 2) {
		t.Fatal("a thread is let in beside another that may be about to open the same node")
	}
	s = nodesOf(state)
	if s.admit(s.find(semaphore), second, 2) {
		t.Error("the request that was refused is let in when it comes again")
	}
	s = nodesOf(state)
	s.handOut(semaphore, first, true)
	again := s.find(s.handOut(semaphore, second, true))
	if again.id&apartBit == 0 {
		t.Error("the second look leads to the node of all")
	}
	s = nodesOf(state)
	if again = s.find(again.id); again == nil || !s.admit(again, second, 4) {
		t.Error("the second opening is not let in")
	}
	for range state.sentBack.Each {
		t.Error("there is a row of a thread that was let in")
	}
}

// Whom a process that has died had told of a node may be about to open it, for as long as that takes.
func TestAnyThreadMayBeAboutToOpenAfterADeath(t *testing.T) {
	const semaphore, first, second = 7, 100, 200
	state := newState(t)
	nodesOf(state).handOut(semaphore, first, true)
	s := nodesOf(state)
	if s.admit(s.find(s.handOut(semaphore, second, true)), second, 2) {
		t.Error("a thread is let in beside another that may be about to open the same node")
	}
	if !s.admit(s.find(s.handOut(semaphore, second, true)), second, 4) {
		t.Error("the second opening is not let in")
	}
	s = nodesOf(state)
	s.tookUp = s.tookUp.Add(-walkTime - time.Millisecond)
	if !s.admit(s.find(s.handOut(semaphore, second, true)), second, 6) {
		t.Error("a thread is sent back because of threads that nobody waits for any more")
	}
}
