package lifecycle_test

import (
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"shmfs/test/integration/rig"
)

// stuckMount is a mount whose worker has a thread that waits inside the kernel, for a client that has a file grow.
type stuckMount struct {
	directory string
	path      string // of the file
	held      *stall
	grown     chan error
	dead      []process // workers that have been killed
}

// grownSize is that of the file then.
const grownSize = 5000

func mountStuck(t *testing.T) *stuckMount {
	t.Helper()
	store := rig.Tmpfs(t, "")
	return makeStuck(t, mounted(t, "-o", "store="+store), store)
}

// makeStuck makes a mount of a directory store such a mount.
func makeStuck(t *testing.T, directory, store string) *stuckMount {
	t.Helper()
	m := &stuckMount{directory: directory, grown: make(chan error, 1)}
	m.path = filepath.Join(m.directory, "object")
	writeFile(t, m.path, "\x00text")
	m.held = stallAt(t, filepath.Join(store, "object"))
	file, err := unix.Open(m.path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer unix.Close(file)
		m.grown <- unix.Fallocate(file, 0, 0, grownSize)
	}()
	m.awaitStuck(t)
	return m
}

func (m *stuckMount) awaitStuck(t *testing.T) {
	t.Helper()
	awaitStuck(t, rig.DaemonOf(t, m.directory).Worker, unix.SYS_FALLOCATE)
}

// killWorker kills the worker, which stays: another has to go on all the same.
func (m *stuckMount) killWorker(t *testing.T) {
	t.Helper()
	before := rig.DaemonOf(t, m.directory)
	dead := watch(t, before.Worker)
	m.dead = append(m.dead, dead)
	dead.signal(t, unix.SIGKILL)
	after := rig.DaemonOf(t, m.directory)
	requireStopped(t, before.Worker)
	if after.Worker == before.Worker || after.Supervisor != before.Supervisor || after.Restarts != before.Restarts+1 {
		t.Errorf("the daemon was %+v and is %+v after its worker was killed", before, after)
	}
	m.requireServed(t)
}

// requireServed checks that the mount does what needs no lock that is held.
func (m *stuckMount) requireServed(t *testing.T) {
	t.Helper()
	other := filepath.Join(m.directory, "other")
	writeFile(t, other, "other")
	requireText(t, other, "other")
	select {
	case err := <-m.grown:
		t.Errorf("what needs the lock that is held has ended: %v", err)
	default:
	}
}

// finish lets the lock go: what was asked for is done, and all who waited for it end.
func (m *stuckMount) finish(t *testing.T) {
	t.Helper()
	if err := m.held.end(); err != nil {
		t.Errorf("the write that held the lock: %v", err)
	}
	if err := <-m.grown; err != nil {
		t.Errorf("fallocate: %v", err)
	}
	requireText(t, m.path, "\x00text"+strings.Repeat("\x00", grownSize-len("\x00text")))
	for _, one := range m.dead {
		if !one.ended(t, patience) {
			t.Error("a worker that was stuck does not end")
		}
	}
	unmount(t, m.directory)
}

// A worker that is killed and cannot end, for one of its threads is stuck in the kernel, is followed by another, however often that comes.
func TestStuckWorkerIsReplaced(t *testing.T) {
	t.Parallel()
	m := mountStuck(t)
	for range 4 {
		m.killWorker(t)
		m.awaitStuck(t) // the next one was asked the same
	}
	m.finish(t)
}

// A supervisor that has taken the place of another knows as well when a worker runs no more that it has not started.
func TestStuckWorkerOfASuccessorIsReplaced(t *testing.T) {
	t.Parallel()
	m := mountStuck(t)
	killSupervisor(t, m.directory)
	m.killWorker(t)
	m.finish(t)
}

// A worker with a thread that is stuck hands over as it would otherwise, and who has handed over serves no more.
func TestStuckWorkerHandsOver(t *testing.T) {
	t.Parallel()
	m := mountStuck(t)
	for range 2 {
		before := rig.DaemonOf(t, m.directory)
		m.dead = append(m.dead, watch(t, before.Worker))
		requireSuccess(t, shmfs(t, "reload", m.directory))
		requireStopped(t, before.Worker)
		if after := rig.DaemonOf(t, m.directory); after.Worker == before.Worker || after.Supervisor != before.Supervisor ||
			after.Restarts != before.Restarts {
			t.Errorf("the daemon was %+v and is %+v after a reload", before, after)
		}
		m.requireServed(t)
		m.awaitStuck(t)
	}
	m.finish(t)
}

// A mount that is ended at once does not wait for what is stuck.
func TestStuckWorkerLetsTheMountEnd(t *testing.T) {
	t.Parallel()
	showConnections(t)
	m := mountStuck(t)
	daemon := rig.DaemonOf(t, m.directory)
	supervisor, worker := watch(t, daemon.Supervisor), watch(t, daemon.Worker)
	supervisor.signal(t, unix.SIGTERM)
	awaitUnmounted(t, m.directory)
	supervisor.signal(t, unix.SIGTERM)
	if !supervisor.ended(t, patience) {
		t.Error("the daemon does not end")
	}
	if err := <-m.grown; err == nil {
		t.Error("who waited for the mount is told that all is well")
	}
	if err := m.held.end(); err != nil {
		t.Error(err)
	}
	if !worker.ended(t, patience) {
		t.Error("the worker does not end")
	}
}

// Of a mount whose processes are gone but for a thread that is stuck nobody can say yet that it is dead, and nobody hangs on it. It is when
// that thread has ended.
func TestLossWithAStuckWorker(t *testing.T) {
	t.Parallel()
	m := mountStuck(t)
	daemon := rig.DaemonOf(t, m.directory)
	supervisor, worker := watch(t, daemon.Supervisor), watch(t, daemon.Worker)
	supervisor.signal(t, unix.SIGSTOP)
	awaitStopped(t, daemon.Supervisor)
	worker.signal(t, unix.SIGKILL)
	supervisor.kill(t)
	requireFailure(t, shmfs(t, "mount", m.directory), 1, m.directory, "does not answer", "umount -l")
	if err := m.held.end(); err != nil {
		t.Error(err)
	}
	if !worker.ended(t, patience) {
		t.Fatal("the worker does not end")
	}
	if err := <-m.grown; err == nil {
		t.Error("who waited for the mount is told that all is well")
	}
	got := shmfs(t, "mount", m.directory)
	if got.code != 0 {
		t.Errorf("exit code %d", got.code)
	}
	requireLine(t, got, "stale mount", m.directory, "its objects are still in", "open files and locks are lost")
	unmount(t, m.directory)
}
