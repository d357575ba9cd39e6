package semfs

import (
	"errors"
	"fmt"
	"time"

	"shmfs/mmapcore"

	"golang.org/x/sys/unix"
)

const (
	// A waiter that cannot mark the word, because nobody knows how, looks at it again after firstLook, then after twice as
	// long each time up to lastLook: a post of musl's that was under way when it came may not have seen it.
	firstLook = time.Millisecond
	lastLook  = time.Second

	// A waiter that was woken this often for nothing rests a while. It happens when another takes every unit first, and when
	// somebody writes to the memory all the time.
	restAfter = 64
	rest      = time.Millisecond
)

// Wait takes a unit, and waits for one if there is none, at most for timeout (mmapcore.NoTimeout: as long as it takes), as
// sem_wait and sem_timedwait. It takes an operating system thread while it sleeps.
//
// Errors: EINTR when cancellation (which may be nil) is used; ETIMEDOUT, at once if timeout is not positive. In both cases
// nothing was taken. A unit that is there is taken even then.
func (s *Semaphore) Wait(cancellation *mmapcore.Cancellation, timeout time.Duration) error {
	err := s.TryWait()
	if !errors.Is(err, unix.EAGAIN) {
		return err
	}
	w := waiting{semaphore: s, doing: "waiting for a semaphore", cancellation: cancellation, takes: true}
	return w.run(timeout)
}

// WaitReadable waits until a unit could be taken, and takes none. While it waits it is counted as a waiter, so that libc's posts
// wake it; if it was woken in the stead of somebody who would have taken the unit, it wakes that one. It takes an
// operating system thread while it sleeps. Error: EINTR when cancellation (which may be nil) is used.
func (s *Semaphore) WaitReadable(cancellation *mmapcore.Cancellation) error {
	value, err := s.Value()
	if err != nil || value > 0 {
		return err
	}
	w := waiting{semaphore: s, doing: "waiting for a semaphore to be readable", cancellation: cancellation}
	return w.run(mmapcore.NoTimeout)
}

// waiting is one wait by one goroutine.
type waiting struct {
	semaphore    *Semaphore
	doing        string
	cancellation *mmapcore.Cancellation
	takes        bool          // a unit, at the end
	deadline     time.Time     // zero if there is none
	look         time.Duration // until the next look without being woken, if the mark is unknown
	wakings      int           // for nothing
}

// errNoUnit ends a change that finds no unit.
var errNoUnit = errors.New("there is no unit")

func (w *waiting) run(timeout time.Duration) error {
	if timeout != mmapcore.NoTimeout {
		w.deadline = time.Now().Add(timeout)
	}
	w.look = firstLook
	if _, err := w.semaphore.change(w.doing, func(_ Layout, found words) (words, error) { return found.joined(), nil }); err != nil {
		return err
	}
	for {
		err := w.finish()
		if !errors.Is(err, errNoUnit) {
			return err
		}
		if err := w.sleep(); err != nil {
			return w.abandon(err)
		}
	}
}

// finish leaves, with a unit if it is to take one, in a single step. The error is errNoUnit, and it stays, if there is none.
func (w *waiting) finish() error {
	before, err := w.semaphore.change(w.doing, func(layout Layout, found words) (words, error) {
		switch {
		case layout.value(found) == 0:
			return found, errNoUnit
		case w.takes:
			return layout.taken(found.left()), nil
		}
		return found.left(), nil
	})
	switch {
	case errors.Is(err, errNoUnit):
		return err
	case err != nil:
		return w.abandon(err)
	case w.takes:
		return nil
	}
	return w.passOn(before)
}

// abandon leaves without a unit and returns the reason, which is the caller's error. Whatever wake this waiter got before it
// failed must not be lost to the others.
func (w *waiting) abandon(reason error) error {
	before, err := w.semaphore.change(w.doing, func(_ Layout, found words) (words, error) { return found.left(), nil })
	if err == nil {
		_ = w.passOn(before) // the caller is told the reason why it ends
	}
	return reason
}

// passOn wakes another waiter if there is a unit left, after leaving: the wake that this one got may have been the other's.
func (w *waiting) passOn(before content) error {
	if before.layout.value(before.words) == 0 {
		return nil
	}
	return w.semaphore.wake(before.layout.wakes(before.words.left()))
}

// sleep waits for a wake or the next look. Its errors are those that end the wait.
func (w *waiting) sleep() error {
	w.restIfBusy()
	before, err := w.semaphore.change(w.doing, func(layout Layout, found words) (words, error) {
		if layout.value(found) > 0 {
			return found, nil
		}
		return layout.awaited(found), nil
	})
	if err != nil {
		return err
	}
	if before.layout.value(before.words) > 0 {
		return nil
	}
	timeout, looks, err := w.timeout(before.layout)
	if err != nil {
		return err
	}
	expected := before.layout.awaited(before.words).futex()
	err = w.semaphore.mapping.FutexWaitCancelable(wordsOffset, expected, timeout, w.cancellation)
	switch {
	case err == nil, errors.Is(err, unix.EAGAIN):
		w.wakings++
		return nil
	case errors.Is(err, unix.ETIMEDOUT) && looks:
		w.look = min(2*w.look, lastLook)
		return nil
	case errors.Is(err, mmapcore.ErrCanceled):
		return fmt.Errorf("%s: %w", w.doing, unix.EINTR)
	}
	return fmt.Errorf("%s: %w", w.doing, err)
}

// timeout is how long to sleep at most, and whether to look again then rather than to end.
func (w *waiting) timeout(layout Layout) (timeout time.Duration, looks bool, err error) {
	timeout = mmapcore.NoTimeout
	if !w.deadline.IsZero() {
		timeout = time.Until(w.deadline)
	}
	if timeout <= 0 {
		return 0, false, fmt.Errorf("%s: %w", w.doing, unix.ETIMEDOUT)
	}
	if layout == Musl && w.look < timeout {
		return w.look, true, nil
	}
	return timeout, false, nil
}

// restIfBusy keeps a wait that is woken for nothing all the time from using a processor. It is still counted, and looks at the
// value before it sleeps.
func (w *waiting) restIfBusy() {
	if w.wakings < restAfter {
		return
	}
	w.wakings = 0
	time.Sleep(rest)
}
