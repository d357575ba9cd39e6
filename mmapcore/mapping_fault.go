package mmapcore

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ErrFault says that the file has no memory where a Mapping was accessed: it ends before, or the file system is full, or
// storage failed. It wraps EFAULT. The access may be tried again when the file has grown.
var ErrFault = fmt.Errorf("no memory behind the mapping: %w", unix.EFAULT)

// guard runs an access to the mapping's memory and returns ErrFault if it raised SIGBUS (or SIGSEGV). The Go runtime turns the
// signal into a panic for this goroutine alone while SetPanicOnFault holds, wherever the scheduler runs it. Every other
// panic goes on, a fault at another address too: that is a bug, which must not pass for a short file. The access must be Go
// code that calls nothing which could fault while it holds a lock.
func (m *Mapping) guard(access func()) (err error) {
	before := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(before)
		if cause := recover(); cause != nil {
			if !m.isFault(cause) {
				panic(cause)
			}
			err = ErrFault
		}
	}()
	access()
	return nil
}

// isFault tells whether a recovered panic is the runtime's for a fault inside this mapping.
func (m *Mapping) isFault(cause any) bool {
	fault, ok := cause.(interface {
		runtime.Error
		Addr() uintptr
	})
	if !ok {
		return false
	}
	start := uintptr(unsafe.Pointer(unsafe.SliceData(m.memory)))
	return fault.Addr() >= start && fault.Addr()-start < uintptr(len(m.memory))
}

// asFault is the error of a system call that was handed the mapping's memory: EFAULT is ErrFault, the rest stays.
func asFault(err error) error {
	if errors.Is(err, unix.EFAULT) {
		return ErrFault
	}
	return err
}
