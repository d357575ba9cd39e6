package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// counter counts the system calls of programs from their start to their end, those of their children included.
type counter interface {
	// method says in words how it counts.
	method() string
	// wrap returns the command line that runs the program so that it can be counted. No program runs before begin.
	wrap(arguments []string) []string
	// begin starts counting the wrapped program that runs as the process and reads the descriptor; the function it
	// returns gives the count, once, after the process has ended.
	begin(pid int, release *os.File) (func() (uint64, error), error)
	// beginRunning counts a process that runs already; the function gives the count so far and ends the counting.
	// It returns nil where that is not possible.
	beginRunning(pid int) (func() (uint64, error), error)
}

// newCounter returns a counter on the kernel's own tracepoint, or strace where there is no such tracepoint.
func newCounter(ctx context.Context, directory string, steps *undoing) (counter, error) {
	tracing, err := newTracepointCounter(directory, steps)
	if err == nil {
		return tracing, nil
	}
	fmt.Fprintln(os.Stderr, "demo: system calls are counted by strace, because the tracepoint cannot be used:", err)
	if err := installPrograms(ctx, "strace"); err != nil {
		return nil, err
	}
	return straceCounter{directory}, nil
}

// tracepointCounter counts raw_syscalls:sys_enter through perf_event_open(2).
type tracepointCounter struct{ id uint64 }

func newTracepointCounter(directory string, steps *undoing) (counter, error) {
	tracing := filepath.Join(directory, "tracing")
	if err := mountKernel("tracefs", tracing, ""); err != nil {
		return nil, err
	}
	steps.add(func() error { return unmount(tracing) })
	text, err := os.ReadFile(filepath.Join(tracing, "events/raw_syscalls/sys_enter/id"))
	if err != nil {
		return nil, fmt.Errorf("finding the tracepoint: %w", err)
	}
	id, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("reading the tracepoint's number: %w", err)
	}
	c := tracepointCounter{id}
	descriptor, err := c.open(os.Getpid(), unix.PerfBitDisabled) // is it permitted?
	if err != nil {
		return nil, err
	}
	return c, unix.Close(descriptor)
}

func (c tracepointCounter) open(thread int, bits uint64) (int, error) {
	descriptor, err := unix.PerfEventOpen(&unix.PerfEventAttr{
		Type:   unix.PERF_TYPE_TRACEPOINT,
		Size:   uint32(binary.Size(unix.PerfEventAttr{})),
		Config: c.id,
		Bits:   bits,
	}, thread, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("opening the counter: %w", err)
	}
	return descriptor, nil
}

func (c tracepointCounter) method() string {
	return "the kernel's tracepoint raw_syscalls:sys_enter (perf_event_open)"
}

// wrap lets a shell wait for a line, so that the counter is in place when it becomes the program.
func (c tracepointCounter) wrap(arguments []string) []string {
	return append([]string{"/bin/sh", "-c", `read -r line && exec "$@" </dev/null`, "sh"}, arguments...)
}

func (c tracepointCounter) begin(pid int, release *os.File) (func() (uint64, error), error) {
	descriptor, err := c.open(pid, unix.PerfBitDisabled|unix.PerfBitEnableOnExec|unix.PerfBitInherit)
	if err != nil {
		return nil, err
	}
	if _, err := release.WriteString("go\n"); err != nil {
		return nil, errors.Join(fmt.Errorf("releasing the program: %w", err), unix.Close(descriptor))
	}
	return func() (uint64, error) { return readCounters([]int{descriptor}) }, nil
}

func (c tracepointCounter) beginRunning(pid int) (func() (uint64, error), error) {
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return nil, fmt.Errorf("listing threads: %w", err)
	}
	var descriptors []int
	for _, thread := range threads {
		number, err := strconv.Atoi(thread.Name())
		if err != nil {
			return nil, fmt.Errorf("reading a thread's number: %w", err)
		}
		descriptor, err := c.open(number, unix.PerfBitInherit)
		if errors.Is(err, unix.ESRCH) { // the thread has ended
			continue
		}
		if err != nil {
			_, _ = readCounters(descriptors) // closes them
			return nil, err
		}
		descriptors = append(descriptors, descriptor)
	}
	return func() (uint64, error) { return readCounters(descriptors) }, nil
}

// readCounters returns the sum of the counters and closes them.
func readCounters(descriptors []int) (uint64, error) {
	var sum uint64
	var problems []error
	for _, descriptor := range descriptors {
		var count [8]byte
		if _, err := unix.Read(descriptor, count[:]); err != nil {
			problems = append(problems, fmt.Errorf("reading a counter: %w", err))
		}
		sum += binary.NativeEndian.Uint64(count[:])
		problems = append(problems, unix.Close(descriptor))
	}
	return sum, errors.Join(problems...)
}

// straceCounter lets strace count.
type straceCounter struct{ directory string }

func (c straceCounter) method() string {
	return "strace -c (ptrace), because the kernel's tracepoint could not be used"
}

// wrap ends in a shell that becomes strace, which writes its table to a file named after the process.
func (c straceCounter) wrap(arguments []string) []string {
	return append([]string{"/bin/sh", "-c", `read -r line && exec strace -f -c -o "$0.$$" -- "$@" </dev/null`, c.table()},
		arguments...)
}

func (c straceCounter) table() string { return filepath.Join(c.directory, "calls") }

func (c straceCounter) begin(pid int, release *os.File) (func() (uint64, error), error) {
	if _, err := release.WriteString("go\n"); err != nil {
		return nil, fmt.Errorf("releasing the program: %w", err)
	}
	return func() (uint64, error) {
		path := fmt.Sprintf("%s.%d", c.table(), pid)
		count, err := readTotal(path)
		return count, errors.Join(err, os.Remove(path))
	}, nil
}

func (c straceCounter) beginRunning(int) (func() (uint64, error), error) { return nil, nil }

// readTotal finds the number of calls in the last line of strace's table:
//
//	% time     seconds  usecs/call     calls    errors syscall
//	------ ----------- ----------- --------- --------- ----------------
//	100.00    0.000123           3        41         2 total
func readTotal(path string) (uint64, error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("opening strace's table: %w", err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 5 || fields[len(fields)-1] != "total" {
			continue
		}
		return strconv.ParseUint(fields[3], 10, 64)
	}
	return 0, fmt.Errorf("strace's table %s has no total", path)
}
