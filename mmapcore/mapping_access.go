package mmapcore

import (
	"fmt"
	"math/bits"

	"golang.org/x/sys/unix"
)

// enter checks that the mapping may be accessed so, and lets the caller in; unless it returns an error, life.leave must
// follow.
func (m *Mapping) enter(doing string, offset int64, length int, access Access) error {
	if offset < 0 || offset > int64(len(m.memory)-length) {
		return fmt.Errorf("%s a mapping of %d bytes at %d, %d bytes: %w", doing, len(m.memory), offset, length, unix.EINVAL)
	}
	if access > m.access {
		return fmt.Errorf("%s a read-only mapping: %w", doing, unix.EACCES)
	}
	if !m.life.enter() {
		return fmt.Errorf("%s a mapping: %w", doing, ErrClosed)
	}
	return nil
}

// ReadAt copies len(p) bytes from the mapping. It is no atomic access: bytes that others store meanwhile may be seen in
// part.
//
// Errors: EINVAL when the range is not inside the mapping, and then nothing is copied; ErrFault, having copied n bytes, when
// the file has no memory for the next; ErrClosed.
func (m *Mapping) ReadAt(p []byte, offset int64) (n int, err error) {
	if err := m.enter("reading", offset, len(p), ReadOnly); err != nil {
		return 0, err
	}
	defer m.life.leave()
	fault := m.guard(func() {
		for n < len(p) {
			n += copy(p[n:], m.restOfPage(offset+int64(n)))
		}
	})
	if fault != nil {
		return n, fmt.Errorf("reading a mapping at %d: %w", offset+int64(n), fault)
	}
	return n, nil
}

// WriteAt copies p into the mapping. It is no atomic access: others may see a part of it.
//
// Errors: as ReadAt, and EACCES when the mapping is ReadOnly. ErrFault also when a page has to be allocated and the file
// system has no space left.
func (m *Mapping) WriteAt(p []byte, offset int64) (n int, err error) {
	if err := m.enter("writing", offset, len(p), ReadWrite); err != nil {
		return 0, err
	}
	defer m.life.leave()
	fault := m.guard(func() {
		for n < len(p) {
			n += copy(m.restOfPage(offset+int64(n)), p[n:])
		}
	})
	if fault != nil {
		return n, fmt.Errorf("writing a mapping at %d: %w", offset+int64(n), fault)
	}
	return n, nil
}

// restOfPage are the mapped bytes from offset to the end of its page. Faults come by the page, so whoever copies by the page
// knows how far he came.
func (m *Mapping) restOfPage(offset int64) []byte {
	end := min((offset/pageSize+1)*pageSize, int64(len(m.memory)))
	return m.memory[offset:end:end]
}

// misaligned is the error for a word access that is not at a multiple of the word's size in bytes, else nil.
func misaligned(doing string, offset int64, size int) error {
	if bits.TrailingZeros64(uint64(offset)) >= bits.TrailingZeros(uint(size)) {
		return nil
	}
	return fmt.Errorf("%s a word of %d bytes at %d: %w", doing, size, offset, unix.EINVAL)
}
