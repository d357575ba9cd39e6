package semcli

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"shmfs/test/integration/rig"

	"golang.org/x/sys/unix"
)

// sem without --mount, in an environment that may name a mount.
func chosen(t *testing.T, variable string, arguments ...string) result {
	t.Helper()
	command := exec.Command(rig.Binary(t), append([]string{"sem"}, arguments...)...)
	command.Env = append(os.Environ(), "SHMFS_MOUNT="+variable)
	return mounted{}.finish(t, command)
}

// The mount is found by itself when there is one. No other test has one meanwhile, and the machine's are taken out of the
// tests' own mount namespace.
func TestTheMountIsFound(t *testing.T) {
	hideOtherMounts(t)
	requireFailure(t, chosen(t, "", "ls"), 7, "no shmfs is mounted", "shmfs mount")
	first := mount(t, "")
	first.must(t, "", "create", "jobs", "1")
	requireValue(t, chosen(t, "", "get", "jobs"), "1\n")
	t.Run("also by another path", func(t *testing.T) {
		bind(t, first.directory)
		requireValue(t, chosen(t, "", "get", "jobs"), "1\n")
	})
	t.Run("but not where there are two", func(t *testing.T) {
		second := mount(t, "")
		second.must(t, "", "create", "jobs", "2")
		requireFailure(t, chosen(t, "", "get", "jobs"), 2, first.directory, second.directory, "--mount", "SHMFS_MOUNT")
		requireValue(t, chosen(t, second.directory, "get", "jobs"), "2\n")
		requireValue(t, chosen(t, second.directory, "get", "--mount", first.directory, "jobs"), "1\n")
	})
	t.Run("and not what covers it", func(t *testing.T) {
		if err := unix.Mount("tmpfs", first.directory, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, ""); err != nil {
			t.Fatal(err)
		}
		defer unix.Unmount(first.directory, 0)
		requireFailure(t, chosen(t, "", "get", "jobs"), 7, "no shmfs is mounted")
	})
}

func requireValue(t *testing.T, got result, value string) {
	t.Helper()
	if got.code != 0 || got.stdout != value {
		t.Errorf("it ends with %d and prints %q, want %q\n%s", got.code, got.stdout, value, got.stderr)
	}
}

// bind mounts a directory at a second path until the test's end.
func bind(t *testing.T, directory string) {
	t.Helper()
	second := filepath.Join(t.TempDir(), "second")
	if err := os.Mkdir(second, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(directory, second, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(second, 0); err != nil {
			t.Error(err)
		}
	})
}

// hideOtherMounts detaches, in this namespace alone, the mounts of shmfs that were there before.
func hideOtherMounts(t *testing.T) {
	t.Helper()
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(table)) {
		if fields := strings.Fields(line); strings.Contains(line, " - fuse.shmfs ") && len(fields) > 4 {
			if err := unix.Unmount(fields[4], unix.MNT_DETACH); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestWrongMounts(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	requireFailure(t, chosen(t, directory, "ls"), 7, "no shmfs is mounted on "+directory)
	requireFailure(t, chosen(t, directory+"/missing", "ls"), 3, "does not exist")
	requireFailure(t, chosen(t, "", "ls", "--mount", directory), 7, "no shmfs is mounted on "+directory)
}

func TestDaemonHasDied(t *testing.T) {
	t.Parallel()
	m := mount(t, "")
	m.must(t, "", "create", "jobs")
	rig.DaemonOf(t, m.directory).Kill(t)
	for _, arguments := range [][]string{{"ls"}, {"get", "jobs"}, {"post", "jobs"}, {"create", "more"}, {"rm", "jobs"}} {
		m.fails(t, 7, []string{"the daemon of the shmfs on " + m.directory + " has died", "mount it again"}, arguments...)
	}
}
