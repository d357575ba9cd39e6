package semcli

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"shmfs/test/integration/rig"

	"golang.org/x/sys/unix"
)

// Keys that the terminal turns into signals.
const (
	interruptKey = "\x03"
	quitKey      = "\x1c"
)

// terminal is a pseudo terminal: what is typed at it, and the end that programs have.
type terminal struct {
	keyboard *os.File
	screen   *os.File
}

func newTerminal(t *testing.T) terminal {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = keyboard.Close() })
	if err := unix.IoctlSetPointerInt(int(keyboard.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(keyboard.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	screen, err := os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = screen.Close() })
	return terminal{keyboard, screen}
}

// start starts a command as the leader of a session at the terminal, in its foreground. Its output comes through a pipe.
func (p terminal) start(t *testing.T, command *exec.Cmd) *running {
	t.Helper()
	command.Stdin = p.screen
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	return start(t, command)
}

func (p terminal) press(t *testing.T, key string) {
	t.Helper()
	if _, err := p.keyboard.WriteString(key); err != nil {
		t.Fatal(err)
	}
}

// resize changes the size of the terminal's window, of which the kernel tells those in the foreground.
func (p terminal) resize(t *testing.T, rows int) {
	t.Helper()
	if err := unix.IoctlSetWinsize(int(p.keyboard.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(rows), Col: 80}); err != nil {
		t.Fatal(err)
	}
}

// A key reaches the command once, although shmfs gets its signal too. One press could hide a second signal that comes
// before the first is taken; so there are many.
func TestKeysReachTheCommandOnce(t *testing.T) {
	t.Parallel()
	const presses = 30
	m := mount(t, "")
	m.must(t, "", "create", "jobs")
	terminal := newTerminal(t)
	run := terminal.start(t, m.command(t, "run", "jobs", "--", rig.Program(t, "python3"), source(t, "count.py")))
	if line := run.line(t); line != "ready" {
		t.Fatalf("it prints %q", line)
	}
	for press := range presses {
		terminal.press(t, interruptKey)
		requireCount(t, run, "SIGINT", press+1)
		terminal.press(t, quitKey)
		requireCount(t, run, "SIGQUIT", press+1)
		terminal.resize(t, press+1)
		requireCount(t, run, "SIGWINCH", press+1)
	}
	run.signal(t, unix.SIGUSR1) // what no key sends is handed on here too
	requireCount(t, run, "SIGUSR1", 1)
	run.signal(t, unix.SIGTERM)
	if code := run.exitCode(t); code != 3 {
		t.Errorf("it ends with %d", code)
	}
	m.must(t, "1\n", "get", "jobs")
}

func requireCount(t *testing.T, run *running, signal string, count int) {
	t.Helper()
	if line, want := run.line(t), fmt.Sprintf("%s %d", signal, count); line != want {
		t.Fatalf("the command has %q, want %q", line, want)
	}
}

// Keys end who waits, and a shell sees that it was a signal.
func TestKeysEndWaiting(t *testing.T) {
	t.Parallel()
	m := mount(t, "")
	m.must(t, "", "create", "jobs", "0")
	for key, signal := range map[string]unix.Signal{interruptKey: unix.SIGINT, quitKey: unix.SIGQUIT} {
		for _, arguments := range [][]string{{"wait", "jobs"}, {"run", "jobs", "--", "true"}} {
			terminal := newTerminal(t)
			waiting := terminal.start(t, m.command(t, arguments...))
			m.await(t, "jobs", "waiters", "1")
			terminal.press(t, key)
			if code := waiting.exitCode(t); code != 128+int(signal) {
				t.Errorf("%v ends %q with %d", signal, arguments, code)
			}
			m.await(t, "jobs", "waiters", "0")
		}
	}
}

// In the background of a terminal a signal is handed on as anywhere: no key has sent it.
func TestSignalsInTheBackgroundOfATerminal(t *testing.T) {
	t.Parallel()
	m := mount(t, "")
	m.must(t, "", "create", "jobs")
	terminal := newTerminal(t)
	run := m.command(t, "run", "jobs", "--", rig.Program(t, "python3"), source(t, "count.py"))
	// With job control the shell gives the run a process group of its own, which is not in the foreground.
	const script = `exec 2>/dev/tty; set -m; "$@" & echo $!; wait $!`
	shell := terminal.start(t, exec.Command("bash", append([]string{"-c", script, "bash"}, run.Args...)...))
	first, second := shell.line(t), shell.line(t)
	if first == "ready" {
		first, second = second, first
	}
	process, err := strconv.Atoi(first)
	if err != nil || second != "ready" {
		t.Fatalf("it prints %q and %q", first, second)
	}
	t.Cleanup(func() { _ = unix.Kill(-process, unix.SIGKILL) })
	for count := range 3 {
		if err := unix.Kill(process, unix.SIGINT); err != nil {
			t.Fatal(err)
		}
		requireCount(t, shell, "SIGINT", count+1)
	}
	if err := unix.Kill(process, unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := shell.exitCode(t); code != 3 {
		t.Errorf("it ends with %d", code)
	}
}
