package mmapcore

import (
	"errors"
	"fmt"
	"math"

	"golang.org/x/sys/unix"
)

// Residency says how much memory a range of a Region takes, in bytes: whole pages, those that the range touches in part too.
type Residency struct {
	Resident int64 // in memory now
	Dirty    int64 // of these, to be written to storage yet; 0 on tmpfs, which has none, and where the kernel cannot tell
	Evicted  int64 // was in memory and went to storage or, on tmpfs, to swap; 0 where the kernel cannot tell
}

// residencyWindow is how many bytes are mapped at a time to ask mincore(2); its answer has a byte for each page.
const residencyWindow = 256 << 20

// Residency counts the pages of a range that are in memory; reading them is not needed for it and does not happen. The range
// may reach past the end of the file, where there may be reserved pages. A length of 0 has nothing resident.
//
// With cachestat(2), Linux 6.5 and later, pages that were reserved and never touched count. Without it (or where a sandbox
// forbids it), mincore(2) is asked, for which they do not, nor do pages past the end. mincore says that everything is resident
// to a caller who neither owns the file nor may write it.
//
// Errors: EINVAL when offset or length is negative, or their sum overflows; without cachestat those of mmap(2) (EACCES for a
// descriptor that cannot read, ENOMEM) and EAGAIN from mincore(2); ErrClosed.
func (r *Region) Residency(offset, length int64) (Residency, error) {
	const doing = "asking what is resident"
	if offset < 0 || length < 0 || offset > math.MaxInt64-length {
		return Residency{}, fmt.Errorf("%s at %d, %d bytes: %w", doing, offset, length, unix.EINVAL)
	}
	if !r.life.enter() {
		return Residency{}, fmt.Errorf("%s: %w", doing, ErrClosed)
	}
	defer r.life.leave()
	if length == 0 {
		return Residency{}, nil // to cachestat, 0 means up to the end
	}
	counted, err := r.cachestat(offset, length)
	if err == nil {
		return Residency{
			Resident: int64(counted.Cache) * pageSize,
			Dirty:    int64(counted.Dirty) * pageSize,
			Evicted:  int64(counted.Evicted) * pageSize,
		}, nil
	}
	resident := int64(0)
	if cachestatMissing(err) {
		resident, err = r.residentByWindows(offset, offset+length)
	}
	if err != nil {
		return Residency{}, fmt.Errorf("%s at %d, %d bytes: %w", doing, offset, length, err)
	}
	return Residency{Resident: resident}, nil
}

func (r *Region) cachestat(offset, length int64) (unix.Cachestat_t, error) {
	var counted unix.Cachestat_t
	of := unix.CachestatRange{Off: uint64(offset), Len: uint64(length)}
	err := kernel.cachestat(uint(r.descriptor), &of, &counted, 0)
	return counted, err
}

// cachestatMissing tells that another way must be found: an older kernel, a sandbox, or a file system without page cache.
func cachestatMissing(err error) bool {
	return errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.EOPNOTSUPP)
}

// residentByWindows counts the resident bytes between from and to with mincore(2). It goes from data to data, so that a file
// of huge size that holds little takes little time. A window must end where the file system lets files end, so none goes past
// the end's page; the page at the very last offset cannot be mapped at all.
func (r *Region) residentByWindows(from, to int64) (resident int64, err error) {
	size, err := r.size()
	if err != nil {
		return 0, err
	}
	to = min(to, roundUp(size, pageSize), math.MaxInt64/pageSize*pageSize)
	for from < to {
		data, err := kernel.lseek(r.descriptor, from, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return resident, nil
		}
		if err != nil {
			return 0, fmt.Errorf("finding data: %w", err)
		}
		if data >= to {
			return resident, nil
		}
		start := max(data, from) / pageSize * pageSize
		length := min(to-start, residencyWindow)
		vector, err := r.mincore(start, length)
		if err != nil {
			return 0, err
		}
		for _, page := range vector {
			resident += int64(page&1) * pageSize
		}
		from = start + length
	}
	return resident, nil
}

// mincore answers for each page of a range, which begins at a page, with bit 0 whether it is in memory and was touched.
//
// Mapping counts as an access, and an inspection should leave no trace in the access time: the window is mapped by a
// descriptor of its own where that can be had (it takes the file's owner or CAP_FOWNER).
func (r *Region) mincore(offset, length int64) (vector []byte, err error) {
	descriptor, err := kernel.open(fmt.Sprintf("/proc/self/fd/%d", r.descriptor), unix.O_RDONLY|unix.O_NOATIME|unix.O_CLOEXEC)
	if err == nil {
		defer kernel.close(descriptor)
	} else {
		descriptor = r.descriptor
	}
	window, err := kernel.mmap(descriptor, offset, int(length), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mapping a window: %w", err)
	}
	vector = make([]byte, (length+pageSize-1)/pageSize)
	if err := kernel.mincore(window, vector); err != nil {
		return nil, errors.Join(fmt.Errorf("asking mincore: %w", err), unmapWindow(window))
	}
	return vector, unmapWindow(window)
}

func unmapWindow(window []byte) error {
	if err := kernel.munmap(window); err != nil {
		return fmt.Errorf("unmapping a window: %w", err)
	}
	return nil
}
