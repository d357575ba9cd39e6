package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// A process that is killed may stay for long: a thread of it can wait inside the kernel for a lock whose holder waits for the mount, and
// so for the next worker. Such a process has stopped serving all the same. It is known to be dead by its sentinel, a thread that waits for
// nothing and so ends at once; the others then have the signal pending and never get back to the program.

// newSentinel starts a thread that lives as long as the process, and returns a descriptor by which its end is told; negative where the
// kernel has none (before Linux 6.9).
func newSentinel() int {
	started := make(chan int)
	go func() {
		runtime.LockOSThread()
		thread := unix.Gettid()
		if thread == os.Getpid() { // the end of the first thread is told with that of the last
			inner := newSentinel()
			runtime.UnlockOSThread()
			started <- inner
			return
		}
		descriptor, err := unix.PidfdOpen(thread, unix.PIDFD_THREAD)
		if err != nil {
			descriptor = -1
		}
		started <- descriptor
		select {}
	}()
	return <-started
}

// settleLimit is how long the threads of a killed process may run on. They are in the kernel by then.
const settleLimit = time.Second

// lookInterval is how often a process is looked at that has no sentinel.
const lookInterval = 50 * time.Millisecond

// awaitEnd returns when a process is gone, by its descriptor.
func awaitEnd(process int) { awaitReadable(process, -1) }

// awaitLastStep returns when a process that may not go for long runs no more: its sentinel has ended and its threads are gone, or wait
// inside the kernel. Without a sentinel it is looked at again and again.
func awaitLastStep(pid, process, sentinel int) {
	if sentinel >= 0 {
		awaitReadable(sentinel, -1)
	} else {
		for !awaitReadable(process, lookInterval) && !firstThreadEnded(pid) {
		}
	}
	for deadline := time.Now().Add(settleLimit); time.Now().Before(deadline); {
		if awaitReadable(process, time.Millisecond) || !runs(pid) {
			return
		}
	}
}

// awaitReadable waits for a descriptor of a process or thread to tell of its end, for at most the time given, or without limit if that is
// negative.
func awaitReadable(descriptor int, limit time.Duration) bool {
	ownPulse.Beat()
	defer ownPulse.Beat()
	deadline := time.Now().Add(limit)
	for {
		wait := -1
		if limit >= 0 {
			wait = int((max(time.Until(deadline), 0) + time.Millisecond - 1).Milliseconds())
		}
		ready, err := unix.Poll([]unix.PollFd{{Fd: int32(descriptor), Events: unix.POLLIN}}, wait)
		if ready > 0 {
			return true
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			return false
		}
		if err == nil && limit >= 0 && time.Now().After(deadline) {
			return false
		}
	}
}

// firstThreadEnded says whether the first thread of a process has ended.
func firstThreadEnded(pid int) bool { return stateIn(fmt.Sprintf("/proc/%d/stat", pid)) == 'Z' }

// runs says whether a thread of a process runs, or is about to.
func runs(pid int) bool {
	directory := fmt.Sprintf("/proc/%d/task", pid)
	threads, err := os.ReadDir(directory)
	if err != nil {
		return false
	}
	for _, thread := range threads {
		if stateIn(directory+"/"+thread.Name()+"/stat") == 'R' {
			return true
		}
	}
	return false
}

// stateIn is the state that a file of /proc says a thread is in; 0 if there is none.
func stateIn(path string) byte {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	// The name in parentheses may hold anything.
	end := bytes.LastIndexByte(text, ')')
	if end < 0 || end+2 >= len(text) {
		return 0
	}
	return text[end+2]
}
