package differential

import (
	"encoding/json"
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"shmfs/test/integration/rig"
)

func TestMain(m *testing.M) {
	ServeIfWorker()
	os.Exit(rig.RunPrivately(m))
}

const (
	mountOptions = "size=256m,nr_inodes=100000"
	shrinkTime   = 40 * time.Second

	enoughToReach = 15000 // calls in which every operation must have succeeded
)

var configurations = []struct {
	Configuration
	operations int
}{
	{Configuration{Name: "tmpfs", Options: mountOptions + ",mode=1777", Tmpfs: true}, 4000},
	{Configuration{Name: "strict", Options: mountOptions}, 20000},
	{Configuration{Name: "lazy", Options: mountOptions + ",commit=lazy", Lazy: true}, 8000},
	{Configuration{Name: "cached", Options: mountOptions + ",passthrough=off", Cached: true}, 8000},
}

// TestSameAsTmpfs does the same random things to a tmpfs and to shmfs in each configuration, and to a second tmpfs, by which
// it is known that what it compares is comparable at all.
func TestSameAsTmpfs(t *testing.T) {
	for _, each := range configurations {
		t.Run(each.Name, func(t *testing.T) {
			p := mountPair(t, each.Configuration, "")
			if file := os.Getenv(replayVariable); file != "" {
				requireSame(t, p.replay(false, readProgram(t, file)))
				return
			}
			seed := firstSeed(t)
			t.Logf("seed %d; to run the same again: %s", seed, rerunHint(t, seed))
			started := time.Now()
			failedSeed, err := p.search(searching{seed, operationsWanted(t, each.operations), shrinkTime})
			if err != nil {
				t.Logf("found with seed %d: %s", failedSeed, rerunHint(t, failedSeed))
			}
			requireSame(t, err)
			t.Logf("%d calls on each side, %d cases, %v\n%v", p.calls, p.subject.cases, time.Since(started).Round(time.Millisecond), p.reached)
			if never := p.reached.unreached(); len(never) > 0 && p.calls >= enoughToReach {
				t.Errorf("in %d calls these operations never succeeded, so nothing is known of them: %q", p.calls, never)
			}
		})
	}
}

// mountPair mounts both sides and starts their workers; the test's end stops the workers before the mounts go.
func mountPair(t *testing.T, configured Configuration, told lie) *pair {
	t.Helper()
	reference := rig.Tmpfs(t, mountOptions+",mode=1777")
	var mount string
	if configured.Tmpfs {
		mount = rig.Tmpfs(t, configured.Options)
	} else {
		mount = rig.Shmfs(t, configured.Options)
	}
	p := &pair{configured: configured, patience: usagePatience, coarse: !hasFineTimes(t, reference), ignored: ignoredKinds(t)}
	if configured.Tmpfs {
		p.patience = shortPatience
	}
	var err error
	if p.reference, err = newSide("tmpfs", reference, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { requireStopped(t, p.reference) })
	if p.subject, err = newSide(configured.Name, mount, told); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { requireStopped(t, p.subject) })
	return p
}

func requireStopped(t *testing.T, s *side) {
	t.Helper()
	if err := s.stop(); err != nil {
		t.Errorf("stopping the workers of %s: %v", s.name, err)
	}
}

func requireSame(t *testing.T, err error) {
	t.Helper()
	if difference := (*failed)(nil); errors.As(err, &difference) {
		t.Fatalf("%v\n%s", difference, difference.report())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// hasFineTimes tells whether a change right after a look gets a time of its own (Linux 6.13 and later).
func hasFineTimes(t *testing.T, directory string) bool {
	t.Helper()
	for range 5 {
		before := changeTime(t, directory)
		if err := os.Chmod(directory, 0o777|os.ModeSticky); err != nil {
			t.Fatal(err)
		}
		if changeTime(t, directory) == before {
			return false
		}
	}
	return true
}

func readProgram(t *testing.T, path string) []Call {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var program []Call
	if err := json.Unmarshal(text, &program); err != nil {
		t.Fatalf("reading the program in %s: %v", path, err)
	}
	return program
}

func changeTime(t *testing.T, path string) [2]int64 {
	t.Helper()
	sight := see("", unix.AT_FDCWD, path, 0)
	if sight.Errno != "" {
		t.Fatalf("statx of %s: %s", path, sight.Errno)
	}
	return [2]int64{sight.Change.Sec, int64(sight.Change.Nsec)}
}
