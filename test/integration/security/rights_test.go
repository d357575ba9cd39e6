package security

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"shmfs/fs/rights"
	"shmfs/test/integration/rig"

	"golang.org/x/sys/unix"
)

// TestServingTakesFewRights looks at every thread of the processes that serve or are about to, whoever has started them, and of the one that
// operates semaphores in cached mode.
func TestServingTakesFewRights(t *testing.T) {
	inEachMode(t, func(t *testing.T, options string) {
		mount := rig.Shmfs(t, options)
		must(t, os.WriteFile(mount+"/sem.jobs", []byte("3\n"), 0o666))
		must(t, os.WriteFile(mount+"/sem.jobs", []byte("post\n"), 0o666))
		requireWorkersRights(t, mount)
		helpers := named(t, "shmfs-semaphore-helper", mount)
		if want := map[bool]int{true: 1}[strings.Contains(options, "off")]; len(helpers) != want {
			t.Errorf("there are %d processes that operate semaphores, want %d", len(helpers), want)
		}
		for _, helper := range helpers {
			requireRights(t, helper, rights.SemaphoreHelper)
			requireNoDevice(t, helper)
		}
		killAndAwait(t, mount, workerOf(t, mount), func() int { return workerOf(t, mount) })
		requireWorkersRights(t, mount)
		killAndAwait(t, mount, daemonOf(t, mount), func() int { return daemonOf(t, mount) })
		requireRights(t, daemonOf(t, mount), rights.Serving) // it was started by a worker, and has no more
		requireWorkersRights(t, mount)
		must(t, os.WriteFile(mount+"/sem.jobs", []byte("post\n"), 0o666))
	})
}

// requireWorkersRights looks at all workers of a mount.
func requireWorkersRights(t *testing.T, mount string) {
	t.Helper()
	serving := workerOf(t, mount)
	const both = 2 // the one that serves, and the one that stands by
	var workers []int
	for deadline := time.Now().Add(patience); len(workers) < both; _, _ = unix.Poll(nil, 5) {
		if workers = workersOf(t, mount); time.Now().After(deadline) {
			t.Fatalf("the workers are %v", workers)
		}
	}
	seen := false
	for _, worker := range workers {
		seen = seen || worker == serving
		awaitConfined(t, worker)
		requireRights(t, worker, rights.Serving)
	}
	if !seen {
		t.Errorf("of the workers %v none is %d, which serves", workers, serving)
	}
}

// awaitConfined returns when a process that was just started has come to giving up system calls.
func awaitConfined(t *testing.T, process int) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; _, _ = unix.Poll(nil, 5) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", process))
		must(t, err)
		if strings.Contains(string(text), "\nSeccomp:\t2\n") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %d is not confined", process)
		}
	}
}

// killAndAwait kills one of a mount's processes and returns when another has taken its place.
func killAndAwait(t *testing.T, mount string, process int, now func() int) {
	t.Helper()
	must(t, unix.Kill(process, unix.SIGKILL))
	for deadline := time.Now().Add(patience); now() == process; _, _ = unix.Poll(nil, 5) {
		if time.Now().After(deadline) {
			t.Fatalf("nobody has taken the place of process %d", process)
		}
	}
}

// workerOf returns the process that serves a mount.
func workerOf(t *testing.T, mount string) int {
	t.Helper()
	text, err := os.ReadFile(mount + "/.shmfs/stats")
	must(t, err)
	for line := range strings.Lines(string(text)) {
		if number, found := strings.CutPrefix(line, "worker-pid: "); found {
			process, err := strconv.Atoi(strings.TrimSpace(number))
			must(t, err)
			return process
		}
	}
	t.Fatalf("the figures name no worker:\n%s", text)
	return 0
}

// workersOf returns all workers of a mount.
func workersOf(t *testing.T, mount string) []int {
	t.Helper()
	return processes(t, func(words []string) bool {
		return len(words) > 3 && words[0] == "shmfs" && words[1] == "worker" && slices.Contains(words, mount)
	})
}

// A mount whose supervisor somebody else has started is served by as few rights.
func TestForegroundTakesFewRights(t *testing.T) {
	mount := publicDirectory(t)
	command := exec.Command(rig.Binary(t), "mount", "-f", mount)
	var log bytes.Buffer
	command.Stderr = &log
	must(t, command.Start())
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	awaitMount(t, mount)
	if daemon := daemonOf(t, mount); daemon != command.Process.Pid {
		t.Errorf("process %d is the mount's, not %d", daemon, command.Process.Pid)
	}
	requireWorkersRights(t, mount)
	must(t, os.WriteFile(mount+"/file", []byte("x"), 0o666))
	must(t, command.Process.Signal(unix.SIGTERM))
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("it ended with %v:\n%s", err, &log)
		}
	case <-time.After(patience):
		_ = command.Process.Kill()
		t.Fatalf("it does not end:\n%s", &log)
	}
	if strings.Contains(log.String(), "could not be given up") {
		t.Errorf("it says\n%s", &log)
	}
}

// awaitMount returns when a shmfs is mounted and answers.
func awaitMount(t *testing.T, path string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; _, _ = unix.Poll(nil, 5) {
		if _, err := os.Stat(path + "/.shmfs"); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is not mounted", path)
		}
	}
}

// daemonOf returns the process that supervises a mount.
func daemonOf(t *testing.T, mount string) int {
	t.Helper()
	value := make([]byte, 20)
	n, err := unix.Getxattr(mount, "trusted.shmfs.pid", value)
	must(t, err)
	var process int
	if _, err := fmt.Sscan(string(value[:n]), &process); err != nil {
		t.Fatal(err)
	}
	return process
}

// named returns the processes that were started by a name with an argument.
func named(t *testing.T, name, argument string) []int {
	t.Helper()
	return processes(t, func(words []string) bool { return words[0] == name && len(words) > 1 && words[1] == argument })
}

// processes returns those whose command line is wanted.
func processes(t *testing.T, wanted func(words []string) bool) []int {
	t.Helper()
	var found []int
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	must(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err == nil && wanted(strings.Split(string(text), "\x00")) {
			var process int
			_, _ = fmt.Sscanf(file, "/proc/%d/", &process)
			found = append(found, process)
		}
	}
	return found
}

// requireRights fails the test unless each thread of a process has, of what root has here, these capabilities and no others, gets no new ones,
// and is confined.
func requireRights(t *testing.T, process int, kept rights.Set) {
	t.Helper()
	want := fmt.Sprintf("%016x", uint64(kept&own(t)))
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", process))
	must(t, err)
	if len(threads) < 2 {
		t.Errorf("process %d has %d threads", process, len(threads))
	}
	expected := map[string]string{"CapInh": fmt.Sprintf("%016x", 0), "CapPrm": want, "CapEff": want, "CapBnd": want, "CapAmb": fmt.Sprintf("%016x", 0),
		"NoNewPrivs": "1", "Seccomp": "2"}
	for _, thread := range threads {
		text, err := os.ReadFile(thread)
		if os.IsNotExist(err) {
			continue // it has ended
		}
		must(t, err)
		seen := 0
		for line := range strings.Lines(string(text)) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), ":\t")
			if wanted, known := expected[key]; known {
				seen++
				if value != wanted {
					t.Errorf("%s: %s is %s, want %s", thread, key, value, wanted)
				}
			}
		}
		if seen != len(expected) {
			t.Errorf("%s says only %d of %d things", thread, seen, len(expected))
		}
	}
}

// own is what this process, root's, has.
func own(t *testing.T) rights.Set {
	t.Helper()
	missing, err := rights.Excess(0)
	must(t, err)
	return missing
}

// requireNoDevice fails the test if a process has the connection to the kernel open, or anything of a store.
func requireNoDevice(t *testing.T, process int) {
	t.Helper()
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", process))
	must(t, err)
	for _, link := range links {
		target, err := os.Readlink(link)
		if err == nil && (strings.HasPrefix(target, "/dev/fuse") || target == "/") {
			t.Errorf("process %d has %s open", process, target)
		}
	}
	if len(links) < 4 {
		t.Errorf("process %d has %d files open", process, len(links))
	}
}
