package fs

import (
	"sync"
	"time"
)

const (
	// mostAskers is how many threads are remembered, and askerTime for how long: to find out whose a thread is takes longer than most
	// requests, and one that was asked about is likely to come again.
	mostAskers = 1024
	askerTime  = time.Second
)

// askers remembers which process a thread belongs to, and what that runs.
type askers struct {
	mu       sync.Mutex
	byThread map[uint32]knownAsker // guarded by mu
}

type knownAsker struct {
	process uint32
	command string
	until   time.Time
}

// who returns the process that a thread belongs to and its command, empty when it is gone.
func (a *askers) who(thread uint32) (process uint32, command string) {
	if thread == 0 {
		return 0, ""
	}
	moment := time.Now()
	a.mu.Lock()
	known, found := a.byThread[thread]
	a.mu.Unlock()
	if found && moment.Before(known.until) {
		return known.process, known.command
	}
	id, command := commandOf(int(thread))
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.byThread) >= mostAskers || a.byThread == nil {
		a.byThread = make(map[uint32]knownAsker)
	}
	a.byThread[thread] = knownAsker{uint32(id), command, moment.Add(askerTime)}
	return uint32(id), command
}
