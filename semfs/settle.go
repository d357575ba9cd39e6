package semfs

import (
	"errors"
	"fmt"
	"math"

	"shmfs/mmapcore"

	"golang.org/x/sys/unix"
)

// Settle decides whether the change with a stamp was made, of which the process that was to make it did not live to tell. If it was, it
// wakes everybody, since that process may not have come to that; if it was not, nobody can make it any more. What is no semaphore
// now has lost whatever was done to it: nothing was.
func (s *Semaphore) Settle(stamp uint32) (done bool, err error) {
	const doing = "settling a change of a semaphore"
	for range maxAttempts {
		found, _, err := s.load()
		switch {
		case errors.Is(err, unix.EINVAL):
			return false, nil
		case err != nil:
			return false, fmt.Errorf("%s: %w", doing, err)
		case found.stamp() == stamp:
			return true, s.wake(math.MaxInt32)
		case found.stamp()+1 != stamp:
			return false, nil
		}
		passedOver, err := s.mapping.CompareAndSwapPair(wordsOffset, found.pair(), found.stamped(found.words, stamp+1))
		switch {
		case errors.Is(err, mmapcore.ErrFault):
			return false, nil
		case err != nil:
			return false, fmt.Errorf("%s: %w", doing, err)
		case passedOver:
			return false, nil
		}
	}
	return false, fmt.Errorf("%s: it changed %d times meanwhile: %w", doing, maxAttempts, unix.EBUSY)
}

// The methods below make an operator take the place of one whose process died. They are called before any other, in this order, with what
// was recorded of that one.

// Settle finds out whether the change that was intended last was made, and tells the recorder, as the one who intended it would have.
// Errors: the memory's; then nothing is decided.
func (o *Operator) Settle(intent Intent) (done bool, err error) {
	if done, err = o.memory.Settle(intent.Stamp); err != nil {
		return false, err
	}
	if o.recorder == nil {
		return done, nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if done {
		o.recorder.Done(intent)
	} else {
		o.recorder.Abandon()
	}
	return done, nil
}

// LeaveForDead counts the sleeper no longer that had joined and died. A unit for which it had been woken is passed on. Errors: those of
// Semaphore's changes; then nobody is counted either, as the memory is no semaphore.
func (o *Operator) LeaveForDead() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.leave(&Waiter{semaphore: o.semaphore, woken: true})
}

// Restore returns a client that holds units already, which holder acquired. It is told of by number, as NewClient's.
func (o *Operator) Restore(number, held uint64, holder Holder) *Client {
	client := o.NewClient(number)
	o.mu.Lock()
	defer o.mu.Unlock()
	client.holder = holder
	client.hold(held)
	return client
}
