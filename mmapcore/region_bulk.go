package mmapcore

import (
	"fmt"
	"io"
	"math"

	"golang.org/x/sys/unix"
)

// ReadAt reads with pread(2), as io.ReaderAt says: it fills p or returns an error, which is io.EOF at the end of the file.
// It never faults, whatever happens to the file meanwhile.
//
// Errors: EINVAL when offset is negative or offset plus length overflows; EBADF for a descriptor that cannot read; EIO;
// ErrClosed.
func (r *Region) ReadAt(p []byte, offset int64) (n int, err error) {
	if offset < 0 || offset > math.MaxInt64-int64(len(p)) {
		return 0, fmt.Errorf("reading a region at %d, %d bytes: %w", offset, len(p), unix.EINVAL)
	}
	if !r.life.enter() {
		return 0, fmt.Errorf("reading a region: %w", ErrClosed)
	}
	defer r.life.leave()
	for n < len(p) {
		got, err := retryInterruptedCount(func() (int, error) { return kernel.pread(r.descriptor, p[n:], offset+int64(n)) })
		if err != nil {
			return n, fmt.Errorf("reading a region at %d: %w", offset+int64(n), err)
		}
		if got == 0 {
			return n, io.EOF
		}
		n += got
	}
	return n, nil
}

// WriteAt writes with pwrite(2), as io.WriterAt says: it writes all of p or returns an error and how much it wrote. Writing
// past the end extends the file; bytes between the old end and offset read zero, with Resize's promise. It never faults.
//
// Errors: EINVAL when offset is negative; EFBIG when offset plus length overflows or is beyond what the file system can have;
// EBADF for a descriptor that cannot write; EPERM for a sealed file; ENOSPC, EDQUOT, EIO; Resize's when it extends the file;
// io.ErrShortWrite should the kernel write nothing and give no reason; ErrClosed.
func (r *Region) WriteAt(p []byte, offset int64) (int, error) {
	if offset < 0 {
		return 0, fmt.Errorf("writing a region at %d: %w", offset, unix.EINVAL)
	}
	if offset > math.MaxInt64-int64(len(p)) {
		return 0, fmt.Errorf("writing a region at %d, %d bytes: %w", offset, len(p), unix.EFBIG)
	}
	if !r.life.enter() {
		return 0, fmt.Errorf("writing a region: %w", ErrClosed)
	}
	defer r.life.leave()
	if len(p) == 0 {
		return 0, nil
	}
	if n, inside, err := r.overwrite(p, offset); inside {
		return n, err
	}
	return r.extend(p, offset)
}

// overwrite writes p if all of it lies before the end of the file, and reports whether it did.
func (r *Region) overwrite(p []byte, offset int64) (n int, inside bool, err error) {
	r.end.RLock()
	defer r.end.RUnlock()
	size, err := r.size()
	if err != nil {
		return 0, true, err
	}
	if offset+int64(len(p)) > size {
		return 0, false, nil
	}
	n, err = r.pwrite(p, offset)
	return n, true, err
}

// extend writes p where it may move the end of the file.
func (r *Region) extend(p []byte, offset int64) (n int, err error) {
	r.end.Lock()
	defer r.end.Unlock()
	var writing error
	// Only the gap between the end and offset needs clearing: p itself replaces the rest.
	err = r.grow(offset, func() error {
		if n, writing = r.pwrite(p, offset); n > 0 {
			return nil // the end has moved, so there is nothing to set back
		}
		return writing
	})
	if err != nil {
		return 0, fmt.Errorf("extending a region: %w", err)
	}
	return n, writing
}

// pwrite writes all of p unless an error stops it. The caller holds end.
func (r *Region) pwrite(p []byte, offset int64) (n int, err error) {
	for n < len(p) {
		put, err := retryInterruptedCount(func() (int, error) { return kernel.pwrite(r.descriptor, p[n:], offset+int64(n)) })
		if err != nil {
			return n, fmt.Errorf("writing a region at %d: %w", offset+int64(n), err)
		}
		if put == 0 {
			return n, fmt.Errorf("writing a region at %d: %w", offset+int64(n), io.ErrShortWrite)
		}
		n += put
	}
	return n, nil
}
