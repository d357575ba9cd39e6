package mmapcore

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// NoTimeout makes FutexWait wait as long as it takes.
const NoTimeout time.Duration = math.MaxInt64

// futexSlice is how long a kernel without futex_waitv(2) may take to notice a cancellation.
const futexSlice = 20 * time.Millisecond

// ErrCanceled is what a wait returns when its Cancellation was used. It wraps ECANCELED.
var ErrCanceled = fmt.Errorf("wait canceled: %w", unix.ECANCELED)

// Cancellation ends futex waits early: those in progress and those to come. It may be used for any number of waits and
// mappings. All methods may be called concurrently.
type Cancellation struct{ word atomic.Uint32 }

// NewCancellation returns one that is not used yet.
func NewCancellation() *Cancellation { return &Cancellation{} }

// Cancel ends the waits. Further calls change nothing.
func (c *Cancellation) Cancel() {
	if c.word.Swap(1) == 0 {
		// The word lies in this process's own memory, so there is no way for this to fail.
		_, _ = kernel.futexWake(unsafe.Pointer(&c.word), math.MaxInt32, true)
	}
}

// Canceled tells whether Cancel was called. A nil Cancellation never is.
func (c *Cancellation) Canceled() bool { return c != nil && c.word.Load() != 0 }

// FutexWait sleeps while the 32-bit word at offset is expected, until a FutexWake (FUTEX_WAKE of the shared kind, by any
// process) wakes it, as FUTEX_WAIT in futex(2). A return without error does not say that the word has changed; the caller looks
// again. It takes an operating system thread while it sleeps.
//
// Errors: EAGAIN when the word is not expected (or stopped being so before the sleep began); ETIMEDOUT after timeout, which
// counts on CLOCK_MONOTONIC; EINVAL when timeout is negative, or offset is not a multiple of 4 or outside the mapping;
// ErrFault when the file has no memory there; ErrClosed, also when Unmap is called meanwhile.
func (m *Mapping) FutexWait(offset int64, expected uint32, timeout time.Duration) error {
	return m.FutexWaitCancelable(offset, expected, timeout, nil)
}

// FutexWaitCancelable is FutexWait that returns ErrCanceled when cancellation (unless nil) is used, at once; before Linux 5.16
// within 20 milliseconds. A wake that arrives with the cancellation is passed on to another waiter.
func (m *Mapping) FutexWaitCancelable(offset int64, expected uint32, timeout time.Duration, cancellation *Cancellation) error {
	const doing = "waiting on"
	if timeout < 0 {
		return fmt.Errorf("%s a futex for %v: %w", doing, timeout, unix.EINVAL)
	}
	if err := misaligned(doing, offset, 4); err != nil {
		return err
	}
	if err := m.enter(doing, offset, 4, ReadOnly); err != nil {
		return err
	}
	defer m.life.leave()
	wait := futexWaiting{word: m.address(offset), expected: expected, ending: m.ending, cancellation: cancellation}
	if err := wait.run(timeout); err != nil {
		return fmt.Errorf("%s a mapping at %d: %w", doing, offset, asFault(err))
	}
	return nil
}

// FutexWake wakes up to count of those who wait on the word at offset, in any process, and returns how many. As FUTEX_WAKE in
// futex(2), of the shared kind.
//
// Errors: EINVAL when count is not positive or more than 2147483647, or offset is not a multiple of 4 or outside the mapping;
// ErrFault when the file has no memory there; ErrClosed.
func (m *Mapping) FutexWake(offset int64, count int) (int, error) {
	const doing = "waking waiters on"
	if count <= 0 || count > math.MaxInt32 {
		return 0, fmt.Errorf("%s a mapping, %d of them: %w", doing, count, unix.EINVAL)
	}
	if err := misaligned(doing, offset, 4); err != nil {
		return 0, err
	}
	if err := m.enter(doing, offset, 4, ReadOnly); err != nil {
		return 0, err
	}
	defer m.life.leave()
	woken, err := kernel.futexWake(m.address(offset), count, false)
	if err != nil {
		return 0, fmt.Errorf("%s a mapping at %d: %w", doing, offset, asFault(err))
	}
	return woken, nil
}

// futexWaiting is one wait on a word of a mapping that has been entered.
type futexWaiting struct {
	word         unsafe.Pointer
	expected     uint32
	ending       *Cancellation // of the mapping
	cancellation *Cancellation // of the caller; may be nil
}

// stopped is the error with which the wait must end, if it must.
func (w *futexWaiting) stopped() error {
	if w.ending.Canceled() {
		return ErrClosed
	}
	if w.cancellation.Canceled() {
		return ErrCanceled
	}
	return nil
}

func (w *futexWaiting) run(timeout time.Duration) error {
	var deadline *unix.Timespec
	if timeout != NoTimeout {
		var err error
		if deadline, err = monotonicDeadline(timeout); err != nil {
			return err
		}
	}
	defer runtime.KeepAlive(w.ending)
	defer runtime.KeepAlive(w.cancellation)
	waiters := w.waiters()
	for {
		if err := w.stopped(); err != nil {
			return err
		}
		woken, err := kernel.futexWaitAny(waiters, deadline)
		switch {
		case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EPERM):
			return w.runInSlices(timeout)
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			if stopped := w.stopped(); stopped != nil {
				return stopped
			}
			return err
		case woken == 0:
			return nil
		}
		// A stop woke us. The kernel names only one of the words, so a wake of the mapping's may have come too. It was meant for
		// somebody who goes on, and waiters must bear a wake too many, so it is passed on. Nobody can be told if that fails.
		_, _ = kernel.futexWake(w.word, 1, false)
	}
}

// waiters are the words to sleep on: the mapping's first, then those that stop the wait, which are 0 until then.
func (w *futexWaiting) waiters() []futexWaiter {
	waiters := []futexWaiter{{expected: uint64(w.expected), address: uint64(uintptr(w.word)), flags: futexSize32}}
	for _, stop := range []*Cancellation{w.ending, w.cancellation} {
		if stop != nil {
			address := uint64(uintptr(unsafe.Pointer(&stop.word)))
			waiters = append(waiters, futexWaiter{address: address, flags: futexSize32 | futexPrivateFlag})
		}
	}
	return waiters
}

// runInSlices is run for kernels that cannot wait on several words: it looks for stops from time to time.
func (w *futexWaiting) runInSlices(timeout time.Duration) error {
	start := time.Now()
	for {
		if err := w.stopped(); err != nil {
			return err
		}
		left := timeout - time.Since(start)
		slice := unix.NsecToTimespec(int64(max(0, min(left, futexSlice))))
		err := kernel.futexWait(w.word, w.expected, &slice)
		if errors.Is(err, unix.EINTR) || (errors.Is(err, unix.ETIMEDOUT) && left > futexSlice) {
			continue
		}
		return err
	}
}
