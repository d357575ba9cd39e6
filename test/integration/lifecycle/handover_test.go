package lifecycle_test

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"shmfs/test/integration/rig"
)

// deathsWhileReloading are of the supervisor, of its successor, and of one of the workers, and what must come of the reload.
var deathsWhileReloading = []struct {
	deaths
	reload   string // "done", "failed", or "either": who is faster decides
	restarts int    // of workers
}{
	{deaths{"shmfs: a worker is about to be told to hand over"}, "failed", 0},
	{deaths{"shmfs: a worker is told to hand over"}, "either", 0},
	{deaths{"shmfs: a worker has handed over"}, "failed", 0},
	{deaths{"shmfs: a worker is told whom it follows"}, "either", 0},
	{deaths{"shmfs: a reload has come to its end"}, "done", 0},

	{deaths{"shmfs: a worker is about to be told to hand over", "shmfs: a mount is about to be taken over"}, "failed", 0},
	{deaths{"shmfs: a worker is about to be told to hand over", "shmfs: a mount is taken over"}, "failed", 0},
	{deaths{"shmfs: a worker has handed over", "shmfs: a mount is about to be taken over"}, "failed", 0},
	{deaths{"shmfs: a worker has handed over", "shmfs: a mount is taken over"}, "failed", 0},
	{deaths{"shmfs: a worker has handed over", "shmfs: a worker is about to be told to hand over:2"}, "failed", 0},
	{deaths{"shmfs: a worker has handed over", "shmfs: a worker is told to hand over:2"}, "failed", 0},
	{deaths{"shmfs: a worker has handed over", "shmfs: a worker is told whom it follows"}, "failed", 0},
	{deaths{"shmfs: a worker has handed over", "shmfs: a reload has come to its end"}, "failed", 0},
	{deaths{"shmfs: a reload has come to its end", "shmfs: a mount is taken over"}, "done", 0},

	{deaths{"shmfs: the baton is about to be taken"}, "failed", 1},
	{deaths{"shmfs: the baton is taken"}, "failed", 1},
	{deaths{"shmfs: a worker is about to serve"}, "failed", 1},
	{deaths{"shmfs: a worker serves no more"}, "done", 1},
}

// Whoever dies while a mount is reloaded, at whatever moment: clients see a pause, the mount has its processes again, and whoever asked
// for the reload is told what has come of it.
func TestDeathWhileReloading(t *testing.T) {
	t.Parallel()
	for _, each := range deathsWhileReloading {
		t.Run(strings.Join(each.deaths, ", "), func(t *testing.T) {
			t.Parallel()
			m := mountCrashing(t, "size=8M")
			c := newClient(t, m.directory)
			user := startUser(t, m.directory)
			m.arm(t, each.deaths)
			reload := shmfs(t, "reload", m.directory)
			m.requireDied(t, each.deaths)
			daemon := awaitProcesses(t, m.directory)
			m.requireOutcome(t, reload, each.reload, daemon)
			if daemon.Restarts != each.restarts {
				t.Errorf("%d workers are said to have died, want %d", daemon.Restarts, each.restarts)
			}
			c.requireWhole(t, m.directory)
			requireSuccess(t, shmfs(t, "reload", m.directory))
			killWorker(t, m.directory)
			killSupervisor(t, m.directory)
			user.stop(t)
			c.requireWhole(t, m.directory)
			c.close(t)
			unmount(t, m.directory)
		})
	}
}

// The supervisor dies when it has told the new worker to go on, and that one is slow: the old one goes on, and the new one ends.
func TestOldWorkerTakesTheBaton(t *testing.T) {
	t.Parallel()
	at := deaths{"shmfs: a worker is told whom it follows"}
	store := rig.Tmpfs(t, "")
	m := mountCrashing(t, "store="+store)
	user := startUser(t, m.directory)
	stuck := makeStuck(t, m.directory, store) // so that there is time before it has handed over
	before := rig.DaemonOf(t, m.directory)
	old := watch(t, before.Worker)
	m.arm(t, at)
	answered := make(chan result, 1)
	reload := exec.Command(rig.Binary(t), "reload", m.directory)
	go func() { answered <- run(t, reload) }()
	m.awaitLogged(t, "handing over")
	slow := watch(t, m.newWorker(t, before))
	slow.signal(t, unix.SIGSTOP)
	m.requireDied(t, at)
	told := <-answered
	slow.signal(t, unix.SIGCONT)
	if !slow.ended(t, patience) {
		t.Fatal("the worker that came too late does not end")
	}
	m.requireOutcome(t, told, "failed", awaitProcesses(t, m.directory))
	user.stop(t)
	stuck.finish(t)
	if !old.ended(t, patience) {
		t.Error("the worker that handed over does not end")
	}
}

// newWorker returns the worker of the program that is on disk.
func (m *crashing) newWorker(t *testing.T, daemon rig.Daemon) int {
	t.Helper()
	for _, process := range childrenOf(t, daemon.Supervisor) {
		if m.isNew(process) {
			return process
		}
	}
	t.Fatalf("no process of %+v is of the new program", daemon)
	return 0
}

func (m *crashing) awaitLogged(t *testing.T, words string) {
	t.Helper()
	for deadline := time.Now().Add(patience); !strings.Contains(readLog(t, m.log), words); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the log does not say %q within %v", words, patience)
		}
	}
}
