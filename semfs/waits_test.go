package semfs

import (
	"errors"
	"time"

	"shmfs/mmapcore"

	"golang.org/x/sys/unix"
)

// What the tests do by themselves, and an Operator for its clients.

// Post adds units; with one it is sem_post.
func (s *Semaphore) Post(units uint32) error { return second(s.Change(Post, units, nil)) }

// Take takes units, or none with EAGAIN; with one it is sem_trywait.
func (s *Semaphore) Take(units uint32) error { return second(s.Change(Take, units, nil)) }

// Set makes the number of units value.
func (s *Semaphore) Set(value uint32) error { return second(s.Change(Set, value, nil)) }

func second[V any](_ V, err error) error { return err }

// Wait takes a unit, as sem_wait. A timeout counts only without a cancellation.
func (s *Semaphore) Wait(cancellation *mmapcore.Cancellation, timeout time.Duration) error {
	return s.await(cancellation, timeout, func() error { return s.Take(1) })
}

// WaitReadable waits for a unit that could be taken.
func (s *Semaphore) WaitReadable(cancellation *mmapcore.Cancellation) error {
	return s.await(cancellation, mmapcore.NoTimeout, func() error {
		value, err := s.Value()
		if err == nil && value == 0 {
			return unix.EAGAIN
		}
		return err
	})
}

func (s *Semaphore) await(cancellation *mmapcore.Cancellation, timeout time.Duration, try func() error) error {
	if err := try(); !errors.Is(err, unix.EAGAIN) {
		return err
	}
	if cancellation == nil && timeout != mmapcore.NoTimeout {
		if timeout <= 0 {
			return unix.ETIMEDOUT
		}
		cancellation = mmapcore.NewCancellation()
		timer := time.AfterFunc(timeout, cancellation.Cancel)
		defer timer.Stop()
	} else {
		timeout = mmapcore.NoTimeout
	}
	waiter, err := s.Join(nil)
	if err != nil {
		return err
	}
	for {
		err := try()
		if errors.Is(err, unix.EAGAIN) {
			if _, err = waiter.Sleep(1, cancellation, nil); err == nil {
				continue
			}
		}
		left := waiter.Leave(nil)
		if errors.Is(err, unix.EINTR) && timeout != mmapcore.NoTimeout {
			return unix.ETIMEDOUT
		}
		if errors.Is(left, mmapcore.ErrClosed) {
			return left
		}
		return err
	}
}

func (s *Semaphore) Value() (uint32, error) {
	state, err := s.validState()
	return state.Value, err
}

func (s *Semaphore) Waiters() (uint32, error) {
	state, err := s.validState()
	return state.Waiters, err
}

// Initialise makes the file a semaphore, whatever it was.
func (s *Semaphore) Initialise(layout Layout, value uint32) error {
	image, err := Image(layout, value)
	if err != nil {
		return err
	}
	s.mark.Store(int32(markUnknown))
	if err := s.region.Resize(Size); err != nil {
		return err
	}
	_, err = s.region.WriteAt(image, 0)
	return err
}
