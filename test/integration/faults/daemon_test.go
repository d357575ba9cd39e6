package faults

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"shmfs/test/integration/rig"

	"golang.org/x/sys/unix"
)

// daemon is a mount and the processes that serve it.
type daemon struct {
	place string // the mountpoint
}

// mountDaemon mounts shmfs. At the test's end it is unmounted, and nothing is left of it.
func mountDaemon(t testing.TB, options string) *daemon {
	t.Helper()
	return mountBinary(t, rig.Binary(t), options)
}

// mountBinary is mountDaemon of another build, with variables more in its environment. It logs what it logs by default: more would take more
// time than the calls do.
func mountBinary(t testing.TB, binary, options string, environment ...string) *daemon {
	t.Helper()
	d := &daemon{place: place(t)}
	logFile := filepath.Join(t.TempDir(), "shmfs.log")
	command := exec.Command(binary, "mount", "--log-file", logFile, "-o", options, d.place)
	command.Env = append(os.Environ(), environment...)
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, output)
	}
	t.Cleanup(func() {
		if t.Failed() {
			text, _ := os.ReadFile(logFile)
			t.Logf("the daemon's log ends:\n%s", text[max(0, len(text)-8<<10):])
		}
		output, err := exec.Command(binary, "umount", d.place).CombinedOutput()
		if err != nil {
			t.Errorf("shmfs umount: %v\n%s", err, output)
			_ = unix.Unmount(d.place, unix.MNT_DETACH)
		}
	})
	return d
}

// place makes an empty directory that every user may reach.
func place(t testing.TB) string {
	t.Helper()
	directory, err := os.MkdirTemp("", "shmfs-faults-")
	must(t, err)
	must(t, unix.Chmod(directory, 0o755))
	t.Cleanup(func() {
		if err := unix.Rmdir(directory); err != nil { // it fails if something is still mounted there
			t.Errorf("removing the mountpoint: %v", err)
		}
	})
	return directory
}

// readFile is a small file's contents, read without the poller that Go gives to files.
func readFile(path string) (string, error) {
	descriptor, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("opening %s: %w", path, err)
	}
	defer unix.Close(descriptor)
	var text strings.Builder
	block := make([]byte, 64<<10)
	for {
		n, err := unix.Read(descriptor, block)
		if err == unix.EINTR {
			continue // the runtime's signals
		}
		if err != nil {
			return "", fmt.Errorf("reading %s: %w", path, err)
		}
		if n == 0 {
			return text.String(), nil
		}
		text.Write(block[:n])
	}
}

// stats are the figures that a mount says of itself, by their keys.
func (d *daemon) stats() (map[string]string, error) {
	text, err := readFile(filepath.Join(d.place, ".shmfs", "stats"))
	if err != nil {
		return nil, err
	}
	said := map[string]string{}
	for line := range strings.Lines(text) {
		if key, value, found := strings.Cut(strings.TrimSuffix(line, "\n"), ": "); found {
			said[key] = value
		}
	}
	return said, nil
}

// figure is one of the stats that must be a number.
func (d *daemon) figure(key string) (int, error) {
	said, err := d.stats()
	if err != nil {
		return 0, err
	}
	number, err := strconv.Atoi(said[key])
	if err != nil {
		return 0, fmt.Errorf("stats: %s is %q, which is no number", key, said[key])
	}
	return number, nil
}

// server is the process that answers requests.
func (d *daemon) server() (int, error) { return d.figure("worker-pid") }

// reload has another worker take over, with the program that is now on disk.
func (d *daemon) reload(t testing.TB) error {
	output, err := exec.Command(rig.Binary(t), "reload", d.place).CombinedOutput()
	if err != nil {
		return fmt.Errorf("shmfs reload: %w: %s", err, output)
	}
	return nil
}

// eventually fails the test unless something becomes true before patience is over; the text says what is instead.
func eventually(t testing.TB, what string, is func() (bool, string)) {
	t.Helper()
	within(t, patience, what, is)
}

// within is eventually with a time of its own. It looks ever more seldom.
func within(t testing.TB, most time.Duration, what string, is func() (bool, string)) {
	t.Helper()
	deadline, between := now()+most, time.Millisecond
	for {
		there, instead := is()
		if there {
			return
		}
		if now() > deadline {
			t.Fatalf("%s: it is %s", what, instead)
		}
		pause(between)
		between = min(2*between, time.Second)
	}
}
