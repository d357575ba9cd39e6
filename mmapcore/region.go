package mmapcore

import (
	"fmt"
	"math"
	"sync"

	"golang.org/x/sys/unix"
)

// Region is the memory of one backing file: its bytes, its size and its descriptor. It is not mapped until Map is called,
// so regions cost no address space and no entry of vm.max_map_count.
//
// All methods may be called concurrently. Resize, Reserve and WriteAt, which move the end of the file, take turns among
// themselves, but only on this Region: a caller that has two Regions of one file, or lets another process extend the file
// with write(2), must serialise these calls itself, or bytes written just past the old end while it moves may be lost.
type Region struct {
	descriptor int // immutable; valid while life is entered
	life       lifetime
	closing    sync.Once // closes descriptor

	// end is held for writing while the end of the file moves, for reading while bytes before it are written.
	end sync.RWMutex
}

var (
	pageSize = int64(unix.Getpagesize())

	// hugeSize is what one entry of the page table's second level maps: 2 MiB with pages of 4 KiB.
	hugeSize = pageSize * (pageSize / 8)
)

// NewRegion makes a region of an open regular file, whose descriptor it takes over. What the region can do is what the
// descriptor's access mode allows. A descriptor opened with O_APPEND makes WriteAt ignore its offset (see pwrite(2)).
func NewRegion(descriptor int) *Region {
	return &Region{descriptor: descriptor, life: newLifetime()}
}

// Descriptor is the backing file's descriptor. It belongs to the region and must not be used after Close. It is -1 once
// Close was called.
func (r *Region) Descriptor() int {
	if r.life.ended() {
		return -1
	}
	return r.descriptor
}

// Size is the file's size in bytes. The error is fstat(2)'s, or ErrClosed.
func (r *Region) Size() (int64, error) {
	if !r.life.enter() {
		return 0, fmt.Errorf("asking a region's size: %w", ErrClosed)
	}
	defer r.life.leave()
	return r.size()
}

// size must be called with life entered.
func (r *Region) size() (int64, error) {
	var status unix.Stat_t
	if err := kernel.fstat(r.descriptor, &status); err != nil {
		return 0, fmt.Errorf("asking a region's size: %w", err)
	}
	return status.Size, nil
}

// Sync returns when what was written is on the storage the file system has (at once on tmpfs): fdatasync(2) if dataOnly,
// else fsync(2). Errors: theirs (EIO, ENOSPC, EDQUOT, EROFS), or ErrClosed. Data that could not be written may be reported
// once only.
func (r *Region) Sync(dataOnly bool) error {
	if !r.life.enter() {
		return fmt.Errorf("syncing a region: %w", ErrClosed)
	}
	defer r.life.leave()
	call := kernel.fsync
	if dataOnly {
		call = kernel.fdatasync
	}
	if err := retryInterrupted(func() error { return call(r.descriptor) }); err != nil {
		return fmt.Errorf("syncing a region: %w", err)
	}
	return nil
}

// NextData is the offset of the first data at or after offset, as lseek(2) with SEEK_DATA finds it. On tmpfs, pages that
// were reserved but never touched are holes. Errors: ENXIO when there is no data from offset on or offset is not before
// the end; EINVAL when offset is negative; ErrClosed.
func (r *Region) NextData(offset int64) (int64, error) {
	return r.seek("finding a region's data", offset, unix.SEEK_DATA)
}

// NextHole is the offset of the first hole at or after offset, as lseek(2) with SEEK_HOLE finds it; the end of the file
// counts as a hole. Errors: ENXIO when offset is not before the end; EINVAL when offset is negative; ErrClosed.
func (r *Region) NextHole(offset int64) (int64, error) {
	return r.seek("finding a region's hole", offset, unix.SEEK_HOLE)
}

// seek moves the descriptor's file offset, which nothing here depends on.
func (r *Region) seek(doing string, offset int64, whence int) (int64, error) {
	if offset < 0 {
		return 0, fmt.Errorf("%s from %d: %w", doing, offset, unix.EINVAL)
	}
	if !r.life.enter() {
		return 0, fmt.Errorf("%s: %w", doing, ErrClosed)
	}
	defer r.life.leave()
	found, err := kernel.lseek(r.descriptor, offset, whence)
	if err != nil {
		return 0, fmt.Errorf("%s from %d: %w", doing, offset, err)
	}
	return found, nil
}

// Close gives the descriptor up. It waits for the calls that are being made; mappings stay. Whatever close(2) answers, the
// region is closed afterwards; its error (EIO, ENOSPC, EDQUOT or EINTR; all may mean that written data was lost) is
// reported to the first caller only. Later calls return nil.
func (r *Region) Close() (err error) {
	r.life.end()
	r.closing.Do(func() { err = kernel.close(r.descriptor) })
	if err != nil {
		return fmt.Errorf("closing a region: %w", err)
	}
	return nil
}

// checkRange is nil for a range that fallocate(2) could be asked about, else an error that wraps its errno.
func checkRange(doing string, offset, length int64) error {
	if offset < 0 || length <= 0 {
		return fmt.Errorf("%s at %d, %d bytes: %w", doing, offset, length, unix.EINVAL)
	}
	if offset > math.MaxInt64-length {
		return fmt.Errorf("%s at %d, %d bytes: %w", doing, offset, length, unix.EFBIG)
	}
	return nil
}

func roundUp(offset, unit int64) int64 {
	if offset > math.MaxInt64-unit {
		return math.MaxInt64
	}
	return (offset + unit - 1) / unit * unit
}
