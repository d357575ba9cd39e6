package semaphores

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"shmfs/test/integration/rig"
)

// TestHoldersAreKilled kills processes at random moments in their acquiring and releasing. The bar is 100 ms from a death
// until what it held can be taken.
func TestHoldersAreKilled(t *testing.T) {
	const holders, units = 1000, 3
	bar := time.Second
	if strict() {
		bar = 100 * time.Millisecond
	}
	inEach(t, passthrough, func(t *testing.T) {
		path := sem("holders")
		a := glibc.agent(t)
		a.create(path, units)
		seed := itoa(int(time.Now().UnixNano() % 1_000_000))
		command := exec.Command(glibc.program(t, "holders"), path, itoa(units), itoa(holders/len(passthrough)), seed)
		output := rig.MustRun(t, rig.SharedMemory, 3*time.Minute, command)
		var all []time.Duration
		for line := range strings.Lines(output) {
			var microseconds int
			if _, err := fmt.Sscan(line, &microseconds); err != nil {
				t.Fatalf("it says %q", line)
			}
			all = append(all, time.Duration(microseconds)*time.Microsecond)
		}
		slices.Sort(all)
		longest := all[len(all)-1]
		t.Logf("seed %s: back after: median %v, 90%% %v, 99%% %v, longest %v (%d rounds)", seed,
			all[len(all)/2], all[len(all)*9/10], all[len(all)*99/100], longest, len(all))
		if longest > bar {
			t.Errorf("units came back after %v, want %v", longest, bar)
		}
		wantValueSoon(t, path, units)
		a.must("unlink", path)
	})
}
