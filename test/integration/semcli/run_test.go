package semcli

import (
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

func TestRunEndsAsItsCommand(t *testing.T) {
	requireStatuses(t, mount(t, ""))
}

// requireStatuses runs commands that end in all ways, and leaves no unit held.
func requireStatuses(t *testing.T, m mounted) {
	t.Helper()
	m.must(t, "", "create", "jobs", "2")
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		code    int
		command []string
	}{
		{0, []string{"true"}}, {1, []string{"false"}}, {7, []string{"sh", "-c", "exit 7"}}, {255, []string{"sh", "-c", "exit 255"}},
		{128 + 9, []string{"sh", "-c", "kill -KILL $$"}}, {128 + 15, []string{"sh", "-c", "kill -TERM $$"}},
	} {
		got := m.sem(t, append([]string{"run", "jobs", "--"}, c.command...)...)
		if got != (result{code: c.code}) {
			t.Errorf("%q: %+v, want code %d and not a word", c.command, got, c.code)
		}
	}
	m.fails(t, 127, []string{`"no-such-command"`, "PATH"}, "run", "jobs", "--", "no-such-command")
	m.fails(t, 127, []string{"/no/such/command"}, "run", "jobs", "--", "/no/such/command")
	m.fails(t, 126, []string{script, "permission denied"}, "run", "jobs", "--", script)
	m.must(t, "2\n", "get", "jobs")
	if held := m.tells(t, "jobs", "held"); held != "0" {
		t.Errorf("%s units are held", held)
	}
}

func TestRunHoldsTheUnits(t *testing.T) {
	requireHolding(t, mount(t, ""))
}

// requireHolding runs a command that takes its input and gives output, and looks at the semaphore meanwhile.
func requireHolding(t *testing.T, m mounted) {
	t.Helper()
	m.must(t, "", "create", "held", "3")
	run := start(t, m.command(t, "run", "held", "-n", "2", "--", "sh", "-c", "echo begun; read word; echo got $word"))
	if line := run.line(t); line != "begun" {
		t.Fatalf("it prints %q", line)
	}
	m.must(t, "1\n", "get", "held")
	if held := m.tells(t, "held", "held"); held != "2" {
		t.Errorf("%s units are held", held)
	}
	holder, want := m.tells(t, "held", "holder"), fmt.Sprintf("pid %d, units 2,", run.command.Process.Pid)
	if !strings.HasPrefix(holder, want) {
		t.Errorf("the holder is %s, want %s", holder, want)
	}
	if _, err := run.stdin.Write([]byte("enough\n")); err != nil {
		t.Fatal(err)
	}
	if line := run.line(t); line != "got enough" {
		t.Errorf("it prints %q", line)
	}
	if code := run.exitCode(t); code != 0 {
		t.Errorf("it ends with %d", code)
	}
	m.must(t, "3\n", "get", "held")
}

// Two runs are never in their commands at one time.
func TestRunsExcludeEachOther(t *testing.T) {
	t.Parallel()
	m := mount(t, "")
	m.must(t, "", "create", "lock")
	inside := filepath.Join(t.TempDir(), "inside")
	var commands []*exec.Cmd
	for range 6 {
		script := `mkdir "$1" || exit 9; sleep 0.05; rmdir "$1"`
		commands = append(commands, m.command(t, "run", "lock", "--", "sh", "-c", script, "sh", inside))
	}
	for i, ended := range rig.Run(t, m.directory, limit, commands...) {
		if code := codeOf(t, commands[i], ended.Err); code != 0 {
			t.Errorf("run %d ends with %d\n%s", i, code, ended.Stderr)
		}
	}
	m.must(t, "1\n", "get", "lock")
}

// Only shmfs holds the units: when it is killed they are back at once, though its command goes on.
func TestKilledRunGivesBack(t *testing.T) {
	requireKilledRunGivesBack(t, mount(t, ""))
}

func requireKilledRunGivesBack(t *testing.T, m mounted) {
	t.Helper()
	m.must(t, "", "create", "killed", "2")
	run := start(t, m.command(t, "run", "killed", "-n", "2", "--", "sh", "-c", "echo $$; exec sleep 1000"))
	child, err := strconv.Atoi(run.line(t))
	if err != nil {
		t.Fatal(err)
	}
	m.must(t, "0\n", "get", "killed")
	run.signal(t, unix.SIGKILL)
	if code := run.exitCode(t); code != 128+9 {
		t.Errorf("it ends with %d", code)
	}
	m.await(t, "killed", "value", "2")
	m.await(t, "killed", "held", "0")
	if err := unix.Kill(child, unix.SIGKILL); err != nil {
		t.Errorf("the command has ended with shmfs: %v", err)
	}
}

// The command has what shmfs inherited, and nothing of the mount.
func TestCommandInherits(t *testing.T) {
	t.Parallel()
	m := mount(t, "")
	m.must(t, "", "create", "jobs")
	inherited, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer inherited.Close()
	command := m.command(t, "run", "jobs", "--", "sh", "-c", "readlink /proc/$$/fd/*; readlink /proc/$$/fd/3")
	command.ExtraFiles = []*os.File{inherited}
	got := m.finish(t, command)
	if got.code != 0 || strings.Contains(got.stdout, m.directory) || !strings.HasSuffix(got.stdout, "\n/dev/null\n") {
		t.Errorf("it ends with %d, and the command has\n%s%s", got.code, got.stdout, got.stderr)
	}
}

// What the shell ignores (nohup) stays ignored in the command.
func TestIgnoredSignalStaysIgnored(t *testing.T) {
	t.Parallel()
	m := mount(t, "")
	m.must(t, "", "create", "jobs")
	run := m.command(t, "run", "jobs", "--", "sh", "-c", "kill -HUP $PPID; kill -HUP $$; echo alive")
	got := m.finish(t, exec.Command("sh", append([]string{"-c", `trap "" HUP; exec "$@"`, "sh"}, run.Args...)...))
	if got.code != 0 || got.stdout != "alive\n" {
		t.Errorf("it ends with %d and prints %q\n%s", got.code, got.stdout, got.stderr)
	}
}

// A shell ignores the keys' signals for what it starts in the background; so does the command then.
func TestIgnoredKeysStayIgnored(t *testing.T) {
	t.Parallel()
	m := mount(t, "")
	m.must(t, "", "create", "jobs")
	run := m.command(t, "run", "jobs", "--", "grep", "SigIgn", "/proc/self/status")
	const keys = 1<<(unix.SIGINT-1) | 1<<(unix.SIGQUIT-1) // others may be ignored by whoever started the tests
	for trap, want := range map[string]uint64{"trap '' INT QUIT": keys, "true": 0} {
		got := m.finish(t, exec.Command("sh", append([]string{"-c", trap + `; exec "$@"`, "sh"}, run.Args...)...))
		_, mask, _ := strings.Cut(strings.TrimSpace(got.stdout), "\t")
		if ignored, err := strconv.ParseUint(mask, 16, 64); got.code != 0 || err != nil || ignored&keys != want {
			t.Errorf("after %s the command ignores %q, %v, want %x\n%s", trap, mask, err, want, got.stderr)
		}
	}
}

// Away from a terminal every signal is handed on, once.
func TestSignalsAreHandedOn(t *testing.T) {
	t.Parallel()
	m := mount(t, "")
	m.must(t, "", "create", "jobs")
	command := m.command(t, "run", "jobs", "--", rig.Program(t, "python3"), source(t, "count.py"))
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	run := start(t, command)
	if line := run.line(t); line != "ready" {
		t.Fatalf("it prints %q", line)
	}
	for _, signal := range []unix.Signal{
		unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM, unix.SIGCONT, unix.SIGWINCH,
	} {
		run.signal(t, signal)
		if line, want := run.line(t), unix.SignalName(signal)+" 1"; line != want {
			t.Errorf("of %v the command has %q, want %q", signal, line, want)
		}
	}
	run.signal(t, unix.SIGTERM)
	if code := run.exitCode(t); code != 3 {
		t.Errorf("it ends with %d, want the status of the command", code)
	}
	m.must(t, "1\n", "get", "jobs")
}

// A stopped and continued run goes on.
func TestRunIsContinued(t *testing.T) {
	t.Parallel()
	m := mount(t, "")
	m.must(t, "", "create", "jobs")
	run := start(t, m.command(t, "run", "jobs", "--", "sh", "-c", "kill -STOP $$; exit 4"))
	m.await(t, "jobs", "held", "1")
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		// Handed on; it may come before the command has stopped itself, or when all have ended.
		_ = unix.Kill(run.command.Process.Pid, unix.SIGCONT)
		if m.tells(t, "jobs", "held") == "0" {
			break
		}
	}
	if code := run.exitCode(t); code != 4 {
		t.Errorf("it ends with %d", code)
	}
}

// source returns the absolute path of a file in testdata.
func source(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}
