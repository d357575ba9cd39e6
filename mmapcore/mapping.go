package mmapcore

import (
	"fmt"
	"math"
	"sync"

	"golang.org/x/sys/unix"
)

// Access is what a Mapping may be used for.
type Access int

// The kinds of access.
const (
	ReadOnly  Access = iota // loads; stores are refused with EACCES
	ReadWrite               // loads and stores
)

// Mapping is a part of a Region in this process's address space, shared with all who map or read the same file. Offsets
// are bytes from where the mapping begins.
//
// All methods may be called concurrently, with each other and with what other processes do. Somebody may shrink the file at
// any moment: what lies past its end then faults, and the method returns ErrFault. Every method but Len returns ErrClosed
// once Unmap was called. The memory itself is never handed out.
type Mapping struct {
	memory []byte // immutable; mapped while life is entered
	access Access // immutable
	life   lifetime
	ending *Cancellation // cancelled by Unmap; immutable

	mu     sync.Mutex // taken after life has ended
	mapped bool       // protected by mu
}

// Map maps length bytes of the file from offset on, with mmap(2) and MAP_SHARED. The range may reach past the end of the file;
// what is there can be used once the file has grown. The mapping stays when the region is closed, until Unmap.
//
// Errors: EINVAL when offset is negative or not a multiple of the page size, when length is not positive, or for an unknown
// access; EOVERFLOW when their sum is more than a file can have; EACCES when the descriptor's access mode forbids it; EPERM
// for a file sealed against writing; ENOMEM when the process has no address space left or too many mappings; ENODEV when the
// file system cannot map; ErrClosed.
func (r *Region) Map(offset int64, length int, access Access) (*Mapping, error) {
	doing := fmt.Sprintf("mapping a region at %d, %d bytes", offset, length)
	if offset < 0 || offset%pageSize != 0 || length <= 0 || (access != ReadOnly && access != ReadWrite) {
		return nil, fmt.Errorf("%s: %w", doing, unix.EINVAL)
	}
	if offset > math.MaxInt64-pageSize-int64(length) {
		return nil, fmt.Errorf("%s: %w", doing, unix.EOVERFLOW)
	}
	if !r.life.enter() {
		return nil, fmt.Errorf("%s: %w", doing, ErrClosed)
	}
	defer r.life.leave()
	protection := unix.PROT_READ
	if access == ReadWrite {
		protection |= unix.PROT_WRITE
	}
	memory, err := kernel.mmap(r.descriptor, offset, length, protection, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return &Mapping{memory: memory, access: access, life: newLifetime(), ending: NewCancellation(), mapped: true}, nil
}

// Len is the mapping's length in bytes, as asked for in Map.
func (m *Mapping) Len() int { return len(m.memory) }

// Sync tells the file system to write the whole mapping, with msync(2): flags are MS_ASYNC or MS_SYNC, with MS_INVALIDATE or
// without.
//
// Errors: EINVAL for other flags; EBUSY for MS_INVALIDATE when a page is locked in memory; EIO and the file system's other
// errors; ErrClosed.
func (m *Mapping) Sync(flags int) error {
	if !m.life.enter() {
		return fmt.Errorf("syncing a mapping: %w", ErrClosed)
	}
	defer m.life.leave()
	if err := retryInterrupted(func() error { return kernel.msync(m.memory, flags) }); err != nil {
		return fmt.Errorf("syncing a mapping: %w", err)
	}
	return nil
}

// Advise tells the kernel how a part of the mapping will be used, with madvise(2). The part begins at a page, and ends at
// one or at the mapping's end. Some advice changes the file: MADV_REMOVE punches a hole.
//
// Errors: EINVAL for a part that is empty, outside the mapping or begins or ends within a page, and for unknown advice; EACCES
// for MADV_REMOVE on a ReadOnly mapping; ErrFault for MADV_POPULATE_READ or _WRITE past the end of the file; madvise's others
// (ENOMEM, EBUSY, EIO, EPERM); ErrClosed.
func (m *Mapping) Advise(offset int64, length int, advice int) error {
	doing := fmt.Sprintf("advising %d on a mapping at %d, %d bytes", advice, offset, length)
	size := int64(len(m.memory))
	if offset < 0 || length <= 0 || offset%pageSize != 0 || offset > size-int64(length) {
		return fmt.Errorf("%s: %w", doing, unix.EINVAL)
	}
	end := offset + int64(length)
	if end%pageSize != 0 && end != size {
		return fmt.Errorf("%s: %w", doing, unix.EINVAL)
	}
	if advice == unix.MADV_REMOVE && m.access == ReadOnly {
		return fmt.Errorf("%s: %w", doing, unix.EACCES) // the kernel would look at the descriptor only
	}
	if !m.life.enter() {
		return fmt.Errorf("%s: %w", doing, ErrClosed)
	}
	defer m.life.leave()
	if err := retryInterrupted(func() error { return kernel.madvise(m.memory[offset:end], advice) }); err != nil {
		return fmt.Errorf("%s: %w", doing, asFault(err))
	}
	return nil
}

// Unmap removes the mapping from the address space. It makes FutexWait return, and waits until all other calls have returned.
// Later calls return nil. Error: munmap(2)'s, whereupon Unmap may be called again; the mapping cannot be used any more.
func (m *Mapping) Unmap() error {
	m.ending.Cancel()
	m.life.end()
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.mapped {
		return nil
	}
	if err := kernel.munmap(m.memory); err != nil {
		return fmt.Errorf("unmapping a region: %w", err)
	}
	m.mapped = false
	return nil
}
