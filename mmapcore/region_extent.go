package mmapcore

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Resize sets the file's size in bytes, with ftruncate(2). Bytes that a growing file gains read zero, even where somebody's
// mapping scribbled past the old end (the kernel's tmpfs would show the scribble). Growing takes no memory.
//
// Errors: EINVAL when size is negative; EFBIG when it is beyond what the file system can have; ftruncate's others (EPERM for
// a sealed file, EINVAL for a descriptor that cannot write); those of fallocate(2), mmap(2) and mincore(2) when the space
// past the old end could not be cleared (ENOSPC, ENOMEM); ErrClosed. On error the size is unchanged.
func (r *Region) Resize(size int64) error {
	if size < 0 {
		return fmt.Errorf("resizing a region to %d bytes: %w", size, unix.EINVAL)
	}
	if !r.life.enter() {
		return fmt.Errorf("resizing a region: %w", ErrClosed)
	}
	defer r.life.leave()
	r.end.Lock()
	defer r.end.Unlock()
	err := r.grow(size, func() error {
		return retryInterrupted(func() error { return kernel.ftruncate(r.descriptor, size) })
	})
	if err != nil {
		return fmt.Errorf("resizing a region to %d bytes: %w", size, err)
	}
	return nil
}

// Reserve gives the bytes from offset on memory (or disk blocks) that nobody can take away, with fallocate(2): storing
// there cannot run out of space later. What the range holds stays, and what was not there reads zero. Unless keepSize, the
// size grows to cover the range, with Resize's promise about the bytes it gains.
//
// Errors: EINVAL when offset is negative or length is not positive; EFBIG when their sum overflows or is beyond what the
// file system can have; ENOSPC, EDQUOT; EPERM for a sealed file; EBADF for a descriptor that cannot write; EOPNOTSUPP when
// the file system cannot reserve; Resize's others; ErrClosed. On error the size is unchanged (tmpfs also gives back what it
// had reserved; other file systems may keep a part).
func (r *Region) Reserve(offset, length int64, keepSize bool) error {
	const doing = "reserving a region's space"
	if err := checkRange(doing, offset, length); err != nil {
		return err
	}
	if !r.life.enter() {
		return fmt.Errorf("%s: %w", doing, ErrClosed)
	}
	defer r.life.leave()
	r.end.Lock()
	defer r.end.Unlock()
	mode, end := uint32(0), offset+length
	if keepSize {
		mode, end = unix.FALLOC_FL_KEEP_SIZE, 0
	}
	err := r.grow(end, func() error { return r.fallocate(mode, offset, length) })
	if err != nil {
		return fmt.Errorf("%s at %d, %d bytes: %w", doing, offset, length, err)
	}
	return nil
}

// Punch frees the range's memory; it reads zero afterwards. The size stays. Whole pages are freed, the ends of the range
// that are parts of a page are zeroed. fallocate(2) with FALLOC_FL_PUNCH_HOLE.
//
// Errors: EINVAL when offset is negative or length is not positive; EFBIG when their sum overflows; EPERM for a sealed file;
// EBADF for a descriptor that cannot write; EOPNOTSUPP when the file system has no holes; ErrClosed.
func (r *Region) Punch(offset, length int64) error {
	return r.change("punching a hole", unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, offset, length)
}

// Zero makes the range read zero and keeps space reserved for it. The size stays. fallocate(2) with FALLOC_FL_ZERO_RANGE.
//
// Errors: as Punch. EOPNOTSUPP on tmpfs, which has no such call.
func (r *Region) Zero(offset, length int64) error {
	return r.change("zeroing a range", unix.FALLOC_FL_ZERO_RANGE|unix.FALLOC_FL_KEEP_SIZE, offset, length)
}

// change makes a fallocate(2) that leaves the size alone.
func (r *Region) change(doing string, mode uint32, offset, length int64) error {
	if err := checkRange(doing, offset, length); err != nil {
		return err
	}
	if !r.life.enter() {
		return fmt.Errorf("%s: %w", doing, ErrClosed)
	}
	defer r.life.leave()
	r.end.RLock()
	defer r.end.RUnlock()
	if err := r.fallocate(mode, offset, length); err != nil {
		return fmt.Errorf("%s at %d, %d bytes: %w", doing, offset, length, err)
	}
	return nil
}

func (r *Region) fallocate(mode uint32, offset, length int64) error {
	return retryInterrupted(func() error { return kernel.fallocate(r.descriptor, mode, offset, length) })
}

// grow makes a call that may move the end of the file to newEnd (or not at all, if that is before the end), having cleared
// what lies past the end so far. If the call fails, the end is where it was. The caller holds end for writing.
func (r *Region) grow(newEnd int64, call func() error) error {
	oldEnd, err := r.size()
	if err != nil {
		return err
	}
	if newEnd <= oldEnd {
		return call()
	}
	written, err := r.clearPastEnd(oldEnd, newEnd)
	if err == nil {
		err = call()
	}
	if err == nil || !written {
		return err
	}
	restore := retryInterrupted(func() error { return kernel.ftruncate(r.descriptor, oldEnd) })
	if restore != nil {
		restore = fmt.Errorf("setting the size back to %d: %w", oldEnd, restore)
	}
	return errors.Join(err, restore)
}
