package mmapcore

import (
	"errors"
	"fmt"
	"math"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The kernel says which pages of a process's page table are huge (PAGEMAP_SCAN), so the file is mapped for a moment and one page is
// faulted in of each place where a huge page could be: if there is one, it is mapped as such. A fault where the file has no page
// would make one, and between asking where pages are and the fault, somebody may punch a hole. So the mapping is registered with a
// userfaultfd that turns every such fault into an error. One of UFFD_USER_MODE_ONLY, which needs no privilege, refuses those of
// system calls anyway.

const (
	hugeWindow     = 256 << 20 // bytes mapped at a time, at least hugeSize
	mostHugePlaces = 1 << 18   // places looked at, each with data: a second or so, 512 GiB with huge pages of 2 MiB
)

// HugeBytes is how many bytes of the file lie in huge pages (those that one entry of the page table's second level maps, 2 MiB with
// pages of 4 KiB), up to the end of the page in which the file ends. No page is made for it and the access time stays.
//
// It works on tmpfs. Errors where the kernel cannot tell: EINVAL on another file system; ENOSYS, EPERM or ENOTTY without
// userfaultfd(2) or PAGEMAP_SCAN (Linux 6.7 and later); EOPNOTSUPP in a process that may not use huge pages; EACCES or EPERM when this
// process may not open the file for writing; EFBIG when the file has data in too many places. Besides those of lseek(2), mmap(2)
// and madvise(2), and ErrClosed.
func (r *Region) HugeBytes() (int64, error) {
	const doing = "asking what lies in huge pages"
	if !r.life.enter() {
		return 0, fmt.Errorf("%s: %w", doing, ErrClosed)
	}
	defer r.life.leave()
	size, err := r.size()
	if err != nil {
		return 0, fmt.Errorf("%s: %w", doing, err)
	}
	look, err := r.newHugeLook()
	if err != nil {
		return 0, fmt.Errorf("%s: %w", doing, err)
	}
	// Nothing can be mapped past the very last offset, where there could be a part of a huge page only.
	end := min(roundUp(size, pageSize), math.MaxInt64/hugeSize*hugeSize)
	total, err := look.count(end)
	if err := errors.Join(err, look.close()); err != nil {
		return 0, fmt.Errorf("%s: %w", doing, err)
	}
	return total, nil
}

// hugeLook is one look at a file.
type hugeLook struct {
	file    int // open for reading and writing, as userfaultfd wants the mapping to be one that could be written
	pagemap int
	faults  int // the userfaultfd
	places  int // looked at so far
}

func (r *Region) newHugeLook() (*hugeLook, error) {
	if disabled, err := kernel.prctl(unix.PR_GET_THP_DISABLE); err != nil || disabled != 0 {
		return nil, fmt.Errorf("huge pages are disabled for this process: %w", unix.EOPNOTSUPP)
	}
	look := &hugeLook{file: -1, pagemap: -1, faults: -1}
	err := look.open(r.descriptor)
	if err != nil {
		return nil, errors.Join(err, look.close())
	}
	return look, nil
}

func (h *hugeLook) open(descriptor int) (err error) {
	h.file, err = kernel.open(fmt.Sprintf("/proc/self/fd/%d", descriptor), unix.O_RDWR|unix.O_NOATIME|unix.O_CLOEXEC)
	if err != nil {
		h.file = -1
		return fmt.Errorf("opening the file again: %w", err)
	}
	h.pagemap, err = kernel.open("/proc/self/pagemap", unix.O_RDONLY|unix.O_CLOEXEC)
	if err != nil {
		h.pagemap = -1
		return fmt.Errorf("opening the page table: %w", err)
	}
	h.faults, err = kernel.userfaultfd(unix.O_CLOEXEC | unix.O_NONBLOCK | userfaultUserModeOnly)
	if err != nil {
		h.faults = -1
		return fmt.Errorf("making a userfaultfd: %w", err)
	}
	use := userfaultUse{version: userfaultVersion, features: userfaultMissingShmem | userfaultSigbus}
	if _, err := kernel.ioctl(h.faults, ioctlUserfaultUse, unsafe.Pointer(&use)); err != nil {
		return fmt.Errorf("setting up a userfaultfd: %w", err)
	}
	return nil
}

func (h *hugeLook) close() error {
	var failed error
	for _, descriptor := range []int{h.faults, h.pagemap, h.file} {
		if descriptor < 0 {
			continue
		}
		if err := kernel.close(descriptor); err != nil {
			failed = errors.Join(failed, fmt.Errorf("closing what huge pages were looked at with: %w", err))
		}
	}
	return failed
}

// count looks at the file from data to data, so that a file of huge size that holds little takes little time.
func (h *hugeLook) count(end int64) (total int64, err error) {
	window := max(hugeWindow, hugeSize)
	for from := int64(0); from < end; {
		data, err := h.nextData(from)
		if err != nil {
			return 0, err
		}
		if data >= end {
			break
		}
		from = data / hugeSize * hugeSize
		length := min(window, roundUp(end, hugeSize)-from)
		found, err := h.countWindow(from, length, end)
		if err != nil {
			return 0, err
		}
		total += found
		from += length
	}
	return total, nil
}

// nextData is where the next page is, MaxInt64 when there is none. Pages that were reserved and never touched are none.
func (h *hugeLook) nextData(from int64) (int64, error) {
	data, err := kernel.lseek(h.file, from, unix.SEEK_DATA)
	if errors.Is(err, unix.ENXIO) {
		return math.MaxInt64, nil
	}
	if err != nil {
		return 0, fmt.Errorf("finding data: %w", err)
	}
	return data, nil
}

// countWindow counts the bytes before end that lie in huge pages of a window. Its offset and its length are multiples of hugeSize.
func (h *hugeLook) countWindow(offset, length, end int64) (total int64, err error) {
	reserved, err := kernel.mmap(-1, 0, int(length+hugeSize), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return 0, fmt.Errorf("reserving addresses for a window: %w", err)
	}
	// A huge page is mapped as one only where its address is aligned as it is.
	address := int64(uintptr(unsafe.Pointer(unsafe.SliceData(reserved))))
	skip := roundUp(address, hugeSize) - address
	total, err = h.countIn(reserved[skip:skip+length], offset, end)
	return total, errors.Join(err, unmapWindow(reserved))
}

// countIn is countWindow at a place in memory.
func (h *hugeLook) countIn(memory []byte, offset, end int64) (total int64, err error) {
	if err := kernel.mmapOver(memory, h.file, offset, unix.PROT_READ, unix.MAP_SHARED); err != nil {
		return 0, fmt.Errorf("mapping a window: %w", err)
	}
	start := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(memory))))
	register := userfaultRegister{start: start, length: uint64(len(memory)), mode: userfaultMissing}
	if _, err := kernel.ioctl(h.faults, ioctlUserfaultRegister, unsafe.Pointer(&register)); err != nil {
		return 0, fmt.Errorf("forbidding faults in a window: %w", err)
	}
	if err := h.populate(memory, offset, end); err != nil {
		return 0, err
	}
	found := make([]pagemapRange, int64(len(memory))/hugeSize)
	scan := pagemapScan{
		size: uint64(unsafe.Sizeof(pagemapScan{})), start: start, end: start + uint64(len(memory)),
		into: unsafe.Pointer(unsafe.SliceData(found)), intoLength: uint64(len(found)), mask: pagemapHuge, tell: pagemapHuge,
	}
	count, err := kernel.ioctl(h.pagemap, ioctlPagemapScan, unsafe.Pointer(&scan))
	if err != nil {
		return 0, fmt.Errorf("scanning the page table: %w", err)
	}
	for _, one := range found[:count] {
		from, to := offset+int64(one.start-start), offset+int64(one.end-start)
		total += max(min(to, end)-from, 0)
	}
	return total, nil
}

// populate has the kernel map the first page of each place where a huge page could be, if that page is there. A place whose first page
// is not there has no huge page.
func (h *hugeLook) populate(memory []byte, offset, end int64) error {
	last := min(offset+int64(len(memory)), end)
	for place := offset; place < last; place += hugeSize {
		data, err := h.nextData(place)
		if err != nil {
			return err
		}
		if data >= last {
			return nil
		}
		if place = data / hugeSize * hugeSize; place != data {
			continue
		}
		if h.places++; h.places > mostHugePlaces {
			return fmt.Errorf("there is data in more than %d places: %w", mostHugePlaces, unix.EFBIG)
		}
		at := memory[place-offset:][:pageSize]
		err = retryInterrupted(func() error { return kernel.madvise(at, unix.MADV_POPULATE_READ) })
		if err != nil && !errors.Is(err, unix.EFAULT) { // EFAULT: it has gone meanwhile
			return fmt.Errorf("mapping a page: %w", err)
		}
	}
	return nil
}

// From the kernel's include/uapi/linux/userfaultfd.h.
const (
	userfaultUserModeOnly = 1
	userfaultVersion      = 0xaa
	userfaultMissingShmem = 1 << 5 // features
	userfaultSigbus       = 1 << 7
	userfaultMissing      = 1 // mode

	ioctlUserfaultUse      = 0xc018aa3f
	ioctlUserfaultRegister = 0xc020aa00
)

// userfaultUse is the kernel's struct uffdio_api.
type userfaultUse struct{ version, features, _ uint64 }

// userfaultRegister is the kernel's struct uffdio_register.
type userfaultRegister struct{ start, length, mode, _ uint64 }

// From the kernel's include/uapi/linux/fs.h.
const (
	pagemapHuge      = 1 << 6 // PAGE_IS_HUGE
	ioctlPagemapScan = 0xc0606610
)

// pagemapRange is the kernel's struct page_region.
type pagemapRange struct{ start, end, _ uint64 }

// pagemapScan is the kernel's struct pm_scan_arg.
type pagemapScan struct {
	size, flags, start, end, _ uint64
	into                       unsafe.Pointer // to pagemapRanges
	intoLength, _, _, mask     uint64
	_, tell                    uint64
}
