package semcli

import (
	"bytes"
	"errors"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"shmfs/test/integration/rig"

	"golang.org/x/sys/unix"
)

// limit is far beyond what anything here takes, so that what passes it hangs.
const limit = time.Minute

// mounted is a mount whose semaphores are worked on.
type mounted struct {
	directory string
}

func mount(t *testing.T, options string) mounted {
	t.Helper()
	return mounted{rig.Shmfs(t, options)}
}

// result is what a command left.
type result struct {
	code   int // 128 and the signal's number if a signal ended it
	stdout string
	stderr string
}

// command is `shmfs sem` with arguments, on this mount.
func (m mounted) command(t *testing.T, arguments ...string) *exec.Cmd {
	t.Helper()
	return exec.Command(rig.Binary(t), append([]string{"sem", "--mount", m.directory}, arguments...)...)
}

// sem runs `shmfs sem` to its end.
func (m mounted) sem(t *testing.T, arguments ...string) result {
	t.Helper()
	return m.finish(t, m.command(t, arguments...))
}

// finish runs a command to its end.
func (m mounted) finish(t *testing.T, command *exec.Cmd) result {
	t.Helper()
	ended := rig.Run(t, m.directory, limit, command)[0]
	return result{codeOf(t, command, ended.Err), ended.Stdout, ended.Stderr}
}

func codeOf(t *testing.T, command *exec.Cmd, err error) int {
	t.Helper()
	var exited *exec.ExitError
	if err != nil && !errors.As(err, &exited) {
		t.Fatalf("%s: %v", command, err)
	}
	status := command.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

// must runs `shmfs sem`, which has to end well and to print just that.
func (m mounted) must(t *testing.T, stdout string, arguments ...string) {
	t.Helper()
	got := m.sem(t, arguments...)
	if got.code != 0 || got.stdout != stdout || got.stderr != "" {
		t.Fatalf("sem %q ends with %d and prints %q, want %q\n%s", arguments, got.code, got.stdout, stdout, got.stderr)
	}
}

// fails runs `shmfs sem`, which has to end with the code and one line on standard error that has all the words.
func (m mounted) fails(t *testing.T, code int, words []string, arguments ...string) {
	t.Helper()
	requireFailure(t, m.sem(t, arguments...), code, words...)
}

func requireFailure(t *testing.T, got result, code int, words ...string) {
	t.Helper()
	line, ended := strings.CutSuffix(got.stderr, "\n")
	if got.code != code || got.stdout != "" || !ended || strings.Contains(line, "\n") || !strings.HasPrefix(line, "shmfs: ") {
		t.Errorf("it ends with %d, prints %q and says %q, want %d and one line", got.code, got.stdout, got.stderr, code)
	}
	for _, word := range words {
		if !strings.Contains(line, word) {
			t.Errorf("the line does not say %q: %s", word, line)
		}
	}
}

// tells returns what the semaphore's file tells under a key.
func (m mounted) tells(t *testing.T, name, key string) string {
	t.Helper()
	got := m.sem(t, "get", "--all", name)
	if got.code != 0 {
		t.Fatalf("get --all %s ends with %d: %s", name, got.code, got.stderr)
	}
	for line := range strings.Lines(got.stdout) {
		if value, found := strings.CutPrefix(line, key+": "); found {
			return strings.TrimSuffix(value, "\n")
		}
	}
	t.Fatalf("%s tells no %s:\n%s", name, key, got.stdout)
	return ""
}

// await returns when the semaphore's file tells the value under the key.
func (m mounted) await(t *testing.T, name, key, value string) {
	t.Helper()
	told := ""
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if told = m.tells(t, name, key); told == value {
			return
		}
	}
	t.Fatalf("%s of %s is %s after %v, want %s", key, name, told, limit, value)
}

// running is a command in the background, which leads a process group.
type running struct {
	command *exec.Cmd
	stdin   io.WriteCloser
	stdout  *output
	stderr  *output
	ended   chan error
}

// start starts a command. Whatever is left of its group is killed at the test's end.
func start(t *testing.T, command *exec.Cmd) *running {
	t.Helper()
	r := &running{command: command, stdout: newOutput(), stderr: newOutput(), ended: make(chan error, 1)}
	if command.SysProcAttr == nil {
		command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	}
	if command.Stdin == nil {
		var err error
		if r.stdin, err = command.StdinPipe(); err != nil {
			t.Fatal(err)
		}
	}
	if command.Stdout == nil {
		command.Stdout = r.stdout
	}
	command.Stderr = r.stderr
	command.WaitDelay = 100 * time.Millisecond
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { r.ended <- command.Wait() }()
	t.Cleanup(func() { _ = unix.Kill(-command.Process.Pid, unix.SIGKILL) })
	return r
}

// exitCode waits for the command's end.
func (r *running) exitCode(t *testing.T) int {
	t.Helper()
	select {
	case err := <-r.ended:
		if errors.Is(err, exec.ErrWaitDelay) { // a child of its has the output still
			err = nil
		}
		return codeOf(t, r.command, err)
	case <-time.After(limit):
		t.Fatalf("%s had not ended after %v\n%s", r.command, limit, r.stderr)
		return -1
	}
}

func (r *running) signal(t *testing.T, signal unix.Signal) {
	t.Helper()
	if err := unix.Kill(r.command.Process.Pid, signal); err != nil {
		t.Fatal(err)
	}
}

// line returns the next line of the command's output.
func (r *running) line(t *testing.T) string {
	t.Helper()
	select {
	case line := <-r.stdout.lines:
		return line
	case <-time.After(limit):
		t.Fatalf("%s has printed no further line after %v\n%s", r.command, limit, r.stderr)
		return ""
	}
}

// output hands out what is written to it line by line. It may be used by several goroutines.
type output struct {
	lines chan string

	mutex sync.Mutex
	all   bytes.Buffer // guarded by mutex
	rest  []byte       // of a line that has not ended; guarded by mutex
}

func newOutput() *output {
	return &output{lines: make(chan string, 1000)}
}

func (o *output) Write(text []byte) (int, error) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.all.Write(text)
	o.rest = append(o.rest, text...)
	for {
		line, rest, ended := bytes.Cut(o.rest, []byte("\n"))
		if !ended {
			return len(text), nil
		}
		o.lines <- strings.TrimSuffix(string(line), "\r")
		o.rest = rest
	}
}

func (o *output) String() string {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.all.String()
}
