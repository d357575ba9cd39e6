package lifecycle_test

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"shmfs/test/integration/rig"
)

// Workers that die as soon as they are started, more often than costs no delay, are followed by others. Who asks meanwhile is answered by
// the first that lives.
func TestWorkersThatDieWhenTheyAreStarted(t *testing.T) {
	t.Parallel()
	const deadly = 12 // half of them stand by
	directory := mounted(t)
	c := newClient(t, directory)
	user := startUser(t, directory)
	before := rig.DaemonOf(t, directory)
	killed := map[int]bool{}
	for deadline := time.Now().Add(2 * patience); len(killed) < deadly; time.Sleep(time.Millisecond) {
		for _, child := range childrenOf(t, before.Supervisor) {
			if !killed[child] {
				_ = unix.Kill(child, unix.SIGKILL)
				killed[child] = true
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("only %d workers are started within %v", len(killed), 2*patience)
		}
	}
	after := awaitProcesses(t, directory)
	if after.Restarts <= before.Restarts || after.Supervisor != before.Supervisor {
		t.Errorf("the daemon was %+v and is %+v", before, after)
	}
	user.stop(t)
	c.requireWhole(t, directory)
	c.close(t)
	unmount(t, directory)
}

// A mount whose first workers die is given up, and whoever mounts is told at once.
func TestMountWhoseWorkersDie(t *testing.T) {
	t.Parallel()
	directory := mountpoint(t)
	for _, arguments := range [][]string{{"mount", directory}, {"mount", "-f", directory}} {
		mount := exec.Command(rig.CrashingBinary(t), arguments...)
		mount.Env = append(os.Environ(), "SHMFS_CRASH=shmfs: a worker is about to serve:1")
		began := time.Now()
		got := run(t, mount)
		if arguments[1] != "-f" {
			requireFailure(t, got, 1, "no worker lives long enough for it (signal: killed)")
		} else if got.code != 1 {
			t.Errorf("exit code %d\n%s", got.code, got.stderr)
		}
		if took := time.Since(began); took > patience {
			t.Errorf("it took %v", took)
		}
		requireUnmounted(t, directory)
	}
}
