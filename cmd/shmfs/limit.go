package main

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// patience is how long a mountpoint may take to answer the command line: what is longer than a busy machine keeps anybody waiting.
const patience = 10 * time.Second

// endLimit is how long a daemon may take to end once its mount is gone: it gives all its memory back first.
const endLimit = 30 * time.Second

// errNoAnswer says that a mountpoint let the time limit pass.
var errNoAnswer = errors.New("no answer within " + patience.String())

// within returns what the call returns, or errNoAnswer when that takes longer than patience. The call is then left behind:
// nothing can end it but the file system it waits for.
func within[T any](call func() (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	outcomes := make(chan outcome, 1)
	go func() {
		value, err := call()
		outcomes <- outcome{value, err}
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case ended := <-outcomes:
		return ended.value, ended.err
	case <-timer.C:
		var none T
		return none, errNoAnswer
	}
}

// raiseDescriptorLimit lets the process open as many files as the kernel allows it: every open object takes one. A limit
// that cannot be raised is no failure; the mount then serves fewer open files.
func raiseDescriptorLimit() (uint64, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	wanted := limit
	if most := descriptorCeiling(); os.Geteuid() == 0 && most > wanted.Max {
		wanted.Max = most
	}
	wanted.Cur = wanted.Max
	err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &wanted)
	if err != nil && wanted.Max != limit.Max { // root without the capability may still go up to its own limit
		wanted.Cur, wanted.Max = limit.Max, limit.Max
		err = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &wanted)
	}
	if err != nil {
		return limit.Cur, err
	}
	return wanted.Cur, nil
}

// descriptorCeiling is the most descriptors the kernel gives any process, 0 when it does not say.
func descriptorCeiling() uint64 {
	text, err := os.ReadFile("/proc/sys/fs/nr_open")
	if err != nil {
		return 0
	}
	most, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return 0
	}
	return most
}
