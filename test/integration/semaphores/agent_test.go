package semaphores

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// agent is a process that makes one call after the other as it is told (testdata/agent.c). It is used by one goroutine.
type agent struct {
	t       testing.TB
	command *exec.Cmd
	orders  io.WriteCloser
	results chan string // closed when the process ends
	doing   string      // the call under way, if any
	ended   chan struct{}
}

// result is what a call returned.
type result struct {
	number int
	errno  unix.Errno // 0 if the call succeeded
	data   string     // what was read
}

func (r result) String() string {
	if r.errno != 0 {
		return unix.ErrnoName(r.errno)
	}
	return fmt.Sprintf("%d %q", r.number, r.data)
}

// agent starts a process. At the test's end it is killed, with all that it forked.
func (l libc) agent(t testing.TB) *agent {
	t.Helper()
	return l.agentWith(t, nil)
}

// agentWith is agent with a socket to pass descriptors over, which may be nil and remains the caller's.
func (l libc) agentWith(t testing.TB, socket *os.File) *agent {
	t.Helper()
	a := &agent{t: t, command: exec.Command(l.program(t, "agent")), results: make(chan string, 1), ended: make(chan struct{})}
	a.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	a.command.Stderr = os.Stderr
	if socket != nil {
		a.command.ExtraFiles = []*os.File{socket}
	}
	orders, err := a.command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	lines, err := a.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	a.orders = orders
	if err := a.command.Start(); err != nil {
		t.Fatal(err)
	}
	go a.listen(lines)
	t.Cleanup(a.kill)
	return a
}

// listen takes the results until the process ends.
func (a *agent) listen(lines io.Reader) {
	scanner := bufio.NewScanner(lines)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		a.results <- scanner.Text()
	}
	close(a.results)
	_ = a.command.Wait() // most are killed
	close(a.ended)
}

// kill kills the process and all that it forked, and returns when the process is gone.
func (a *agent) kill() {
	a.t.Helper()
	_ = unix.Kill(-a.command.Process.Pid, unix.SIGKILL)
	a.awaitEnd()
}

// killAlone kills the process and leaves what it forked.
func (a *agent) killAlone() {
	a.t.Helper()
	_ = unix.Kill(a.command.Process.Pid, unix.SIGKILL)
	a.awaitEnd()
}

// awaitEnd returns when the process is gone.
func (a *agent) awaitEnd() {
	a.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case <-a.ended:
			return
		case <-a.results:
		case <-deadline:
			cutOff(a.t)
			a.t.Errorf("process %d was killed in %q and is not gone after %v", a.pid(), a.doing, patience)
			return
		}
	}
}

func (a *agent) pid() int { return a.command.Process.Pid }

// begin starts a call. Its result is had by end.
func (a *agent) begin(verb string, words ...any) {
	a.t.Helper()
	if a.doing != "" {
		a.t.Fatalf("%s is told while %s is under way", verb, a.doing)
	}
	order := verb + " " + strings.TrimSuffix(fmt.Sprintln(words...), "\n")
	if _, err := io.WriteString(a.orders, order+"\n"); err != nil {
		a.t.Fatalf("%s: %v", order, err)
	}
	a.doing = order
}

// end returns the result of the call under way, for which it waits.
func (a *agent) end() result {
	a.t.Helper()
	got, ended := a.endWithin(patience)
	if !ended {
		cutOff(a.t)
		a.t.Fatalf("%s: not done within %v", a.doing, patience)
	}
	return got
}

// endWithin returns the result of the call under way if it comes in time.
func (a *agent) endWithin(most time.Duration) (result, bool) {
	a.t.Helper()
	select {
	case line, running := <-a.results:
		if !running {
			a.t.Fatalf("%s: the process has ended", a.doing)
		}
		a.doing = ""
		return a.parse(line), true
	case <-time.After(most):
		return result{}, false
	}
}

func (a *agent) parse(line string) result {
	a.t.Helper()
	number, data, _ := strings.Cut(line, " ")
	failed := strings.HasPrefix(number, "!")
	value, err := strconv.Atoi(strings.TrimPrefix(number, "!"))
	decoded, decodeErr := hex.DecodeString(data)
	if err != nil || decodeErr != nil {
		a.t.Fatalf("the agent says %q", line)
	}
	if failed {
		return result{errno: unix.Errno(value)}
	}
	return result{number: value, data: string(decoded)}
}

// do makes a call and returns its result.
func (a *agent) do(verb string, words ...any) result {
	a.t.Helper()
	a.begin(verb, words...)
	return a.end()
}

// must makes a call that has to succeed, and returns its number.
func (a *agent) must(verb string, words ...any) int {
	a.t.Helper()
	got := a.do(verb, words...)
	if got.errno != 0 {
		a.t.Fatalf("%s %v: %v", verb, words, got)
	}
	return got.number
}

// refused makes a call that has to fail with an errno.
func (a *agent) refused(want unix.Errno, verb string, words ...any) {
	a.t.Helper()
	if got := a.do(verb, words...); got.errno != want {
		a.t.Fatalf("%s %v: %v, want %s", verb, words, got, unix.ErrnoName(want))
	}
}

// awaitDone requires the call under way to end with a number.
func (a *agent) awaitDone(want int) {
	a.t.Helper()
	doing := a.doing
	if got := a.end(); got.errno != 0 || got.number != want {
		a.t.Fatalf("%s: %v, want %d", doing, got, want)
	}
}

// awaitRefused requires the call under way to fail with an errno.
func (a *agent) awaitRefused(want unix.Errno) {
	a.t.Helper()
	doing := a.doing
	if got := a.end(); got.errno != want {
		a.t.Fatalf("%s: %v, want %s", doing, got, unix.ErrnoName(want))
	}
}

// interrupt sends the signal whose handler does nothing and restarts nothing.
func (a *agent) interrupt() {
	a.t.Helper()
	if err := unix.Kill(a.pid(), unix.SIGUSR1); err != nil {
		a.t.Fatal(err)
	}
}

// open opens a semaphore for text and returns the descriptor.
func (a *agent) open(path string, flags int) int {
	a.t.Helper()
	return a.must("open", path, flags, 0o600)
}

// told is the word of a text in an order.
func told(text string) string { return hex.EncodeToString([]byte(text)) }

// write writes commands.
func (a *agent) write(descriptor int, commands string) result {
	a.t.Helper()
	return a.do("write", descriptor, told(commands))
}

// beginWrite starts to write commands that have to wait.
func (a *agent) beginWrite(descriptor int, commands string) {
	a.t.Helper()
	a.begin("write", descriptor, told(commands))
}

// mustWrite writes commands that all have to succeed.
func (a *agent) mustWrite(descriptor int, commands string) {
	a.t.Helper()
	if got := a.write(descriptor, commands); got.errno != 0 || got.number != len(commands) {
		a.t.Fatalf("writing %q: %v, want %d", commands, got, len(commands))
	}
}

// mustNotWrite writes commands of which the first has to fail with an errno.
func (a *agent) mustNotWrite(want unix.Errno, descriptor int, commands string) {
	a.t.Helper()
	if got := a.write(descriptor, commands); got.errno != want {
		a.t.Fatalf("writing %q: %v, want %s", commands, got, unix.ErrnoName(want))
	}
}
