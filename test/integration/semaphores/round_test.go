package semaphores

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shmfs/test/integration/rig"
)

// roundWays are those who hand the units round: four processes by libc, four by text, two by epoll.
var roundWays = []string{"sem_wait", "sem_timedwait", "sem_wait", "sem_timedwait", "wait", "timedwait", "acquire", "wait", "level", "edge"}

// roundShells do it in a real shell, a few times each.
var roundShells = []string{
	`exec 9<>"$1"; for i in {1..15}; do echo wait >&9; echo post >&9; done`,
	`exec 9<>"$1"; for i in {1..15}; do echo 'timedacquire 30' >&9; echo release >&9; done`,
	`for i in {1..10}; do echo 'timedwait 30' > "$1"; echo post >> "$1"; done`,
}

// TestHandedRound lets processes of all kinds hand the units of one semaphore round, with one unit and with several: the
// sum is exact, all stop by themselves, and nobody is counted at the end. Who sleeps while there are units stays behind
// when the others have stopped, and runs into a time-out.
func TestHandedRound(t *testing.T) {
	all := setting(t, "SHMFS_SEMAPHORE_UNITS", 10_000, 200_000)
	forEach(t, passthrough, func(t *testing.T, l libc) {
		rounds := []int{1, 3, 1, 2}
		for _, units := range rounds {
			handRound(t, l, units, all/len(rounds))
		}
	})
}

// handRound lets them take and post `all` times in all on a semaphore of some units.
func handRound(t *testing.T, l libc, units, all int) {
	t.Helper()
	path, object := sem("round"), filepath.Join(rig.SharedMemory, "counters")
	creator := l.agent(t)
	creator.must("sem_exclusive", l.semaphore("round"), units)
	share := all / (2 * len(roundWays))
	newCounters(t, object, all-share*len(roundWays), units)
	var commands []*exec.Cmd
	program := l.program(t, "round")
	for _, way := range roundWays {
		commands = append(commands, exec.Command(program, way, l.semaphore("round"), path, object, itoa(share)))
	}
	for _, script := range roundShells {
		commands = append(commands, exec.Command(rig.Program(t, "bash"), "-e", "-c", script, "bash", path))
	}
	start := time.Now()
	ended := rig.Run(t, rig.SharedMemory, 3*time.Minute, commands...)
	took := time.Since(start)
	sum, report := 0, []string{}
	for i, one := range ended {
		if one.Err != nil {
			t.Errorf("%s: %v\n%s%s", commands[i], one.Err, one.Stdout, one.Stderr)
		}
		if i < len(roundWays) {
			var mine, longest int
			if _, err := fmt.Sscan(one.Stdout, &mine, &longest); err != nil {
				t.Errorf("%s says %q", roundWays[i], one.Stdout)
			}
			sum += mine
			report = append(report, fmt.Sprintf("%s %d (longest wait %v)", roundWays[i], mine, time.Duration(longest)*time.Microsecond))
		}
	}
	t.Logf("%d of %d units, %d there, in %v: %s", sum, all, units, took.Round(time.Millisecond), strings.Join(report, ", "))
	if taken := countTaken(t, object); sum != all || taken != all {
		t.Errorf("%d units were taken, and %d counted, want %d", sum, taken, all)
	}
	wantValueSoon(t, path, units)
	if value := creator.must("sem_getvalue"); value != units {
		t.Errorf("sem_getvalue says %d at the end, want %d", value, units)
	}
	creator.must("sem_unlink", l.semaphore("round"))
	creator.must("unlink", object)
	creator.kill()
}

// The words of the counters, as round.c has them.
const (
	pool = iota
	taken
	inside
	unitsThere
	words
)

// newCounters makes the object that the processes of a round share.
func newCounters(t *testing.T, path string, common, units int) {
	t.Helper()
	content := make([]byte, 4096)
	putWord(content, pool, common)
	putWord(content, unitsThere, units)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// countTaken reads how many units were taken in all.
func countTaken(t *testing.T, path string) int {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil || len(content) < 8*words {
		t.Fatalf("the counters: %d bytes, %v", len(content), err)
	}
	if left := getWord(content, inside); left != 0 {
		t.Errorf("%d units are still taken at the end", left)
	}
	return getWord(content, taken)
}

// putWord and getWord are the longs of an object that C programs map.
func putWord(memory []byte, index, value int) {
	binary.NativeEndian.PutUint64(memory[8*index:], uint64(value))
}

func getWord(memory []byte, index int) int { return int(binary.NativeEndian.Uint64(memory[8*index:])) }
