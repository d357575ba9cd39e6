package mmapcore

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// A mapping reaches to the end of the page, so what is stored between the end of the file and the end of its last page
// stays there unseen until the file grows. File systems on disks clear it then; the kernel's tmpfs does not. And where
// tmpfs backs the end of the file with one huge page, a mapping reaches to the end of that.

// clearPastEnd makes what lies past the end of the file read zero once the file has grown to newEnd. It reports whether it
// wrote, and so moved the end of the file, which it does only where the file system cannot punch holes. Reservations past
// the end (Reserve with keepSize) stay. The caller holds end for writing.
func (r *Region) clearPastEnd(end, newEnd int64) (written bool, err error) {
	pageEnd := roundUp(end, pageSize)
	touched, err := r.touchedPastPage(pageEnd)
	if err != nil {
		return false, fmt.Errorf("looking past the end: %w", err)
	}
	if touched == end {
		return false, nil
	}
	err = r.fallocate(unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, end, touched-end)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return r.writeZeros(end, min(pageEnd, newEnd))
	}
	if err != nil {
		return false, fmt.Errorf("clearing past the end: %w", err)
	}
	if touched == pageEnd {
		return false, nil
	}
	// The pages past the end's own were charged to the file; somebody may have reserved them.
	if err := r.fallocate(unix.FALLOC_FL_KEEP_SIZE, pageEnd, touched-pageEnd); err != nil {
		return false, fmt.Errorf("reserving past the end: %w", err)
	}
	return false, nil
}

// touchedPastPage is the end of the last page between pageEnd and the end of the huge page there that somebody may have
// stored to; pageEnd if there is none. Pages that were only reserved do not count: they will read zero.
func (r *Region) touchedPastPage(pageEnd int64) (int64, error) {
	hugeEnd := roundUp(pageEnd, hugeSize)
	if hugeEnd == pageEnd || hugeEnd%hugeSize != 0 {
		return pageEnd, nil
	}
	counted, err := r.cachestat(pageEnd, hugeEnd-pageEnd)
	if err == nil && counted.Cache == 0 {
		return pageEnd, nil
	}
	if err != nil && !cachestatMissing(err) {
		return 0, err
	}
	vector, err := r.mincore(pageEnd, hugeEnd-pageEnd)
	if err != nil {
		return 0, err
	}
	for page := len(vector) - 1; page >= 0; page-- {
		if vector[page]&1 != 0 {
			return pageEnd + int64(page+1)*pageSize, nil
		}
	}
	return pageEnd, nil
}

// writeZeros writes zeros from offset, the end of the file, to limit, less than a page on.
func (r *Region) writeZeros(offset, limit int64) (written bool, err error) {
	zeros := make([]byte, limit-offset)
	n, err := r.pwrite(zeros, offset)
	if err != nil {
		return n > 0, fmt.Errorf("writing zeros past the end: %w", err)
	}
	return n > 0, nil
}
