package semaphores

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"shmfs/test/integration/rig"

	"golang.org/x/sys/unix"
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
	all := setting(t, "SHMFS_SEMAPHORE_UNITS", 20_000, 200_000)
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

// TestHostileMemory lets a process write random bytes into a semaphore while others operate it in every way.
func TestHostileMemory(t *testing.T) {
	const answer = 5 * time.Second
	seconds := setting(t, "SHMFS_SEMAPHORE_HOSTILE_SECONDS", 3, 10)
	forEach(t, passthrough, func(t *testing.T, l libc) {
		path, quiet := sem("hostile"), sem("quiet")
		a := l.agent(t)
		for _, name := range []string{"hostile", "quiet-a", "quiet-b"} {
			a.must("sem_exclusive", l.semaphore(name), 0)
		}
		program := l.program(t, "hostile")
		roles := [][2]string{{"scribble", path}, {"operate", path}, {"operate", path}, {"operate", path}, {"operate", path}, {"pair", quiet}}
		var commands []*exec.Cmd
		for _, role := range roles {
			commands = append(commands, exec.Command(program, role[0], role[1], itoa(seconds)))
		}
		for i, ended := range rig.Run(t, rig.SharedMemory, time.Duration(seconds)*time.Second+2*time.Minute, commands...) {
			role := roles[i][0]
			if ended.Err != nil {
				t.Errorf("%s: %v\n%s%s", role, ended.Err, ended.Stdout, ended.Stderr)
			}
			if role == "scribble" {
				continue
			}
			var count, longest int
			if _, err := fmt.Sscan(ended.Stdout, &count, &longest); err != nil {
				t.Errorf("%s says %q", role, ended.Stdout)
			}
			took := time.Duration(longest) * time.Microsecond
			t.Logf("%s: %d times, the longest %v", role, count, took)
			if took > answer || count < 10*seconds {
				t.Errorf("%s: %d times in %d s, the longest %v, want no more than %v", role, count, seconds, took, answer)
			}
		}
		requireIdle(t, map[string]int{"the daemon": daemonProcess(t)})
		// Another who comes can remove it and begin anew.
		for _, name := range []string{"hostile", "quiet-a", "quiet-b"} {
			a.must("unlink", sem(name))
		}
		a.must("sem_exclusive", l.semaphore("hostile"), 2)
		wantValue(t, path, 2)
		a.must("unlink", path)
	})
}

// TestCrowd lets thousands of threads wait by text: what they cost, that signals reach them, and that a forced unmount
// ends them all.
func TestCrowd(t *testing.T) {
	const sample, memoryBar, releaseBar = 100, 150 << 20, 30 * time.Second
	count := setting(t, "SHMFS_SEMAPHORE_WAITERS", 2000, 10_000)
	for _, place := range passthrough {
		t.Run(place.name, func(t *testing.T) {
			rig.ShmfsAt(t, rig.SharedMemory, place.options)
			path := sem("crowd")
			glibc.agent(t).create(path, 0)
			daemon := daemonProcess(t)
			before := residentMemory(t, daemon)
			start := time.Now()
			c := startCrowd(t, path, count)
			eventually(t, "all wait", func() (bool, any) { s := look(t, path); return s.waiters == itoa(count), s })
			t.Logf("%d wait after %v", count, time.Since(start).Round(time.Millisecond))
			more := residentMemory(t, daemon) - before
			t.Logf("the daemon has %d KiB more, %d bytes a waiter", more>>10, more/count)
			if more > memoryBar {
				t.Errorf("the daemon has %d MiB more, want %d", more>>20, memoryBar>>20)
			}
			requireIdle(t, map[string]int{"the daemon": daemon})
			start = time.Now()
			c.order("interrupt %d", sample)
			if got, want := c.answer(patience), fmt.Sprintf("%d %d", sample, unix.EINTR); got != want {
				t.Errorf("interrupted waits returned %q, want %q", got, want)
			}
			t.Logf("%d were interrupted in %v", sample, time.Since(start).Round(time.Millisecond))
			eventually(t, "those are counted no more", func() (bool, any) {
				s := look(t, path)
				return s.waiters == itoa(count-sample) && s.value == "0", s
			})
			start = time.Now()
			c.order("end")
			_ = unix.Unmount(rig.SharedMemory, unix.MNT_FORCE) // EBUSY at first: they still have it open
			answer := c.answer(releaseBar)
			t.Logf("%s (number, errno) were released in %v", answer, time.Since(start).Round(time.Millisecond))
			requireAllFailed(t, answer, count-sample)
		})
	}
}
