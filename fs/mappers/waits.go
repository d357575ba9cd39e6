package mappers

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrCannotTell is WaitsIn's error for threads of which it cannot be seen where they wait.
var ErrCannotTell = errors.New("it cannot be seen where a thread waits")

// stance is what one thread does.
type stance int

const (
	elsewhere stance = iota // it runs, or waits for something else
	waits                   // in the ranges
	hidden                  // it waits for futexes that cannot be seen
)

// WaitsIn says whether some thread of a process waits, in futex(2), for a word within the ranges. It looks at one thread after the
// other: one that is awake only for a moment counts as not waiting.
//
// Without any that is seen to wait, errors are: ESRCH when the process is gone; ErrCannotTell when a thread waits in futex_waitv(2), whose
// addresses cannot be seen; EACCES or EPERM without the right to trace the process; ETIMEDOUT when it does not answer.
func WaitsIn(ctx context.Context, process int, ranges []Range) (bool, error) {
	return patiently(ctx, process, func() (bool, error) { return anyWaits(process, ranges) })
}

func anyWaits(process int, ranges []Range) (bool, error) {
	tasks := "/proc/" + strconv.Itoa(process) + "/task/"
	threads, err := list(tasks)
	if err != nil && isGone(err) {
		err = unix.ESRCH
	}
	if err != nil {
		return false, fmt.Errorf("listing the threads of process %d: %w", process, err)
	}
	var unseen error
	for _, thread := range threads {
		text, err := readString(tasks + thread + "/syscall")
		if err != nil {
			if !isGone(err) {
				unseen = err
			}
			continue
		}
		switch stanceOf(text, ranges) {
		case waits:
			return true, nil
		case hidden:
			unseen = fmt.Errorf("thread %s of process %d: %w", thread, process, ErrCannotTell)
		}
	}
	return false, unseen
}

// stanceOf reads a line of /proc/[pid]/syscall: the system call's number, six arguments, stack pointer and program counter; or "running";
// or -1 for a thread that is stopped outside any call.
func stanceOf(text string, ranges []Range) stance {
	fields := strings.Fields(text)
	if len(fields) < 3 {
		return elsewhere
	}
	switch fields[0] {
	case callFutexWaitv:
		return hidden
	case callFutex, callRestart:
	default:
		return elsewhere
	}
	address, addressErr := strconv.ParseUint(fields[1], 0, 64)
	operation, operationErr := strconv.ParseUint(fields[2], 0, 64)
	if addressErr != nil || operationErr != nil || !isWait(operation) {
		return elsewhere
	}
	for _, one := range ranges {
		if one.Start <= address && address < one.End {
			return waits
		}
	}
	return elsewhere
}

// The operations of futex(2) that wait, and the flags that may stand beside, from linux/futex.h.
const (
	futexWait        = 0
	futexWaitBitset  = 9
	futexPrivate     = 128
	futexRealClock   = 256
	operationIsAnInt = 1<<32 - 1
)

func isWait(operation uint64) bool {
	operation = operation & operationIsAnInt &^ (futexPrivate | futexRealClock)
	return operation == futexWait || operation == futexWaitBitset
}
