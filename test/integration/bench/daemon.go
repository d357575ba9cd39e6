package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// daemon is the set of processes that serve one shmfs mount: those that have its mountpoint as an argument.
type daemon struct {
	mountpoint string
	processes  []int
}

// findDaemon fails if no process serves mountpoint.
func findDaemon(mountpoint string) (*daemon, error) {
	commandLines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil, fmt.Errorf("listing the processes: %w", err)
	}
	found := &daemon{mountpoint: mountpoint}
	for _, path := range commandLines {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // ended meanwhile
		}
		process, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil && slices.Contains(strings.Split(string(text), "\x00"), mountpoint) {
			found.processes = append(found.processes, process)
		}
	}
	if len(found.processes) == 0 {
		return nil, fmt.Errorf("no process has %s as an argument", mountpoint)
	}
	return found, nil
}

// memory returns, in bytes and over all processes of the daemon, what is resident and what was at most.
func (d *daemon) memory() (resident, peak uint64, err error) {
	for _, process := range d.processes {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", process))
		if err != nil {
			return 0, 0, fmt.Errorf("asking for the daemon's memory: %w", err)
		}
		now, nowErr := kibibytesField(string(status), "VmRSS")
		most, mostErr := kibibytesField(string(status), "VmHWM")
		if err := errors.Join(nowErr, mostErr); err != nil {
			return 0, 0, fmt.Errorf("asking for the daemon's memory: %w", err)
		}
		resident, peak = resident+now, peak+most
	}
	return resident, peak, nil
}

// consumed is the processor time of all the daemon's threads. A thread that ends takes its share with it; Go's do not.
func (d *daemon) consumed() (time.Duration, error) {
	var total time.Duration
	for _, process := range d.processes {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", process))
		if err != nil || len(threads) == 0 {
			return 0, fmt.Errorf("asking for the daemon's processor time: process %d is gone", process)
		}
		for _, path := range threads {
			spent, err := processorTime(path)
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
				continue // ended meanwhile
			}
			if err != nil {
				return 0, fmt.Errorf("asking for the daemon's processor time: %w", err)
			}
			total += spent
		}
	}
	return total, nil
}

// processorTime reads a schedstat file, whose first field counts nanoseconds.
func processorTime(path string) (time.Duration, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(text), " ")
	nanoseconds, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("reading %s: %w", path, err)
	}
	return time.Duration(nanoseconds), nil
}
