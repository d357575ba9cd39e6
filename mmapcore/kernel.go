package mmapcore

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// kernel are the system calls that regions and mappings make, one field each so that a test can make any of them fail. Only
// tests write it, and only while nothing else uses it. A field is the bare call: retrying is its caller's business.
var kernel = struct {
	fallocate    func(descriptor int, mode uint32, offset, length int64) error
	ftruncate    func(descriptor int, size int64) error
	pread        func(descriptor int, into []byte, offset int64) (int, error)
	pwrite       func(descriptor int, from []byte, offset int64) (int, error)
	fstat        func(descriptor int, into *unix.Stat_t) error
	fsync        func(descriptor int) error
	fdatasync    func(descriptor int) error
	lseek        func(descriptor int, offset int64, whence int) (int64, error)
	close        func(descriptor int) error
	cachestat    func(descriptor uint, of *unix.CachestatRange, into *unix.Cachestat_t, flags uint) error
	mmap         func(descriptor int, offset int64, length, protection, flags int) ([]byte, error)
	mmapOver     func(memory []byte, descriptor int, offset int64, protection, flags int) error
	munmap       func(memory []byte) error
	msync        func(memory []byte, flags int) error
	madvise      func(memory []byte, advice int) error
	mincore      func(memory, into []byte) error
	open         func(path string, flags int) (int, error)
	futexWait    func(word unsafe.Pointer, expected uint32, timeout *unix.Timespec) error
	futexWaitAny func(waiters []futexWaiter, deadline *unix.Timespec) (int, error)
	futexWake    func(word unsafe.Pointer, count int, private bool) (int, error)
	userfaultfd  func(flags int) (int, error)
	ioctl        func(descriptor int, request uintptr, argument unsafe.Pointer) (int, error)
	prctl        func(option int) (int, error)
}{
	fallocate:    unix.Fallocate,
	ftruncate:    unix.Ftruncate,
	pread:        unix.Pread,
	pwrite:       unix.Pwrite,
	fstat:        unix.Fstat,
	fsync:        unix.Fsync,
	fdatasync:    unix.Fdatasync,
	lseek:        unix.Seek,
	close:        unix.Close,
	cachestat:    unix.Cachestat,
	mmap:         mmap,
	mmapOver:     mmapOver,
	munmap:       munmap,
	msync:        unix.Msync,
	madvise:      unix.Madvise,
	mincore:      mincore,
	open:         func(path string, flags int) (int, error) { return unix.Open(path, flags, 0) },
	futexWait:    futexWait,
	futexWaitAny: futexWaitAny,
	futexWake:    futexWake,
	userfaultfd:  userfaultfd,
	ioctl:        ioctl,
	prctl:        func(option int) (int, error) { return unix.PrctlRetInt(option, 0, 0, 0, 0) },
}

// futexWaiter is the kernel's struct futex_waitv.
type futexWaiter struct {
	expected uint64
	address  uint64
	flags    uint32
	_        uint32
}

// From the kernel's include/uapi/linux/futex.h.
const (
	futexOperationWait = 0
	futexOperationWake = 1
	futexPrivateFlag   = 128 // of futex(2) and of futexWaiter.flags alike

	futexSize32 = 2 // of futexWaiter.flags
)

// retryInterrupted makes a call until it fails with something other than EINTR. It must not be used for close(2), which has
// given the descriptor up by the time it reports EINTR.
func retryInterrupted(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

// retryInterruptedCount is retryInterrupted for calls that return a number.
func retryInterruptedCount(call func() (int, error)) (int, error) {
	for {
		if n, err := call(); err != unix.EINTR {
			return n, err
		}
	}
}

// mmap is not unix.Mmap because that keeps every mapping in one table under one lock.
func mmap(descriptor int, offset int64, length, protection, flags int) ([]byte, error) {
	address, err := unix.MmapPtr(descriptor, offset, nil, uintptr(length), protection, flags)
	if err != nil {
		return nil, err
	}
	return unsafe.Slice((*byte)(address), length), nil
}

// mmapOver replaces what is mapped at memory.
func mmapOver(memory []byte, descriptor int, offset int64, protection, flags int) error {
	_, err := unix.MmapPtr(descriptor, offset, unsafe.Pointer(unsafe.SliceData(memory)), uintptr(len(memory)), protection,
		flags|unix.MAP_FIXED)
	return err
}

func munmap(memory []byte) error {
	return unix.MunmapPtr(unsafe.Pointer(unsafe.SliceData(memory)), uintptr(len(memory)))
}

// mincore sets bit 0 of into's byte for each page of memory that is in the page cache.
func mincore(memory, into []byte) error {
	_, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(unsafe.SliceData(memory))), uintptr(len(memory)),
		uintptr(unsafe.Pointer(unsafe.SliceData(into))))
	return asError(errno)
}

// futexWait is FUTEX_WAIT of the shared kind; its timeout is relative.
func futexWait(word unsafe.Pointer, expected uint32, timeout *unix.Timespec) error {
	_, _, errno := unix.Syscall6(unix.SYS_FUTEX, uintptr(word), futexOperationWait, uintptr(expected),
		uintptr(unsafe.Pointer(timeout)), 0, 0)
	return asError(errno)
}

// futexWaitAny is futex_waitv(2), Linux 5.16 and later; its deadline is on CLOCK_MONOTONIC. It returns which was woken.
func futexWaitAny(waiters []futexWaiter, deadline *unix.Timespec) (int, error) {
	woken, _, errno := unix.Syscall6(unix.SYS_FUTEX_WAITV, uintptr(unsafe.Pointer(unsafe.SliceData(waiters))),
		uintptr(len(waiters)), 0, uintptr(unsafe.Pointer(deadline)), unix.CLOCK_MONOTONIC, 0)
	return int(woken), asError(errno)
}

func futexWake(word unsafe.Pointer, count int, private bool) (int, error) {
	operation := uintptr(futexOperationWake)
	if private {
		operation |= futexPrivateFlag
	}
	woken, _, errno := unix.Syscall6(unix.SYS_FUTEX, uintptr(word), operation, uintptr(count), 0, 0, 0)
	return int(woken), asError(errno)
}

func userfaultfd(flags int) (int, error) {
	descriptor, _, errno := unix.Syscall(unix.SYS_USERFAULTFD, uintptr(flags), 0, 0)
	return int(descriptor), asError(errno)
}

// ioctl is ioctl(2) for requests whose argument is a structure and that may return a number.
func ioctl(descriptor int, request uintptr, argument unsafe.Pointer) (int, error) {
	result, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(descriptor), request, uintptr(argument))
	return int(result), asError(errno)
}

// monotonicDeadline is the CLOCK_MONOTONIC time after a timeout. The sum cannot overflow: seconds and nanoseconds are added apart.
func monotonicDeadline(timeout time.Duration) (*unix.Timespec, error) {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return nil, err
	}
	now.Sec += int64(timeout / time.Second)
	now.Nsec += int64(timeout % time.Second)
	if now.Nsec >= int64(time.Second) {
		now.Sec++
		now.Nsec -= int64(time.Second)
	}
	return &now, nil
}

// asError is nil for errno 0, which as an error value would not be.
func asError(errno unix.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}
