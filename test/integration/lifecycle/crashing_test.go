package lifecycle_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"shmfs/mmapcore/crashpoint"
	"shmfs/test/integration/rig"
)

// deaths are crash points at which processes die: each at the visit of that number, the first unless it is said.
type deaths []string

// crashing is a mount whose processes die at crash points, and of whose program there is a newer one on disk: the same at another inode.
type crashing struct {
	directory string
	program   string
	log       string
	control   *crashpoint.Control
}

func mountCrashing(t *testing.T, options string) *crashing {
	t.Helper()
	place := t.TempDir()
	m := &crashing{directory: mountpoint(t), program: filepath.Join(place, "shmfs"), log: filepath.Join(place, "log")}
	path := filepath.Join(place, "control")
	image, err := os.ReadFile(rig.CrashingBinary(t))
	if err != nil {
		t.Fatal(err)
	}
	if m.control, err = crashpoint.OpenControl(path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.control.Close() })
	install(t, m.program, image)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the daemon logged:\n%s", readLog(t, m.log))
		}
	})
	mount := exec.Command(m.program, "mount", "--log-file", m.log, "--log-level", "debug", "-o", options, m.directory)
	mount.Env = append(os.Environ(), "SHMFS_CRASH_CONTROL="+path)
	requireSuccess(t, run(t, mount))
	install(t, m.program, image)
	return m
}

// parseDeath returns a point's name and the visit.
func parseDeath(t *testing.T, death string) (name string, visit uint64) {
	t.Helper()
	at := strings.LastIndexByte(death, ':')
	visit, err := strconv.ParseUint(death[at+1:], 10, 64)
	if err != nil {
		return death, 1
	}
	return death[:at], visit
}

func (m *crashing) arm(t *testing.T, at deaths) {
	t.Helper()
	for _, one := range at {
		m.control.Arm(parseDeath(t, one))
	}
}

// requireDied waits until every point has killed.
func (m *crashing) requireDied(t *testing.T, at deaths) {
	t.Helper()
	for _, one := range at {
		name, _ := parseDeath(t, one)
		for deadline := time.Now().Add(patience); m.control.Armed(name) != 0; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("nobody has died at %q", one)
			}
		}
	}
}

// awaitProcesses returns when the mount has a supervisor, a worker that serves, one that stands by, and no process more.
func awaitProcesses(t *testing.T, directory string) rig.Daemon {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		daemon := rig.DaemonOf(t, directory)
		processes := processesOf(t, directory)
		workers := processes["worker"]
		supervisors := append(processes["mount"], processes["supervisor"]...)
		if slices.Equal(supervisors, []int{daemon.Supervisor}) && len(workers) == 2 && slices.Contains(workers, daemon.Worker) {
			return daemon
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v has the processes %v", daemon, processes)
		}
	}
}

// processesOf returns the processes of a mount by the command that each was started with.
func processesOf(t *testing.T, directory string) map[string][]int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]int{}
	for _, file := range files {
		line, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		words := strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00")
		if len(words) < 3 || words[len(words)-2] != "--" || words[len(words)-1] != directory {
			continue
		}
		process, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			t.Fatal(err)
		}
		found[words[1]] = append(found[words[1]], process)
	}
	return found
}

// requireOutcome checks that who asked for a reload was told what is so: the program that is on disk serves if it is done.
func (m *crashing) requireOutcome(t *testing.T, told result, want string, daemon rig.Daemon) {
	t.Helper()
	if want == "done" || want == "either" && told.code == 0 {
		requireSuccess(t, told)
	} else {
		requireFailure(t, told, 1, m.directory+" goes on as it was")
	}
	done := told.code == 0
	if m.isNew(daemon.Worker) != done {
		t.Errorf("the reload has ended with code %d, and whether %+v is of the new program is %t", told.code, daemon, !done)
	}
	other := func(process int) bool { return m.isNew(process) != done }
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) { // who stood by before is dismissed a moment later
		workers := processesOf(t, m.directory)["worker"]
		if !slices.ContainsFunc(workers, other) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the reload has ended with code %d, and not all of the workers %v are of the same program", told.code, workers)
		}
	}
}

// isNew says whether a process runs the program that is on disk.
func (m *crashing) isNew(process int) bool {
	running, err := os.Stat(fmt.Sprintf("/proc/%d/exe", process))
	if err != nil {
		return false // it has ended
	}
	there, err := os.Stat(m.program)
	return err == nil && os.SameFile(running, there)
}
