package semaphores

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// observation is how long the processors' time of who should be idle is measured.
	observation = 2 * time.Second

	// idleShare is the most of a processor that counts as idle.
	idleShare = 0.05
)

// requireIdle fails the test if a process uses its processor while all should sleep. What it had to do before may take it a
// while: a machine that does other work besides gets several chances.
func requireIdle(t testing.TB, processes map[string]int) {
	t.Helper()
	const chances = 5
	for chance := 1; ; chance++ {
		busy := map[string]time.Duration{}
		before := map[string]time.Duration{}
		for name, process := range processes {
			before[name] = processorTime(t, process)
		}
		_, _ = unix.Poll(nil, int(observation.Milliseconds()))
		var report strings.Builder
		for name, process := range processes {
			used := processorTime(t, process) - before[name]
			fmt.Fprintf(&report, "%s %v; ", name, used.Round(10*time.Microsecond))
			if used.Seconds() > idleShare*observation.Seconds() {
				busy[name] = used
			}
		}
		if len(busy) == 0 {
			t.Logf("processor time in %v: %s", observation, &report)
			return
		}
		if chance == chances {
			t.Errorf("not idle in %v: %v (all: %s)", observation, busy, &report)
			return
		}
		t.Logf("not idle yet in %v: %v", observation, busy)
	}
}

// processorTime is what all threads of a process have used.
func processorTime(t testing.TB, process int) time.Duration {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", process))
	if err != nil || len(threads) == 0 {
		t.Fatalf("process %d is gone", process)
	}
	var total time.Duration
	for _, thread := range threads {
		text, err := os.ReadFile(thread)
		if err != nil {
			continue // ended meanwhile
		}
		first, _, _ := strings.Cut(string(text), " ")
		nanoseconds, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			t.Fatalf("reading %s: %v", thread, err)
		}
		total += time.Duration(nanoseconds)
	}
	return total
}
