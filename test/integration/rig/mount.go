package rig

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Shmfs mounts shmfs with the given -o options (may be empty) on a new directory and returns that directory. At the
// test's end it unmounts, and fails the test if anything remains mounted or the unmount is refused. It fails unless the package's TestMain
// calls RunPrivately.
func Shmfs(t testing.TB, options string) string {
	t.Helper()
	return ShmfsAt(t, directory(t), options)
}

// ShmfsAt is Shmfs on a directory of the caller's.
func ShmfsAt(t testing.TB, mountpoint, options string) string {
	t.Helper()
	requirePrivate(t)
	binary := Binary(t)
	logFile := filepath.Join(t.TempDir(), "shmfs.log")
	arguments := []string{"mount", "--log-level", "debug", "--log-file", logFile}
	if options != "" {
		arguments = append(arguments, "-o", options)
	}
	if output, err := exec.Command(binary, append(arguments, mountpoint)...).CombinedOutput(); err != nil {
		t.Fatalf("shmfs %s: %v\n%s%s", strings.Join(arguments, " "), err, output, tail(logFile))
	}
	t.Cleanup(func() {
		output, err := unmount(binary, mountpoint)
		if err != nil {
			t.Errorf("shmfs umount: %v\n%s", err, output)
			Hang(t)
			_ = unix.Unmount(mountpoint, unix.MNT_DETACH)
		}
		if t.Failed() {
			t.Logf("daemon log:\n%s", tail(logFile))
		}
		requireUnmounted(t, mountpoint)
	})
	return mountpoint
}

// unmount unmounts with a binary. The kernel gives up the last of a process's open files and mappings a moment after it has ended,
// so a mount that is in use is tried again for a while.
func unmount(binary, mountpoint string) (output []byte, err error) {
	const busy = 8 // the exit code
	for deadline := time.Now().Add(grace); ; _, _ = unix.Poll(nil, 20) {
		output, err = exec.Command(binary, "umount", mountpoint).CombinedOutput()
		var failed *exec.ExitError
		if !errors.As(err, &failed) || failed.ExitCode() != busy || time.Now().After(deadline) {
			return output, err
		}
	}
}

// Tmpfs mounts a plain tmpfs with the given mount data (may be empty), to be compared with shmfs. It fails as Shmfs does.
func Tmpfs(t testing.TB, options string) string {
	t.Helper()
	requirePrivate(t)
	mountpoint := directory(t)
	if err := unix.Mount("tmpfs", mountpoint, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		t.Fatalf("mounting tmpfs (the integration tests need root): %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(mountpoint, 0); err != nil {
			t.Errorf("unmounting tmpfs: %v", err)
			_ = unix.Unmount(mountpoint, unix.MNT_DETACH)
		}
		requireUnmounted(t, mountpoint)
	})
	return mountpoint
}

// directory makes an empty directory that every user may reach (t.TempDir lies below one that only root may enter).
func directory(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "shmfs-test-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Remove(dir); err != nil {
			t.Errorf("removing the mountpoint: %v", err)
		}
	})
	return dir
}

func requireUnmounted(t testing.TB, mountpoint string) {
	t.Helper()
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(table, []byte(fmt.Sprintf(" %s ", mountpoint))) {
		t.Errorf("%s is still mounted", mountpoint)
	}
}

func tail(path string) string {
	const most = 256 << 10 // what all goroutines do fits, at the end
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Sprintf("(no log: %v)", err)
	}
	return string(text[max(0, len(text)-most):])
}
