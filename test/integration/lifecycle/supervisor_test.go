package lifecycle_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"shmfs/test/integration/rig"
)

// killSupervisor kills a mount's supervisor and returns the daemon when it has another.
func killSupervisor(t *testing.T, directory string) rig.Daemon {
	t.Helper()
	before := rig.DaemonOf(t, directory)
	watch(t, before.Supervisor).kill(t)
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		after := rig.DaemonOf(t, directory)
		if after.Supervisor != before.Supervisor {
			if after.Worker != before.Worker || after.Restarts != before.Restarts {
				t.Errorf("the daemon was %+v and is %+v after its supervisor was killed", before, after)
			}
			return after
		}
		if time.Now().After(deadline) {
			t.Fatalf("no other supervisor within %v", patience)
		}
	}
}

// A supervisor that is killed is not missed, and what takes its place does all that it did.
func TestKilledSupervisorIsReplaced(t *testing.T) {
	t.Parallel()
	directory := mounted(t, "-o", "size=8M")
	path := filepath.Join(directory, "object")
	file := openObject(t, directory)
	for round := range 3 {
		killSupervisor(t, directory)
		if _, err := file.WriteAt([]byte("text"), 0); err != nil {
			t.Errorf("writing in round %d: %v", round, err)
		}
		killWorker(t, directory)
		requireText(t, path, "text"+strings.Repeat("\x00", 8188))
	}
	if err := file.Close(); err != nil {
		t.Error(err)
	}
	requireSuccess(t, shmfs(t, "mount", "-o", "remount,size=16M", directory))
	requireSuccess(t, shmfs(t, "reload", directory))
	if options := optionsOf(t, directory); !strings.Contains(options, "size=16777216") {
		t.Errorf("the options are %s", options)
	}
	unmount(t, directory)
}

// Its successor takes signals as it did.
func TestSignalToASuccessor(t *testing.T) {
	t.Parallel()
	directory := mounted(t)
	daemon := killSupervisor(t, directory)
	supervisor, worker := watch(t, daemon.Supervisor), watch(t, daemon.Worker)
	supervisor.signal(t, unix.SIGTERM)
	if !supervisor.ended(t, patience) || !worker.ended(t, 0) {
		t.Error("SIGTERM does not end the daemon")
	}
	requireUnmounted(t, directory)
}

// In the foreground, what goes on writes to the same log.
func TestForegroundGoesOnWithoutTheCommand(t *testing.T) {
	t.Parallel()
	f := startForeground(t)
	daemon := killSupervisor(t, f.directory)
	f.requireLogged(t, "the supervisor has died: this one goes on")
	watch(t, daemon.Worker).kill(t)
	writeFile(t, filepath.Join(f.directory, "object"), "text")
	unmount(t, f.directory)
	f.requireLogged(t, "stopped")
}

// A reload that is asked for while there is no supervisor is what the next one does.
func TestReloadWithoutASupervisor(t *testing.T) {
	t.Parallel()
	directory := mounted(t)
	for range 5 {
		before := rig.DaemonOf(t, directory)
		watch(t, before.Supervisor).kill(t)
		requireSuccess(t, shmfs(t, "reload", directory))
		if after := rig.DaemonOf(t, directory); after.Supervisor == before.Supervisor || after.Worker == before.Worker {
			t.Errorf("the daemon was %+v and is %+v", before, after)
		}
	}
	unmount(t, directory)
}
