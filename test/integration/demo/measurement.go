package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// measure runs every transport: twice with its system calls counted (with an empty file, which shows what starting and
// ending costs, and with the file), and then the timed runs, in which the transports take turns.
func measure(ctx context.Context, s setting, p programs, counting counter, directory string) (*report, error) {
	if err := os.Setenv("PYTHONDONTWRITEBYTECODE", "1"); err != nil {
		return nil, fmt.Errorf("keeping Python's cache away from the sources: %w", err)
	}
	empty := filepath.Join(directory, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		return nil, fmt.Errorf("making an empty file: %w", err)
	}
	sum, size, err := checksum(s.File) // also brings the file into the page cache
	if err != nil {
		return nil, err
	}
	result := &report{File: s.File, Size: size, Sum: fmt.Sprintf("%x", sum), Store: s.Store, Runs: s.Runs, Method: counting.method()}
	all := transports(directory)
	for _, t := range all {
		fmt.Fprintf(os.Stderr, "demo: counting system calls: %s\n", t)
		row, err := countCalls(ctx, t, p, empty, s.File, directory, counting)
		if err != nil {
			return nil, err
		}
		result.Rows = append(result.Rows, row)
	}
	seconds := make([][]float64, len(all))
	for run := range s.Runs {
		fmt.Fprintf(os.Stderr, "demo: timed run %d of %d\n", run+1, s.Runs)
		for i, t := range all {
			one, err := transferFile(ctx, t, p, s.File, directory, nil)
			if err != nil {
				return nil, err
			}
			result.Rows[i].note(one, sum)
			seconds[i] = append(seconds[i], one.seconds)
		}
	}
	for i := range all {
		result.Rows[i].MegabytesPerSecond = float64(size) / 1e6 / median(seconds[i])
	}
	return result, result.check()
}

// countCalls makes a row of the report with everything but the speed.
func countCalls(ctx context.Context, t transport, p programs, empty, source, directory string, counting counter) (row, error) {
	r := row{Transport: t.name, Language: t.language, Copies: t.copies(), Equal: true}
	sum, _, err := checksum(source)
	if err != nil {
		return r, err
	}
	base, daemonBase, err := countedTransfer(ctx, t, p, empty, directory, counting)
	if err != nil {
		return r, fmt.Errorf("with an empty file: %w", err)
	}
	r.note(base, sha256.Sum256(nil))
	full, daemonFull, err := countedTransfer(ctx, t, p, source, directory, counting)
	if err != nil {
		return r, err
	}
	r.note(full, sum)
	r.Calls, r.CallsEmpty = full.calls, base.calls
	r.DaemonCalls, r.DaemonCallsEmpty = daemonFull, daemonBase
	return r, nil
}

// countedTransfer is transferFile with the calls of the store's daemon counted too; they are nil if there is no daemon.
func countedTransfer(ctx context.Context, t transport, p programs, source, directory string, counting counter) (transfer, *uint64, error) {
	daemon, err := countDaemon(t, counting)
	if err != nil {
		return transfer{}, nil, err
	}
	one, err := transferFile(ctx, t, p, source, directory, counting)
	if daemon == nil {
		return one, nil, err
	}
	calls, problem := daemon()
	return one, &calls, errors.Join(err, problem)
}

// countDaemon counts the calls of the store's daemon, which is whatever else runs in this mount namespace. It returns nil
// when there is none, or when it cannot be counted.
func countDaemon(t transport, counting counter) (func() (uint64, error), error) {
	if !t.inStore {
		return nil, nil
	}
	namespace, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		return nil, fmt.Errorf("naming the mount namespace: %w", err)
	}
	var counts []func() (uint64, error)
	for _, pid := range namespaceMembers(namespace) {
		count, err := counting.beginRunning(pid)
		if err != nil {
			return nil, fmt.Errorf("counting process %d: %w", pid, err)
		}
		if count != nil {
			counts = append(counts, count)
		}
	}
	if len(counts) == 0 {
		return nil, nil
	}
	return func() (uint64, error) {
		var sum uint64
		var problems []error
		for _, count := range counts {
			calls, err := count()
			sum += calls
			problems = append(problems, err)
		}
		return sum, errors.Join(problems...)
	}, nil
}

// median of an odd number of values is the middle one, of an even number the mean of the middle two.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
