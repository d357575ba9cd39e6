package fs

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"shmfs/fs/mappers"
	"shmfs/objects"
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
	creator objects.Creator // what is to be kept with what it creates
	until   time.Time
}

// who returns the process that a thread belongs to and its command, empty when it is gone.
func (a *askers) who(thread uint32) (process uint32, command string) {
	known := a.known(thread).creator
	return known.Process, known.Command
}

// known is what is known of a thread; the zero value if it has no number where the daemon runs.
func (a *askers) known(thread uint32) knownAsker {
	if thread == 0 {
		return knownAsker{}
	}
	moment := time.Now()
	a.mu.Lock()
	known, found := a.byThread[thread]
	a.mu.Unlock()
	if found && moment.Before(known.until) {
		return known
	}
	id, command := mappers.Command(int(thread))
	known = knownAsker{objects.Creator{Process: uint32(id), Command: command, Cgroup: cgroupOf(id)}, moment.Add(askerTime)}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.byThread) >= mostAskers || a.byThread == nil {
		a.byThread = make(map[uint32]knownAsker)
	}
	a.byThread[thread] = known
	return known
}

// cgroupOf returns the path of a process's control group, in the unified hierarchy if there is one; empty when it is gone.
func cgroupOf(process int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", process))
	if err != nil {
		return ""
	}
	first := ""
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(fields) != 3 {
			continue
		}
		if fields[0] == "0" {
			return fields[2]
		}
		if first == "" {
			first = fields[2]
		}
	}
	return first
}
