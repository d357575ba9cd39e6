package inspectcli

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"shmfs/test/integration/rig"

	"golang.org/x/sys/unix"
)

// limit is far beyond what anything here takes, so that what passes it hangs.
const limit = time.Minute

// evilName has what a table or a terminal could mistake: a control sequence, a space, a newline, and a byte that is no UTF-8.
const evilName = "a \x1b[31m\nb\xff"

// isWild reports whether a text has what no terminal should get.
func isWild(text string) bool {
	return strings.Contains(text, "\x1b") || !utf8.ValidString(text)
}

// mounted is a mount that is looked into.
type mounted struct {
	directory string
}

func mount(t *testing.T, options string) mounted {
	t.Helper()
	return mounted{rig.Shmfs(t, options)}
}

// inBothModes runs a test with passthrough and without.
func inBothModes(t *testing.T, options string, test func(*testing.T, mounted)) {
	t.Helper()
	t.Parallel()
	for name, more := range map[string]string{"passthrough": "passthrough=auto", "cached": "passthrough=off"} {
		t.Run(name, func(t *testing.T) { test(t, mount(t, strings.Trim(options+","+more, ","))) })
	}
}

func (m mounted) path(name string) string { return m.directory + "/" + name }

// result is what a command left.
type result struct {
	code   int
	stdout string
	stderr string
}

// command is a subcommand of shmfs with its arguments, on this mount.
func (m mounted) command(t *testing.T, arguments ...string) *exec.Cmd {
	t.Helper()
	command := exec.Command(rig.Binary(t), arguments...)
	command.Env = append(os.Environ(), "SHMFS_MOUNT="+m.directory, "TZ=UTC")
	return command
}

func (m mounted) run(t *testing.T, arguments ...string) result {
	t.Helper()
	return m.finish(t, m.command(t, arguments...))
}

// finish runs a command to its end.
func (m mounted) finish(t *testing.T, command *exec.Cmd) result {
	t.Helper()
	ended := rig.Run(t, m.directory, limit, command)[0]
	return result{codeOf(t, command, ended.Err), ended.Stdout, ended.Stderr}
}

// codeOf is a command's exit code, 128 and the signal's number if a signal ended it.
func codeOf(t *testing.T, command *exec.Cmd, err error) int {
	t.Helper()
	var exited *exec.ExitError
	if err != nil && !errors.As(err, &exited) && !errors.Is(err, exec.ErrWaitDelay) {
		t.Fatalf("%s: %v", command, err)
	}
	status := command.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

// prints runs a command that has to end well without complaints, and returns what it prints.
func (m mounted) prints(t *testing.T, arguments ...string) string {
	t.Helper()
	got := m.run(t, arguments...)
	if got.code != 0 || got.stderr != "" {
		t.Fatalf("%q ends with %d and prints %q\n%s", arguments, got.code, got.stdout, got.stderr)
	}
	return got.stdout
}

// must runs a command that has to print just that.
func (m mounted) must(t *testing.T, stdout string, arguments ...string) {
	t.Helper()
	if got := m.prints(t, arguments...); got != stdout {
		t.Errorf("%q prints %q, want %q", arguments, got, stdout)
	}
}

// settles runs a command until it prints just that: the daemon learns a moment after a process has ended what that had open.
func (m mounted) settles(t *testing.T, stdout string, arguments ...string) {
	t.Helper()
	got := ""
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if got = m.prints(t, arguments...); got == stdout {
			return
		}
	}
	t.Fatalf("after %v %q prints %q, want %q", limit, arguments, got, stdout)
}

// fails runs a command that has to end with the code and one line on standard error that has all the words.
func (m mounted) fails(t *testing.T, code int, words []string, arguments ...string) {
	t.Helper()
	got := m.run(t, arguments...)
	line, ended := strings.CutSuffix(got.stderr, "\n")
	if got.code != code || got.stdout != "" || !ended || strings.Contains(line, "\n") || !strings.HasPrefix(line, "shmfs: ") {
		t.Errorf("%q ends with %d, prints %q and says %q, want %d and one line", arguments, got.code, got.stdout, got.stderr, code)
	}
	for _, word := range words {
		if !strings.Contains(line, word) {
			t.Errorf("the line of %q does not say %q: %s", arguments, word, line)
		}
	}
}

// tells runs a command that has to print JSON, and reads that.
func (m mounted) tells(t *testing.T, into any, arguments ...string) {
	t.Helper()
	text := m.prints(t, append(arguments, "--json")...)
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%q: %v\n%s", arguments, err, text)
	}
}

// await returns when the condition holds.
func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if condition() {
			return
		}
	}
	t.Fatalf("%s: not within %v", what, limit)
}

// running is a command in the background.
type running struct {
	command *exec.Cmd
	stdin   io.WriteCloser
	stdout  *output
	stderr  *output
	ended   chan struct{} // closed at the command's end
	err     error         // of exec.Cmd.Wait; set before ended is closed
}

// start starts a command as the leader of a process group, of which nothing is left at the test's end.
func start(t *testing.T, command *exec.Cmd) *running {
	t.Helper()
	r := &running{command: command, stdout: &output{}, stderr: &output{}, ended: make(chan struct{})}
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Stdout, command.Stderr = r.stdout, r.stderr
	command.WaitDelay = 100 * time.Millisecond
	var err error
	if r.stdin, err = command.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		r.err = command.Wait()
		close(r.ended)
	}()
	t.Cleanup(func() {
		_ = unix.Kill(-command.Process.Pid, unix.SIGKILL)
		<-r.ended // it holds the mount no more
	})
	return r
}

// awaitText returns when the command has printed a text.
func (r *running) awaitText(t *testing.T, text string) {
	t.Helper()
	await(t, r.command.String()+" prints "+text, func() bool { return strings.Contains(r.stdout.String(), text) })
}

func (r *running) signal(t *testing.T, signal unix.Signal) {
	t.Helper()
	if err := unix.Kill(r.command.Process.Pid, signal); err != nil {
		t.Fatal(err)
	}
}

// requireCode waits for the command's end.
func (r *running) requireCode(t *testing.T, code int) {
	t.Helper()
	select {
	case <-r.ended:
		if got := codeOf(t, r.command, r.err); got != code {
			t.Errorf("%s ends with %d, want %d\n%s%s", r.command, got, code, r.stdout, r.stderr)
		}
	case <-time.After(limit):
		t.Fatalf("%s has not ended after %v\n%s%s", r.command, limit, r.stdout, r.stderr)
	}
}

// output keeps what is written to it. It may be used by several goroutines.
type output struct {
	mutex sync.Mutex
	all   bytes.Buffer // guarded by mutex
}

func (o *output) Write(text []byte) (int, error) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.all.Write(text)
}

func (o *output) String() string {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.all.String()
}

// writeFile writes a file by a process of its own.
func (m mounted) writeFile(t *testing.T, name, contents string) {
	t.Helper()
	command := exec.Command("sh", "-c", `cat > "$1"`, "sh", m.path(name))
	command.Stdin = strings.NewReader(contents)
	if got := m.finish(t, command); got.code != 0 {
		t.Fatalf("writing %q: %s", name, got.stderr)
	}
}

// user starts a process that has an object open and mapped until its standard input ends.
func (m mounted) user(t *testing.T, name string) *running {
	t.Helper()
	const program = `import mmap, os, sys
descriptor = os.open(sys.argv[1], os.O_RDWR)
memory = mmap.mmap(descriptor, 0)
memory[0] = 120
print("ready", flush=True)
sys.stdin.read()`
	r := start(t, exec.Command(rig.Program(t, "python3"), "-c", program, m.path(name)))
	r.awaitText(t, "ready")
	return r
}
