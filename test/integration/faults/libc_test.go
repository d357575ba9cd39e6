package faults

import (
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// libc is a semaphore in a process's memory, used as glibc's sem_post and sem_wait do: the lower half of a word is the value, the upper
// half counts who waits.
type libc struct {
	memory []byte
	word   *uint64
}

const (
	oneWaiter = 1 << 32

	// Operations of futex(2).
	futexWait = 0
	futexWake = 1
)

// mapSemaphore maps the semaphore that a descriptor leads to.
func mapSemaphore(descriptor int) (*libc, error) {
	memory, err := unix.Mmap(descriptor, 0, page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	return &libc{memory, (*uint64)(unsafe.Pointer(&memory[0]))}, nil
}

func (l *libc) value() int   { return int(uint32(atomic.LoadUint64(l.word))) }
func (l *libc) waiters() int { return int(atomic.LoadUint64(l.word) >> 32) }

// post adds a unit and wakes somebody.
func (l *libc) post() error {
	if before := atomic.AddUint64(l.word, 1) - 1; before < oneWaiter {
		return nil
	}
	_, _, errno := unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(l.word)), futexWake, 1, 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// tryWait takes a unit if there is one.
func (l *libc) tryWait() bool {
	for {
		word := atomic.LoadUint64(l.word)
		if uint32(word) == 0 {
			return false
		}
		if atomic.CompareAndSwapUint64(l.word, word, word-1) {
			return true
		}
	}
}

// wait takes a unit, and waits for it up to so long. ETIMEDOUT says that none came.
func (l *libc) wait(most time.Duration) error {
	if l.tryWait() {
		return nil
	}
	atomic.AddUint64(l.word, oneWaiter)
	for deadline := now() + most; ; {
		word := atomic.LoadUint64(l.word)
		if uint32(word) != 0 {
			if atomic.CompareAndSwapUint64(l.word, word, word-1-oneWaiter) {
				return nil
			}
			continue
		}
		left := deadline - now()
		if left <= 0 {
			atomic.AddUint64(l.word, ^uint64(oneWaiter-1))
			return unix.ETIMEDOUT
		}
		timeout := unix.NsecToTimespec(int64(left))
		_, _, errno := unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(l.word)), futexWait, 0, uintptr(unsafe.Pointer(&timeout)), 0, 0)
		if errno != 0 && errno != unix.EAGAIN && errno != unix.EINTR && errno != unix.ETIMEDOUT {
			return errno
		}
	}
}

func (l *libc) unmap() error { return unix.Munmap(l.memory) }
