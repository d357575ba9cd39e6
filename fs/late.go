package fs

import (
	"sync"

	"bazil.org/fuse"
	"golang.org/x/sys/unix"
)

// lateAttempts are those of a process that has died which were not done when this one began. A thread of that one may be in the kernel still,
// where no signal reaches it, and do one yet: before the request comes again, or while this process tries the same. Nobody else can, for the
// kernel has the directory or the file locked until the answer.
type lateAttempts struct {
	mu        sync.Mutex
	byRequest map[uint64]*lateAttempt // by the request's number; guarded by mu
}

type lateAttempt struct {
	attempt
	pins []int // descriptors of the inodes that may lose their names by it
}

// add notes an attempt, unless the same may be done twice. It takes the pins over.
func (l *lateAttempts) add(number uint64, what *attempt, pins []int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byRequest == nil {
		l.byRequest = make(map[uint64]*lateAttempt)
	}
	late := &lateAttempt{attempt: *what, pins: pins}
	late.late = true
	l.byRequest[number] = late
}

// of returns what a request attempted, or nil.
func (l *lateAttempts) of(number uint64) *lateAttempt {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.byRequest[number]
}

// keepOnly forgets all but requests of these numbers.
func (l *lateAttempts) keepOnly(numbers map[uint64]bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for number := range l.byRequest {
		if !numbers[number] {
			l.forget(number)
		}
	}
}

// end forgets a request that was answered.
func (l *lateAttempts) end(number uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(number)
}

// forget forgets a request. The caller holds mu.
func (l *lateAttempts) forget(number uint64) {
	if late := l.byRequest[number]; late != nil {
		for _, pin := range late.pins {
			_ = unix.Close(pin)
		}
		delete(l.byRequest, number)
	}
}

// mayBeLate notes an attempt of a dead process that was not done until now. Of a semaphore, and of the end of what a file holds, the same may
// be done twice.
func (f *Filesystem) mayBeLate(number uint64, what *attempt) {
	if what.kind == attemptInitialise || what.kind == attemptTruncate {
		return
	}
	var pins []int
	if what.kind == attemptRemove || what.kind == attemptRename {
		for _, node := range []uint64{what.node, what.other} {
			if pin, err := f.tree.Pin(node); err == nil { // else it has no name to lose
				pins = append(pins, pin)
			}
		}
	}
	f.late.add(number, what, pins)
}

// outcome is the result of a request that a process which has died had done before it came again, or has done by now.
func (f *Filesystem) outcome(r fuse.Request) (result uint64, done bool) {
	if !isResent(r.Hdr()) {
		return 0, false
	}
	if result, done := f.attempts.outcome(r); done {
		return result, true
	}
	late := f.late.of(numberOf(r))
	if late == nil || !f.wasDone(&late.attempt) {
		return 0, false
	}
	if err := f.attempts.begin(r, &late.attempt); err != nil {
		f.log.Warn("what a dead process has done is not recorded", "request", r.String(), "reason", err)
	}
	f.attempts.settle(r, late.result, nil)
	return late.result, true
}
