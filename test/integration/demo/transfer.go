package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// transfer is one copy by one transport.
type transfer struct {
	seconds float64 // from the server's first read to the client's last write
	bytes   int64   // of the copy
	sum     [sha256.Size]byte
	calls   uint64 // system calls of server and client; 0 if not counted
}

// transferFile runs the transport's programs once. With a counter their system calls are counted. The copy is removed.
func transferFile(ctx context.Context, t transport, p programs, source, directory string, counting counter) (transfer, error) {
	var result transfer
	copyPath := filepath.Join(directory, "copy")
	processes, err := runPair(ctx, t.commands(p, source, copyPath), counting)
	if err != nil {
		return result, fmt.Errorf("%s: %w", t, err)
	}
	if result.seconds, err = duration(processes); err != nil {
		return result, fmt.Errorf("%s: %w", t, err)
	}
	for _, process := range processes {
		if process.count == nil {
			continue
		}
		calls, err := process.count()
		if err != nil {
			return result, fmt.Errorf("%s: %w", t, err)
		}
		result.calls += calls
	}
	if result.sum, result.bytes, err = checksum(copyPath); err != nil {
		return result, fmt.Errorf("%s: %w", t, err)
	}
	if err := os.Remove(copyPath); err != nil {
		return result, fmt.Errorf("%s: removing the copy: %w", t, err)
	}
	return result, nil
}

// runPair starts the commands, each when the one before is ready, and returns when all have ended. When one fails the
// others are stopped.
func runPair(ctx context.Context, commands [][]string, counting counter) ([]*process, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var processes []*process
	var starting error
	for _, arguments := range commands {
		process, err := startProcess(ctx, arguments, counting)
		if err != nil {
			starting = err
			cancel()
			break
		}
		processes = append(processes, process)
		if len(processes) < len(commands) {
			<-process.ready
		}
	}
	outcomes := make(chan error, len(processes))
	for _, process := range processes {
		go func() { outcomes <- process.wait() }()
	}
	problems := []error{starting}
	for range processes {
		if err := <-outcomes; err != nil {
			problems = append(problems, err)
			cancel()
		}
	}
	return processes, errors.Join(problems...)
}

// duration is the time between the server's beginning and the client's end, by the clock both share.
func duration(processes []*process) (float64, error) {
	var began, ended float64
	var hasBegun, hasEnded bool
	for _, process := range processes {
		if at, found := process.clock("began at"); found {
			began, hasBegun = at, true
		}
		if at, found := process.clock("ended at"); found {
			ended, hasEnded = at, true
		}
	}
	if !hasBegun || !hasEnded || ended < began {
		return 0, errors.New("the programs did not report when they began and ended")
	}
	return ended - began, nil
}

// checksum returns a file's SHA-256 and its length in bytes.
func checksum(path string) (sum [sha256.Size]byte, length int64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return sum, 0, fmt.Errorf("opening for the checksum: %w", err)
	}
	defer file.Close()
	hash := sha256.New()
	if length, err = io.Copy(hash, file); err != nil {
		return sum, 0, fmt.Errorf("reading for the checksum: %w", err)
	}
	hash.Sum(sum[:0])
	return sum, length, nil
}
