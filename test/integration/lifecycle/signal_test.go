package lifecycle_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestSignalUnmountsIdleMount(t *testing.T) {
	t.Parallel()
	for _, signal := range []unix.Signal{unix.SIGTERM, unix.SIGINT} {
		directory := mounted(t)
		daemon := watch(t, daemonOf(t, directory))
		daemon.signal(t, signal)
		if !daemon.ended(t, patience) {
			t.Fatalf("%v does not end the daemon", signal)
		}
		requireUnmounted(t, directory)
	}
}

// While a file is open the mount leaves its path, and what is open goes on working until it is closed.
func TestSignalDetachesBusyMount(t *testing.T) {
	t.Parallel()
	f := startForeground(t)
	file := openObject(t, f.directory)
	f.signal(t, unix.SIGTERM)
	awaitUnmounted(t, f.directory)
	if _, err := file.WriteAt([]byte("still here"), 1<<20); err != nil {
		t.Errorf("writing to the open file: %v", err)
	}
	text := make([]byte, 10)
	if _, err := file.ReadAt(text, 1<<20); err != nil || string(text) != "still here" {
		t.Errorf("reading from the open file: %q, %v", text, err)
	}
	if err := file.Truncate(5); err != nil {
		t.Errorf("truncating the open file: %v", err)
	}
	if err := file.Close(); err != nil {
		t.Error(err)
	}
	if code := f.exitCode(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if count := strings.Count(f.stderr.String(), "in use"); count != 1 {
		t.Errorf("the log says %d times that the mount is in use:\n%s", count, &f.stderr)
	}
}

// The path is free again at once: the detached mount does not stand in the way of a new one.
func TestBusyMountMakesRoomForAnother(t *testing.T) {
	t.Parallel()
	f := startForeground(t)
	file := openObject(t, f.directory)
	f.signal(t, unix.SIGTERM)
	awaitUnmounted(t, f.directory)
	requireSuccess(t, shmfs(t, "mount", f.directory))
	if _, err := os.Stat(filepath.Join(f.directory, "object")); !os.IsNotExist(err) {
		t.Errorf("the new mount shows the object of the old one: %v", err)
	}
	if err := file.Close(); err != nil {
		t.Error(err)
	}
	if code := f.exitCode(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if count := mountsAt(t, f.directory); count != 1 {
		t.Errorf("%d file systems are mounted after the old one ended", count)
	}
	unmount(t, f.directory)
}

func TestSecondSignalEndsBusyMount(t *testing.T) {
	t.Parallel()
	showConnections(t)
	for _, signal := range []unix.Signal{unix.SIGTERM, unix.SIGINT} {
		requireSecondSignalEnds(t, signal)
	}
}

// A machine may lack the file by which a connection is aborted: the end of the process does it then. No test may run beside
// this one.
func TestSecondSignalEndsBusyMountWithoutConnections(t *testing.T) {
	if err := unix.Mount("none", connections, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	requireSecondSignalEnds(t, unix.SIGTERM)
	if err := unix.Unmount(connections, 0); err != nil {
		t.Fatal(err)
	}
}

// More signals than are needed, at every moment up to the last, change nothing: the daemon ends as if asked once.
func TestSignalUponSignalEnds(t *testing.T) {
	t.Parallel()
	showConnections(t)
	const rounds = 20
	for range rounds {
		f := startForeground(t)
		signalUntilEnd(t, f, unix.SIGTERM)
		if code := f.exitCode(t); code != 0 {
			t.Fatalf("%v\n%s", f.command.ProcessState, &f.stderr)
		}
		requireUnmounted(t, f.directory)
	}
}

// signalUntilEnd sends a process one signal after another, until it has ended.
func signalUntilEnd(t *testing.T, f *foreground, signal unix.Signal) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; runtime.Gosched() {
		err := f.command.Process.Signal(signal)
		if errors.Is(err, os.ErrProcessDone) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatalf("the daemon has not ended after %v of signals", patience)
		}
	}
}

func requireSecondSignalEnds(t *testing.T, signal unix.Signal) {
	t.Helper()
	f := startForeground(t)
	file := openObject(t, f.directory)
	f.signal(t, signal)
	awaitUnmounted(t, f.directory)
	f.signal(t, signal)
	if code := f.exitCode(t); code != 0 {
		t.Errorf("exit code %d\n%s", code, &f.stderr)
	}
	if err := file.Truncate(0); err == nil {
		t.Error("the open file answers after its mount was ended")
	}
	if !strings.Contains(f.stderr.String(), "ending the mount at once") {
		t.Errorf("the log does not say that the mount was cut off:\n%s", &f.stderr)
	}
	_ = file.Close()
}

// connections is where the kernel shows FUSE connections.
const connections = "/sys/fs/fuse/connections"

var connectionsShown sync.Mutex

// showConnections mounts that file system where the machine has not: in the tests' own namespace.
func showConnections(t *testing.T) {
	t.Helper()
	connectionsShown.Lock()
	defer connectionsShown.Unlock()
	if mountsAt(t, connections) > 0 {
		return
	}
	if err := unix.Mount("fusectl", connections, "fusectl", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		t.Fatalf("mounting the FUSE control file system: %v", err)
	}
}

// What the daemon's user mounts over it is not what a signal to the daemon unmounts.
func TestSignalSparesWhatCoversTheMount(t *testing.T) {
	t.Parallel()
	showConnections(t)
	f := startForeground(t)
	if err := unix.Mount("tmpfs", f.directory, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, ""); err != nil {
		t.Fatal(err)
	}
	f.signal(t, unix.SIGTERM)
	f.requireState(t, "STOPPING=1")
	f.signal(t, unix.SIGTERM)
	code := f.exitCode(t)
	if fields := mountFields(t, f.directory); !strings.Contains(strings.Join(fields, " "), "- tmpfs") {
		t.Errorf("the covering mount is gone: %q", fields)
	}
	for mountsAt(t, f.directory) > 0 {
		if err := unix.Unmount(f.directory, unix.MNT_DETACH); err != nil {
			t.Fatal(err)
		}
	}
	if code == 0 || !strings.Contains(f.stderr.String(), "a dead mount stays behind on "+f.directory) {
		t.Errorf("exit code %d, and no word of the dead mount that stays behind:\n%s", code, &f.stderr)
	}
}

// The same when it is another shmfs that covers it. Once uncovered, the mount can be ended as ever.
func TestSignalSparesAnotherShmfsOverTheMount(t *testing.T) {
	t.Parallel()
	f, other := startForeground(t), mounted(t)
	if err := unix.Mount(other, f.directory, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	f.signal(t, unix.SIGTERM)
	f.requireState(t, "STOPPING=1")
	writeFile(t, filepath.Join(f.directory, "object"), "of the other")
	requireText(t, filepath.Join(other, "object"), "of the other")
	f.requireLogged(t, "covered by the mount of process")
	if err := unix.Unmount(f.directory, unix.MNT_DETACH); err != nil {
		t.Fatal(err)
	}
	requireSuccess(t, shmfs(t, "umount", f.directory))
	if code := f.exitCode(t); code != 0 {
		t.Errorf("exit code %d\n%s", code, &f.stderr)
	}
	unmount(t, other)
}

// An administrator's umount(8) or an abort of the connection ends the daemon too, and leaves nothing dead behind.
func TestEndFromOutside(t *testing.T) {
	t.Parallel()
	showConnections(t)
	for name, end := range map[string]func(directory string) error{
		"umount":        func(directory string) error { return unix.Unmount(directory, 0) },
		"lazy umount":   func(directory string) error { return unix.Unmount(directory, unix.MNT_DETACH) },
		"forced umount": func(directory string) error { return unix.Unmount(directory, unix.MNT_FORCE) },
		"abort": func(directory string) error {
			_, connection, _ := strings.Cut(mountFields(t, directory)[2], ":")
			return os.WriteFile(filepath.Join(connections, connection, "abort"), []byte("1"), 0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			directory := mounted(t)
			daemon := watch(t, daemonOf(t, directory))
			if err := end(directory); err != nil {
				t.Fatal(err)
			}
			if !daemon.ended(t, patience) {
				t.Error("the daemon does not end")
			}
			requireUnmounted(t, directory)
		})
	}
}
