package mappers

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// patience is how long a process may take to show what it maps or does. One that runs does in microseconds.
	patience = 250 * time.Millisecond
	// maxHanging bounds the goroutines, each with an operating system's thread, that wait for processes that do not answer.
	maxHanging = 4
)

// hanging are the processes for which a read that nobody waits for any more is under way.
var hanging = struct {
	mu        sync.Mutex
	processes map[int]struct{} // guarded by mu
}{processes: make(map[int]struct{})}

// outcome is what an inquiry came to.
type outcome[T any] struct {
	value T
	err   error
}

// patiently makes an inquiry about a process. Errors: the inquiry's; ETIMEDOUT when the process does not answer in time or has not
// answered an earlier one yet, or when too many do not; ctx's.
func patiently[T any](ctx context.Context, process int, inquire func() (T, error)) (T, error) {
	var none T
	if !mayAsk(process) {
		return none, fmt.Errorf("process %d, or too many others, did not answer before: %w", process, unix.ETIMEDOUT)
	}
	done := make(chan outcome[T])
	abandoned := make(chan struct{})
	go func() {
		value, err := inquire()
		select {
		case done <- outcome[T]{value, err}:
		case <-abandoned:
			forget(process)
		}
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case result := <-done:
		return result.value, result.err
	case <-timer.C:
		abandon(process, abandoned)
		return none, fmt.Errorf("process %d does not answer: %w", process, unix.ETIMEDOUT)
	case <-ctx.Done():
		abandon(process, abandoned)
		return none, ctx.Err()
	}
}

func mayAsk(process int) bool {
	hanging.mu.Lock()
	defer hanging.mu.Unlock()
	_, hangs := hanging.processes[process]
	return !hangs && len(hanging.processes) < maxHanging
}

// abandon lets an inquiry end by itself, and counts it until then.
func abandon(process int, abandoned chan struct{}) {
	hanging.mu.Lock()
	defer hanging.mu.Unlock()
	hanging.processes[process] = struct{}{}
	close(abandoned)
}

func forget(process int) {
	hanging.mu.Lock()
	defer hanging.mu.Unlock()
	delete(hanging.processes, process)
}
