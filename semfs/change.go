package semfs

import (
	"errors"
	"fmt"

	"shmfs/mmapcore"

	"golang.org/x/sys/unix"
)

// content is what a change found in the memory.
type content struct {
	layout Layout
	words  words
	beside uint64 // what stands behind the words: sharing, and the stamp in the upper half
}

func (c *content) stamp() uint32 { return uint32(c.beside >> 32) }

// pair is the content as it stands in the memory.
func (c *content) pair() mmapcore.Pair { return mmapcore.Pair{uint64(c.words), c.beside} }

// stamped are these words with the same sharing and another stamp.
func (c *content) stamped(w words, stamp uint32) mmapcore.Pair {
	return mmapcore.Pair{uint64(w), uint64(stamp)<<32 | uint64(uint32(c.beside))}
}

// load reads the memory, in whatever size the file is, and learns the mark. The layout is nil, with the reason, if the words mean
// nothing.
func (s *Semaphore) load() (found content, reason string, err error) {
	word, err := s.mapping.Load64(wordsOffset)
	if err != nil {
		return content{}, "", asInvalid(err)
	}
	beside, err := s.mapping.Load64(sharingOffset)
	if err != nil {
		return content{}, "", asInvalid(err)
	}
	found = content{words: words(word), beside: beside}
	found.layout, reason = decode(found.words, uint32(beside))
	if layout, ok := found.layout.(musl); ok {
		found.layout = s.remember(layout)
	}
	return found, reason, nil
}

// remember keeps the mark that the words had, or adds the one they had before.
func (s *Semaphore) remember(found musl) musl {
	known := mark(s.mark.Load())
	if found.mark == markUnknown {
		return musl{known}
	}
	if found.mark != known {
		s.mark.Store(int32(found.mark))
	}
	return found
}

// change replaces the words by what next makes of them, by a swap that is one step, and returns what it found. An error of next
// ends it with nothing changed.
func (s *Semaphore) change(doing string, next func(Layout, words) (words, error), swap func(content, words) (bool, error)) (content, error) {
	size, err := s.region.Size()
	if err != nil {
		return content{}, fmt.Errorf("%s: %w", doing, err)
	}
	if size != Size {
		return content{}, fmt.Errorf("%s: the file has %d bytes, not %d: %w", doing, size, Size, unix.EINVAL)
	}
	for range maxAttempts {
		found, reason, err := s.load()
		if err != nil {
			return content{}, fmt.Errorf("%s: %w", doing, err)
		}
		if found.layout == nil {
			return content{}, fmt.Errorf("%s: %s: %w", doing, reason, unix.EINVAL)
		}
		replacement, err := next(found.layout, found.words)
		if err != nil {
			return content{}, fmt.Errorf("%s: %w", doing, err)
		}
		swapped, err := swap(found, replacement)
		if err != nil {
			return content{}, fmt.Errorf("%s: %w", doing, asInvalid(err))
		}
		if swapped {
			return found, nil
		}
	}
	return content{}, fmt.Errorf("%s: it changed %d times meanwhile: %w", doing, maxAttempts, unix.EBUSY)
}

// prepare makes the words ready for a waiter's sleep. Nobody needs to know later whether that was done.
func (s *Semaphore) prepare(doing string) (content, error) {
	next := func(layout Layout, found words) (words, error) {
		if layout.value(found) > 0 {
			return found, nil
		}
		return layout.awaited(found), nil
	}
	return s.change(doing, next, func(found content, replacement words) (bool, error) {
		return s.mapping.CompareAndSwap64(wordsOffset, uint64(found.words), uint64(replacement))
	})
}

// stamp makes a change in one step, with the stamp that follows the one it finds. See Memory.Change.
func (s *Semaphore) stamp(kind Kind, units uint32, intend func(stamp uint32) error) (found content, moved uint32, err error) {
	if err := kind.check(units); err != nil {
		return content{}, 0, fmt.Errorf("%s: %w", kind.activity(), err)
	}
	next := func(layout Layout, found words) (after words, err error) {
		after, moved, err = kind.next(layout, found, units)
		return after, err
	}
	intended, stamp := false, uint32(0)
	found, err = s.change(kind.activity(), next, func(found content, replacement words) (bool, error) {
		following := found.stamp() + 1
		if intend != nil && (!intended || stamp != following) {
			intended, stamp = true, following
			if err := intend(stamp); err != nil {
				return false, err
			}
		}
		return s.mapping.CompareAndSwapPair(wordsOffset, found.pair(), found.stamped(replacement, following))
	})
	if err != nil {
		return content{}, 0, err
	}
	return found, moved, nil
}

// wake wakes up to count sleepers.
func (s *Semaphore) wake(count int) error {
	if count == 0 {
		return nil
	}
	if _, err := s.mapping.FutexWake(wordsOffset, count); err != nil {
		return fmt.Errorf("waking those who wait for a semaphore: %w", asInvalid(err))
	}
	return nil
}

// asInvalid is EINVAL where the file has shrunk between the look at its size and the access, as if it had been so before.
func asInvalid(err error) error {
	if errors.Is(err, mmapcore.ErrFault) {
		return fmt.Errorf("the file shrank meanwhile: %w", unix.EINVAL)
	}
	return err
}
