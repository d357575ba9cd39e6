package lifecycle_test

import (
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"shmfs/test/integration/rig"
)

func TestStaleMountIsReplaced(t *testing.T) {
	t.Parallel()
	directory := mounted(t)
	writeFile(t, filepath.Join(directory, "object"), "old")
	rig.DaemonOf(t, directory).Kill(t)
	var figures unix.Statfs_t
	if err := unix.Statfs(directory, &figures); err != unix.ENOTCONN {
		t.Fatalf("the mount of a killed daemon answers %v", err)
	}
	got := shmfs(t, "mount", directory)
	if got.code != 0 {
		t.Errorf("exit code %d", got.code)
	}
	requireLine(t, got, "stale mount", directory, "its daemon had died")
	if count := mountsAt(t, directory); count != 1 {
		t.Errorf("%d file systems are mounted", count)
	}
	writeFile(t, filepath.Join(directory, "object"), "new")
	unmount(t, directory)
}

// Several dead mounts on top of each other are all taken away.
func TestStaleMountsInAPileAreReplaced(t *testing.T) {
	t.Parallel()
	directory := mounted(t)
	source := mounted(t)
	if err := unix.Mount(source, directory, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	rig.DaemonOf(t, source).Kill(t)
	if err := unix.Unmount(source, unix.MNT_DETACH); err != nil {
		t.Fatal(err)
	}
	got := shmfs(t, "mount", directory)
	requireFailure(t, result{code: got.code, stderr: strings.SplitAfter(got.stderr, "\n")[0]}, 4, "stale mount", directory)
	if !strings.Contains(got.stderr, "already has a live shmfs") {
		t.Errorf("the live mount below was not found: %s", got.stderr)
	}
	rig.DaemonOf(t, directory).Kill(t)
	if got := shmfs(t, "mount", directory); got.code != 0 {
		t.Errorf("exit code %d: %s", got.code, got.stderr)
	}
	unmount(t, directory)
}

func TestStaleMountIsUnmounted(t *testing.T) {
	t.Parallel()
	directory := mounted(t)
	rig.DaemonOf(t, directory).Kill(t)
	requireFailure(t, shmfs(t, "mount", "-o", "remount,size=1G", directory), 7, "has died", "mount it again")
	got := shmfs(t, "umount", directory)
	if got.code != 0 {
		t.Errorf("exit code %d", got.code)
	}
	requireLine(t, got, "stale mount", directory)
	requireUnmounted(t, directory)
}

// A daemon that lives and does not answer is told from a dead one, and no command hangs on it.
func TestSilentMountHangsNoCommand(t *testing.T) {
	t.Parallel()
	directory := mounted(t)
	processes := rig.DaemonOf(t, directory)
	daemon, worker := watch(t, processes.Supervisor), watch(t, processes.Worker)
	worker.signal(t, unix.SIGSTOP)
	t.Cleanup(func() { _ = unix.PidfdSendSignal(int(worker), unix.SIGCONT, nil, 0) })
	cases := []struct {
		name      string
		arguments []string
	}{
		{"mount", []string{"mount", directory}},
		{"umount", []string{"umount", directory}},
		{"remount", []string{"mount", "-o", "remount,size=1G", directory}},
	}
	t.Run("refused", func(t *testing.T) {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				requireFailure(t, shmfs(t, c.arguments...), 1, directory, "does not answer")
			})
		}
	})
	requireSuccess(t, shmfs(t, "umount", "-l", directory))
	requireUnmounted(t, directory)
	worker.signal(t, unix.SIGCONT)
	if !daemon.ended(t, patience) {
		t.Error("the daemon does not end when it goes on")
	}
}
