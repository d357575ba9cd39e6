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

	// A waiter that sleeps although there are units looks again that often. When a unit goes and another comes right before it sleeps,
	// the word is as expected and the post found nobody asleep; musl's posts without the mark wake nobody at any time. So each look
	// counts as a change, and may tell a poller of a unit that it knows.
	besideUnits = 200 * time.Millisecond

	// A waiter that was woken this often for nothing rests a while. It happens when another takes every unit first, and when
	// somebody writes to the memory all the time.
	restAfter = 64
	rest      = time.Millisecond
)

// Waiter is one that is counted in a semaphore's memory as waiting, so that libc's posts wake it. It is for one goroutine at
// a time.
type Waiter struct {
	semaphore *Semaphore
	look      time.Duration // until the next look without being woken, if the mark is unknown
	wakings   int           // without sleeping long
	woken     bool          // by a post, perhaps, whose unit nobody took yet
}

// Join counts one waiter more. Leave must follow. intend is as in Memory.Change.
func (s *Semaphore) Join(intend func(stamp uint32) error) (*Waiter, error) {
	if _, _, err := s.stamp(Join, 0, intend); err != nil {
		return nil, err
	}
	return &Waiter{semaphore: s, look: firstLook}, nil
}

// Leave counts one waiter less. A wake that this waiter got in the stead of one who would have taken the unit is passed on.
func (w *Waiter) Leave(intend func(stamp uint32) error) error {
	before, _, err := w.semaphore.stamp(Leave, 0, intend)
	if err != nil {
		return err
	}
	return w.passOn(before.layout, before.words.left())
}

// Sleep returns when there are units to be taken, at least 1, or when it is worth looking: after a wake, for instance. It reports
// whether somebody may have posted since settled was called, which is right before it sleeps, and may be nil. It takes an operating
// system thread while it sleeps. Error: EINTR when cancellation is used.
func (w *Waiter) Sleep(units uint32, cancellation *mmapcore.Cancellation, settled func()) (changed bool, err error) {
	const doing = "waiting for a semaphore"
	w.restIfBusy()
	before, err := w.semaphore.prepare(doing)
	if err != nil {
		return false, err
	}
	value := before.layout.value(before.words)
	if value >= units {
		return false, nil
	}
	expected := before.words.futex()
	if value == 0 {
		expected = before.layout.awaited(before.words).futex()
	} else if err := w.passOn(before.layout, before.words.left()); err != nil {
		return false, err // there are fewer units than this waiter wants, but others may want fewer
	}
	w.woken = false
	timeout := mmapcore.NoTimeout
	if value > 0 {
		timeout = besideUnits
	} else if found, ok := before.layout.(musl); ok && found.mark == markUnknown {
		timeout = w.look
	}
	if settled != nil {
		settled()
	}
	err = w.semaphore.mapping.FutexWaitCancelable(wordsOffset, expected, timeout, cancellation)
	switch {
	case err == nil, errors.Is(err, unix.EAGAIN):
		w.wakings++
		w.woken = true
		return true, nil
	case errors.Is(err, unix.ETIMEDOUT):
		w.look = min(2*w.look, lastLook)
		return true, nil
	case errors.Is(err, mmapcore.ErrCanceled):
		w.woken = true // a wake may have come with it
		return true, fmt.Errorf("%s: %w", doing, unix.EINTR)
	}
	return false, fmt.Errorf("%s: %w", doing, asInvalid(err))
}

// passOn wakes another waiter if there is a unit left: a wake that this one got may have been the other's. left are the words
// with whoever is to be woken still counted.
func (w *Waiter) passOn(layout Layout, left words) error {
	if !w.woken || layout.value(left) == 0 {
		return nil
	}
	return w.semaphore.wake(layout.wakes(left, 1))
}

// restIfBusy keeps a waiter that is woken for nothing all the time from using a processor. It is still counted, and looks at the
// value before it sleeps.
func (w *Waiter) restIfBusy() {
	if w.wakings < restAfter {
		return
	}
	w.wakings = 0
	time.Sleep(rest)
}
