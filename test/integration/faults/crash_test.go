package faults

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shmfs/mmapcore/crashpoint"
	"shmfs/mmapcore/crashpoint/source"
	"shmfs/test/integration/rig"
)

// crashing is a daemon that dies at the crash points that are armed.
type crashing struct {
	*harming
	control *crashpoint.Control
	path    string // of the control
	binary  string
	names   []string // of all points in the source
	died    []string // at which it did, in order, with the times
}

// mountCrashing builds the daemon with its crash points and mounts it.
func mountCrashing(t *testing.T) *crashing {
	t.Helper()
	names, err := source.Names(rig.Root())
	must(t, err)
	if len(names) == 0 {
		t.Fatal("there are no crash points in the source")
	}
	directory := t.TempDir()
	c := &crashing{path: filepath.Join(directory, "control"), binary: rig.CrashingBinary(t), names: names}
	c.control, err = crashpoint.OpenControl(c.path)
	must(t, err)
	t.Cleanup(func() { must(t, c.control.Close()) })
	d := mountBinary(t, c.binary, "require-passthrough,size=1G,nr_inodes=100k", c.environment())
	c.harming = &harming{t: t, daemon: d, choose: rand.New(rand.NewPCG(uint64(now()), 1)).IntN}
	return c
}

func (c *crashing) environment() string { return "SHMFS_CRASH_CONTROL=" + c.path }

// arm has the daemon die at a point, within its next visits.
func (c *crashing) arm(name string, visits int) { c.control.Arm(name, 1+uint64(c.choose(visits))) }

// hasDied says whether the daemon has died at a point that was armed, and notes it once.
func (c *crashing) hasDied(name string) bool {
	if c.control.Armed(name) != 0 {
		return false
	}
	c.died = append(c.died, fmt.Sprintf("%.6f %s", now().Seconds(), name))
	return true
}

// requireWell fails the test if something is wrong, with the points at which the daemon died last.
func (c *crashing) requireWell(wrong []string) {
	c.t.Helper()
	if len(wrong) > 0 {
		const last = 10
		c.t.Fatalf("%s\nthe daemon died last at\n    %s", strings.Join(wrong, "\n"), strings.Join(c.died[max(0, len(c.died)-last):], "\n    "))
	}
}

// TestEveryCrashPoint has the daemon die at each point in its source, one after another, while clients do everything. A point that nothing
// comes to fails the test: it needs an operation of the clients (operation_test.go), or a way (way_test.go).
func TestEveryCrashPoint(t *testing.T) {
	times := setting(t, "CRASHES", 1, 30)
	d := mountCrashing(t)
	before, err := d.daemon.stats()
	must(t, err)
	c := startCrew(t, clients, order{Place: d.daemon.place})
	d.requireWays()
	for range times {
		for _, name := range d.names {
			if !c.failed.Load() && !d.drive(c, name) {
				t.Errorf("nothing comes to the crash point %q", name)
			}
		}
	}
	d.requireWell(c.stop())
	d.requireWell(c.inCommon())
	t.Logf("%d crash points, died %d times; %v", len(d.names), len(d.died), c.times())
	d.daemon.requireSettled(t, c.beyond())
	d.daemon.requireEmptied(t, before)
}

// drive returns true when the daemon has died at a point and another one answers. What neither the clients nor a way come to is tried by the
// deeds, one after another.
func (c *crashing) drive(clients *crew, name string) bool {
	c.t.Helper()
	const visits = 10
	const alone = 15 * time.Second      // which the clients have
	const life = 150 * time.Millisecond // of a worker, at least: after many that die at once the supervisor waits for up to a second
	pause(life)
	how, next, begin := ways[name], 0, now()
	defer c.control.Arm(name, 0)
	if how.after == "" {
		c.arm(name, visits)
	} else {
		defer c.control.Arm(how.after, 0)
		c.control.Arm(name, 1)
		c.arm(how.after, visits)
	}
	for now() < begin+patience && !clients.failed.Load() {
		if c.hasDied(name) {
			c.requireAnswer(name)
			return true
		}
		if how.after != "" && c.hasDied(how.after) { // and who went on did not come to the point
			c.requireAnswer(how.after)
			if !c.hasDied(name) {
				c.arm(how.after, visits)
				continue
			}
			c.requireAnswer(name)
			return true
		}
		switch {
		case how.deed != nil:
			how.deed(c)
		case now() > begin+alone:
			deeds[next%len(deeds)].do(c)
			next++
		}
		pause(time.Millisecond)
	}
	return clients.failed.Load() // then something else is wrong
}

// requireAnswer returns when the daemon answers, which has died at a point, and has its supervisor again, which may be what has died.
func (c *crashing) requireAnswer(name string) {
	c.t.Helper()
	eventually(c.t, "the daemon goes on", func() (bool, string) {
		supervisor, err := c.daemon.figure("supervisor-pid")
		if err != nil {
			c.t.Fatalf("after the daemon has died at %q: %v", name, err)
		}
		return runs(supervisor), fmt.Sprintf("without its supervisor, process %d", supervisor)
	})
}

// TestCrashPointsOfOperations has the daemon die at each point that a single operation of a client comes to.
func TestCrashPointsOfOperations(t *testing.T) {
	count := min(len(operations), setting(t, "CRASHED_OPERATIONS", 2, len(operations)))
	d := mountCrashing(t)
	before, err := d.daemon.stats()
	must(t, err)
	for _, at := range rand.New(rand.NewPCG(firstSeed(t), 0)).Perm(len(operations))[:count] {
		d.crashOperation(t, operations[at].name)
		d.daemon.requireEmptied(t, before)
	}
}

// crashOperation has a client do one operation until the daemon has died at each point that it comes to.
func (c *crashing) crashOperation(t *testing.T, operation string) {
	t.Helper()
	const look = 200 * time.Millisecond // to see which points it comes to
	one := startCrew(t, 1, order{Place: c.daemon.place, Only: operation})
	before := c.visits()
	wait(one.failed.Load, look)
	points, died := 0, 0
	for name, count := range c.visits() {
		if count == before[name] {
			continue
		}
		points++
		c.arm(name, int(min(count-before[name], 20)))
		for deadline := now() + time.Second; !one.failed.Load() && now() < deadline; pause(time.Millisecond) {
			if c.hasDied(name) {
				died++
				break
			}
		}
		c.control.Arm(name, 0)
	}
	c.requireWell(one.stop())
	c.requireWell(one.inCommon())
	c.daemon.requireSettled(t, one.beyond())
	t.Logf("%s: %d points, died at %d", operation, points, died)
	if died < points/2 { // what others do in the background may not come again
		t.Errorf("%s comes to %d points, and the daemon died at %d only", operation, points, died)
	}
}

// visits is how often each point was visited.
func (c *crashing) visits() map[string]uint64 {
	seen := map[string]uint64{}
	for _, name := range c.names {
		seen[name] = c.control.Visits(name)
	}
	return seen
}
