package rig

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// StatusFigure is a number that /proc/PID/status has of a process, in the unit that it has there: KiB of what begins with Vm or Rss. A process
// that is gone, or says nothing of it, fails the test.
func StatusFigure(t testing.TB, process int, key string) (figure int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", process))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "\n"+key+":")
	if _, err := fmt.Sscan(after, &figure); err != nil {
		t.Fatalf("process %d says nothing of %s: %v", process, key, err)
	}
	return figure
}
