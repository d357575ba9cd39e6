package semfs

import (
	"errors"
	"fmt"

	"shmfs/mmapcore"

	"golang.org/x/sys/unix"
)

// content is what a change found in the memory and replaced.
type content struct {
	layout Layout
	words  words
}

// load reads the memory, in whatever size the file is, and learns the mark. The layout is nil, with the reason, if the words mean
// nothing.
func (s *Semaphore) load() (w words, layout Layout, reason string, err error) {
	word, err := s.mapping.Load64(wordsOffset)
	if err != nil {
		return 0, nil, "", asInvalid(err)
	}
	sharing, err := s.mapping.Load32(sharingOffset)
	if err != nil {
		return 0, nil, "", asInvalid(err)
	}
	w = words(word)
	layout, reason = decode(w, sharing)
	if found, ok := layout.(musl); ok {
		layout = s.remember(found)
	}
	return w, layout, reason, nil
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

// change replaces the words by what next makes of them, in one step, and returns those it replaced. An error of next ends
// it with nothing changed.
func (s *Semaphore) change(doing string, next func(Layout, words) (words, error)) (content, error) {
	size, err := s.region.Size()
	if err != nil {
		return content{}, fmt.Errorf("%s: %w", doing, err)
	}
	if size != Size {
		return content{}, fmt.Errorf("%s: the file has %d bytes, not %d: %w", doing, size, Size, unix.EINVAL)
	}
	for range maxAttempts {
		w, layout, reason, err := s.load()
		if err != nil {
			return content{}, fmt.Errorf("%s: %w", doing, err)
		}
		if layout == nil {
			return content{}, fmt.Errorf("%s: %s: %w", doing, reason, unix.EINVAL)
		}
		replacement, err := next(layout, w)
		if err != nil {
			return content{}, fmt.Errorf("%s: %w", doing, err)
		}
		swapped, err := s.mapping.CompareAndSwap64(wordsOffset, uint64(w), uint64(replacement))
		if err != nil {
			return content{}, fmt.Errorf("%s: %w", doing, asInvalid(err))
		}
		if swapped {
			return content{layout, w}, nil
		}
	}
	return content{}, fmt.Errorf("%s: it changed %d times meanwhile: %w", doing, maxAttempts, unix.EBUSY)
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
