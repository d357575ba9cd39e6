package lifecycle_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"shmfs/test/integration/rig"
)

// killWorker kills the process that serves a mount and returns what serves it then.
func killWorker(t *testing.T, directory string) rig.Daemon {
	t.Helper()
	before := rig.DaemonOf(t, directory)
	watch(t, before.Worker).kill(t)
	after := rig.DaemonOf(t, directory)
	if after.Worker == before.Worker || after.Supervisor != before.Supervisor || after.Restarts != before.Restarts+1 {
		t.Errorf("the daemon was %+v and is %+v after its worker was killed", before, after)
	}
	return after
}

// A worker that is killed is a pause: whoever asks the mount is answered by another, which has what there was.
func TestKilledWorkerIsReplaced(t *testing.T) {
	t.Parallel()
	for _, options := range []string{"commit=strict", "commit=lazy", "passthrough=off", "store=directory"} {
		t.Run(options, func(t *testing.T) {
			t.Parallel()
			if options == "store=directory" {
				options = "store=" + rig.Tmpfs(t, "")
			}
			log := filepath.Join(t.TempDir(), "log")
			directory := mounted(t, "--log-file", log, "-o", options)
			path := filepath.Join(directory, "object")
			for round := range 5 {
				text := fmt.Sprint("round ", round)
				writeFile(t, path, text)
				killWorker(t, directory)
				requireText(t, path, text)
			}
			if text := readLog(t, log); strings.Count(text, "[WARN]  shmfs.supervisor: the worker has died: another goes on") != 5 ||
				!strings.Contains(text, "signal: killed") {
				t.Errorf("the log does not say that and how five workers died:\n%s", text)
			}
			unmount(t, directory)
		})
	}
}

// Workers that die at once, again and again, are replaced all the same.
func TestWorkersThatDieAtOnceAreReplaced(t *testing.T) {
	t.Parallel()
	directory := mounted(t)
	writeFile(t, filepath.Join(directory, "object"), "text")
	for range 8 {
		killWorker(t, directory)
	}
	requireText(t, filepath.Join(directory, "object"), "text")
	unmount(t, directory)
}

// What does not wait for a worker stands by; when it is killed another does. It ends with the mount.
func TestStandbyIsReplaced(t *testing.T) {
	t.Parallel()
	directory := mounted(t)
	daemon := rig.DaemonOf(t, directory)
	standby := watch(t, awaitStandby(t, daemon))
	standby.kill(t)
	again := awaitStandby(t, daemon)
	watched := watch(t, again)
	if killWorker(t, directory).Worker != again {
		t.Error("the worker that stood by does not serve")
	}
	unmount(t, directory)
	if !watched.ended(t, 0) {
		t.Error("a worker outlives the mount")
	}
}

// awaitStandby returns the worker that a mount's supervisor has started and that does not serve.
func awaitStandby(t *testing.T, daemon rig.Daemon) int {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		for _, child := range childrenOf(t, daemon.Supervisor) {
			line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", child))
			if err == nil && child != daemon.Worker && bytes.HasPrefix(line, []byte("shmfs\x00worker\x00")) {
				return child
			}
		}
	}
	t.Fatalf("no worker stands by for process %d within %v", daemon.Supervisor, patience)
	return 0
}

// childrenOf returns the children of a process.
func childrenOf(t *testing.T, process int) []int {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", process))
	if err != nil {
		t.Fatal(err)
	}
	var all []int
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // a thread that has ended
		}
		for _, word := range strings.Fields(string(text)) {
			var child int
			if _, err := fmt.Sscan(word, &child); err != nil {
				t.Fatal(err)
			}
			all = append(all, child)
		}
	}
	return all
}

// Signals to all processes of a service or a terminal mean the supervisor alone.
func TestWorkerIgnoresWhatMeansTheSupervisor(t *testing.T) {
	t.Parallel()
	directory := mounted(t)
	before := rig.DaemonOf(t, directory)
	for _, signal := range []unix.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGPIPE} {
		watch(t, before.Worker).signal(t, signal)
	}
	writeFile(t, filepath.Join(directory, "object"), "text")
	if after := rig.DaemonOf(t, directory); after != before {
		t.Errorf("the daemon was %+v and is %+v", before, after)
	}
	unmount(t, directory)
}

// The events and the metrics tell of a restart.
func TestRestartIsTold(t *testing.T) {
	t.Parallel()
	directory := mounted(t)
	events, err := os.Open(filepath.Join(directory, ".shmfs", "events"))
	if err != nil {
		t.Fatal(err)
	}
	defer events.Close()
	killWorker(t, directory)
	requireEvent(t, events, `"event":"worker-restarted"`)
	metrics, err := os.ReadFile(filepath.Join(directory, ".shmfs", "metrics"))
	if err != nil || !strings.Contains(string(metrics), "\nshmfs_worker_restarts_total 1\n") {
		t.Errorf("the metrics do not count it: %v", err)
	}
	if err := events.Close(); err != nil {
		t.Error(err)
	}
	unmount(t, directory)
}

// requireEvent reads events, of a file that was opened before, up to the one that holds the words.
func requireEvent(t *testing.T, events *os.File, words string) {
	t.Helper()
	found := make(chan error, 1)
	go func() {
		lines := bufio.NewReader(events)
		for {
			line, err := lines.ReadString('\n')
			if err != nil || strings.Contains(line, words) {
				found <- err
				return
			}
		}
	}()
	select {
	case err := <-found:
		if err != nil {
			t.Errorf("reading events up to %s: %v", words, err)
		}
	case <-time.After(patience):
		t.Fatalf("no event %s within %v", words, patience)
	}
}
