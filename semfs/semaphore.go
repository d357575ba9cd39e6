package semfs

import (
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
// All methods may be called concurrently, with each other and with what libc does in other processes. Every method but Close
// and Initialise returns an error that wraps EINVAL when the file is not a semaphore at that moment; EBUSY when somebody
// changes it without pause, on purpose; mmapcore.ErrFault when the file shrinks meanwhile; and mmapcore.ErrClosed once
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
	Waiters uint32 // threads that wait, be it to take a unit or for WaitReadable
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
	w, layout, reason, err := s.load()
	if err != nil {
		return State{}, fmt.Errorf("%s: %w", doing, err)
	}
	if layout == nil {
		return State{Invalid: reason}, nil
	}
	state := State{Layout: layout, Value: layout.value(w), Waiters: w.waiters()}
	if _, ok := layout.(musl); ok {
		state.Layout = Musl // without the mark, so that it can be compared
	}
	return state, nil
}

// Value returns the number of units, 0 to MaxValue, as sem_getvalue.
func (s *Semaphore) Value() (uint32, error) {
	state, err := s.validState()
	return state.Value, err
}

// Waiters returns how many threads wait.
func (s *Semaphore) Waiters() (uint32, error) {
	state, err := s.validState()
	return state.Waiters, err
}

func (s *Semaphore) validState() (State, error) {
	state, err := s.State()
	if err == nil && state.Layout == nil {
		err = fmt.Errorf("looking at a semaphore: %s: %w", state.Invalid, unix.EINVAL)
	}
	return state, err
}

// Post adds a unit and wakes a waiter, as sem_post. Error: EOVERFLOW when there are MaxValue units.
func (s *Semaphore) Post() error {
	before, err := s.change("posting to a semaphore", func(layout Layout, w words) (words, error) {
		if layout.value(w) >= MaxValue {
			return w, fmt.Errorf("it has %d units: %w", uint32(MaxValue), unix.EOVERFLOW)
		}
		return layout.posted(w), nil
	})
	if err != nil {
		return err
	}
	return s.wake(before.layout.wakes(before.words))
}

// TryWait takes a unit, as sem_trywait. Error: EAGAIN when there is none.
func (s *Semaphore) TryWait() error {
	_, err := s.change("taking from a semaphore", func(layout Layout, w words) (words, error) {
		if layout.value(w) == 0 {
			return w, unix.EAGAIN
		}
		return layout.taken(w), nil
	})
	return err
}

// Set makes the number of units value, at most MaxValue, and wakes as many waiters. Error: EINVAL for a larger value.
func (s *Semaphore) Set(value uint32) error {
	const doing = "setting a semaphore"
	if value > MaxValue {
		return fmt.Errorf("%s to %d: %w", doing, value, unix.EINVAL)
	}
	before, err := s.change(doing, func(layout Layout, w words) (words, error) {
		set := layout.with(w, value)
		if value == 0 && w.waiters() > 0 {
			set = layout.awaited(set) // sleepers stay sleepers
		}
		return set, nil
	})
	if err != nil || value == 0 || before.layout.wakes(before.words) == 0 {
		return err
	}
	return s.wake(max(int(value), before.layout.wakes(before.words)))
}

// Initialise makes the file a semaphore of that layout with value units and no waiters, whatever it was. Nobody should use it
// meanwhile: threads of C programs that wait would be missing in the count. Others may see it half done. Errors: EINVAL for a
// value of more than MaxValue, or a nil layout; those of mmapcore.Region.Resize; ErrFault; ErrClosed.
func (s *Semaphore) Initialise(layout Layout, value uint32) error {
	const doing = "initialising a semaphore"
	if layout == nil || value > MaxValue {
		return fmt.Errorf("%s as %v with %d: %w", doing, layout, value, unix.EINVAL)
	}
	if err := s.region.Resize(Size); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if _, err := s.mapping.WriteAt(make([]byte, Size-sharingOffset), sharingOffset); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if err := s.mapping.Store32(sharingOffset, layout.sharing()); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if err := s.mapping.Store64(wordsOffset, uint64(makeWords(value, 0))); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	s.mark.Store(int32(markUnknown))
	_, err := s.mapping.FutexWake(wordsOffset, MaxValue) // who waits nevertheless looks at what there is now
	return err
}
