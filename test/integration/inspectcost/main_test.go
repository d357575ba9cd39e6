package inspectcost

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"shmfs/test/integration/rig"

	"golang.org/x/sys/unix"
)

// readersVariable makes a copy of the test binary the readers of events.
const readersVariable = "SHMFS_TEST_INSPECTION_READERS"

func TestMain(m *testing.M) {
	if os.Getenv(readersVariable) != "" {
		if err := readEvents(os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(rig.RunPrivately(m))
}

// patience is how long anything may take that must not hang.
const patience = 3 * time.Minute

// strict says whether the bars hold as they stand, and the numbers are the full ones.
func strict() bool { return os.Getenv("SHMFS_STRICT") == "1" }

// amount is a number of things.
func amount(usual, full int) int {
	if strict() {
		return full
	}
	return usual
}

// requireWithin fails the test if a figure is above its bar under SHMFS_STRICT, and otherwise if it is above what only something broken
// reaches.
func requireWithin(t *testing.T, what string, figure, bar, alarm float64) {
	t.Helper()
	t.Logf("%s: %.2f (bar %.2f)", what, figure, bar)
	limit := alarm
	if strict() {
		limit = bar
	}
	if figure > limit {
		t.Errorf("%s: %.2f, more than %.2f", what, figure, limit)
	}
}

// calls builds the C program.
func calls(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "calls")
	source := filepath.Join(rig.Root(), "test/integration/inspectcost/testdata/calls.c")
	rig.MustRun(t, "", patience, exec.Command(rig.Program(t, "gcc"), "-O2", "-Wall", "-Wextra", "-Werror", "-o", path, source))
	return path
}

// info is the path of a file of the tree.
func info(mount, name string) string { return filepath.Join(mount, ".shmfs", name) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// mount mounts shmfs, and gives its daemon priority over the machine's other load. It returns where.
func mount(t *testing.T) string {
	t.Helper()
	path := rig.Shmfs(t, "require-passthrough,size=1G,nr_inodes=1M")
	threads, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(rig.DaemonOf(t, path).Worker), "task"))
	must(t, err)
	for _, thread := range threads {
		id, err := strconv.Atoi(thread.Name())
		must(t, err)
		must(t, unix.Setpriority(unix.PRIO_PROCESS, id, -10))
	}
	return path
}

// first has a command priority over the machine's other load.
func first(t *testing.T, arguments ...string) *exec.Cmd {
	t.Helper()
	return exec.Command(rig.Program(t, "nice"), append([]string{"-n", "-10"}, arguments...)...)
}

// start starts a program that says "ready" and goes on until its input ends; with the test it is killed. What it prints later comes from
// the reader.
func start(t *testing.T, command *exec.Cmd) *running {
	t.Helper()
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var stderr strings.Builder
	command.Stderr = &stderr
	input, err := command.StdinPipe()
	must(t, err)
	output, err := command.StdoutPipe()
	must(t, err)
	must(t, command.Start())
	stop := func() {
		_ = input.Close()
		_ = unix.Kill(-command.Process.Pid, unix.SIGKILL)
		_ = command.Wait()
	}
	t.Cleanup(stop)
	lines := bufio.NewScanner(output)
	if !lines.Scan() || lines.Text() != "ready" {
		stop()
		t.Fatalf("%s says %q, %v, %s", command, lines.Text(), lines.Err(), &stderr)
	}
	return &running{command.Process.Pid, lines, stop}
}

// running is a program that was started.
type running struct {
	pid   int
	lines *bufio.Scanner
	stop  func()
}
