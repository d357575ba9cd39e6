package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// allowedCPUs lists the CPUs this process may run on, ascending.
func allowedCPUs() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("asking for the allowed CPUs: %w", err)
	}
	var cpus []int
	for cpu := 0; len(cpus) < set.Count(); cpu++ {
		if set.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	return cpus, nil
}

// requireMemory fails unless the machine can give bytes without swapping or killing.
func requireMemory(bytes uint64) error {
	table, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return fmt.Errorf("asking for the free memory: %w", err)
	}
	available, err := kibibytesField(string(table), "MemAvailable")
	if err != nil {
		return fmt.Errorf("asking for the free memory: %w", err)
	}
	if available < bytes {
		return fmt.Errorf("%d MiB of free memory are needed and %d MiB are there", bytes>>20, available>>20)
	}
	return nil
}

// kibibytesField returns, in bytes, a "Name:   123 kB" line of /proc/meminfo or /proc/PID/status.
func kibibytesField(table, name string) (uint64, error) {
	for line := range strings.Lines(table) {
		value, found := strings.CutPrefix(line, name+":")
		if !found {
			continue
		}
		kibibytes, err := strconv.ParseUint(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("reading %s: %w", name, err)
		}
		return kibibytes << 10, nil
	}
	return 0, fmt.Errorf("no line %s", name)
}

// forgetNames makes the kernel drop the directory entries and inodes it merely remembers.
func forgetNames() error {
	if err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("2\n"), 0); err != nil {
		return fmt.Errorf("dropping the kernel's directory entries: %w", err)
	}
	return nil
}

// describeMachine writes what a reader needs to judge the figures.
func describeMachine(out io.Writer) error {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return fmt.Errorf("asking for the kernel's release: %w", err)
	}
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return fmt.Errorf("asking for the load: %w", err)
	}
	cpus, err := allowedCPUs()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Linux %s, CPUs %v, load averages %s\n", unix.ByteSliceToString(name.Release[:]), cpus,
		strings.Join(strings.Fields(string(load))[:3], " "))
	return nil
}

// settlePoll is the time between two looks at a daemon's processor time; idleLimit is how much it may use in between and
// still count as idle; settleLimit is how long bench waits for that.
const (
	settlePoll  = 4 * time.Millisecond
	idleLimit   = 200 * time.Microsecond
	settleLimit = 2 * time.Minute
)

// settle waits until consumed, a processor time that only grows, stands still twice in a row: deferred work that earlier
// calls caused (releases, forgets) must not be charged to the pass that follows.
func settle(ctx context.Context, consumed func() (time.Duration, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, settleLimit, errors.New("the daemon does not become idle"))
	defer cancel()
	ticker := time.NewTicker(settlePoll)
	defer ticker.Stop()
	before, err := consumed()
	for calm := 0; err == nil && calm < 2; {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
		var after time.Duration
		if after, err = consumed(); after-before <= idleLimit {
			calm++
		} else {
			calm = 0
		}
		before = after
	}
	return err
}
