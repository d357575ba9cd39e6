package semfs

import (
	"errors"
	"fmt"
	"sync/atomic"

	"shmfs/mmapcore"

	"golang.org/x/sys/unix"
)

// maxAttempts bounds how often an operation tries to change words that others change at the same time. Each failure is somebody's
// success, so that only who means harm can use them up.
const maxAttempts = 100_000

// Semaphore is a sem_t in a region, open for this process as it is for the C programs that map it.
//
// All methods may be called concurrently, with each other and with what libc does in other processes. Every method but Close returns an error that wraps EINVAL when the file is not a semaphore at that moment; EBUSY when somebody
// changes it without pause, on purpose; and mmapcore.ErrClosed once
// Close was called or the region was closed. An error leaves the memory as it was found.
type Semaphore struct {
	region  *mmapcore.Region  // the caller's; immutable
	mapping *mmapcore.Mapping // immutable
	mark    atomic.Int32      // the last mark seen, if the layout is musl's
}

// State is what a semaphore's memory says at one moment.
type State struct {
	Layout  Layout // Glibc or Musl; nil if the file is no semaphore
	Value   uint32 // units, to MaxValue
	Waiters uint32 // threads that wait
	Initial uint32 // the value that it began with, if Noted
	Noted   bool   // whether Initial is known
	Invalid string // why the file is no semaphore; empty if it is one
}

// Open maps a semaphore's file, which must be open for reading and writing. The file need not be a semaphore, yet or ever. The
// region remains the caller's, who closes it after the Semaphore. Errors: mmapcore.Region.Map's.
func Open(region *mmapcore.Region) (*Semaphore, error) {
	mapping, err := region.Map(0, unix.Getpagesize(), mmapcore.ReadWrite)
	if err != nil {
		return nil, fmt.Errorf("opening a semaphore: %w", err)
	}
	return &Semaphore{region: region, mapping: mapping}, nil
}

// Close makes all calls in progress return ErrClosed, waits for them, and unmaps the file. Waiters that it ends stay counted in the
// memory, so cancel them first. Error: munmap(2)'s.
func (s *Semaphore) Close() error {
	if err := s.mapping.Unmap(); err != nil {
		return fmt.Errorf("closing a semaphore: %w", err)
	}
	return nil
}

// State returns what the file holds. A file that is no semaphore is no error: Invalid says what is wrong with it.
func (s *Semaphore) State() (State, error) {
	const doing = "looking at a semaphore"
	size, err := s.region.Size()
	if err != nil {
		return State{}, fmt.Errorf("%s: %w", doing, err)
	}
	if size != Size {
		return State{Invalid: fmt.Sprintf("the file has %d bytes, not %d", size, Size)}, nil
	}
	found, reason, err := s.load()
	if err == nil && found.layout == nil {
		return State{Invalid: reason}, nil
	}
	note, noteErr := s.mapping.Load64(noteOffset)
	switch err = errors.Join(err, asInvalid(noteErr)); {
	case errors.Is(err, unix.EINVAL):
		return State{Invalid: "the file shrank meanwhile"}, nil
	case err != nil:
		return State{}, fmt.Errorf("%s: %w", doing, err)
	}
	state := State{Layout: withoutMark(found.layout), Value: found.layout.value(found.words), Waiters: found.words.waiters()}
	state.Initial, state.Noted = parseNote(note)
	return state, nil
}

// validState is State with EINVAL for a file that is no semaphore.
func (s *Semaphore) validState() (State, error) {
	state, err := s.State()
	if err == nil {
		err = state.valid()
	}
	return state, err
}

// valid is EINVAL, with the reason, for what is no semaphore.
func (s *State) valid() error {
	if s.Layout != nil {
		return nil
	}
	return fmt.Errorf("looking at a semaphore: %s: %w", s.Invalid, unix.EINVAL)
}

// Change makes a change in one step, and wakes whom it must. See Memory.
func (s *Semaphore) Change(kind Kind, units uint32, intend func(stamp uint32) error) (moved uint32, err error) {
	found, moved, err := s.stamp(kind, units, intend)
	if err != nil {
		return 0, err
	}
	// Should that fail the file has shrunk since, and what was posted is gone.
	_ = s.wake(kind.wakes(found, moved))
	return moved, nil
}
