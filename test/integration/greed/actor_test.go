package greed

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long anything may take that must not hang, on a machine that does other work besides.
const patience = 60 * time.Second

// Two ordinary users, by number: no names are needed.
const (
	greedy = 3001 + iota
	modest
)

// actor is a process of a user's, which is told what to do, a line at a time, and answers each with a line.
type actor struct {
	t       *testing.T
	user    uint32
	process *os.Process
	orders  io.Writer
	answers chan string // closed when the process ends
}

// act starts a process in a role (see play). At the test's end it is gone.
func act(t *testing.T, user uint32, role string, arguments ...string) *actor {
	t.Helper()
	command := exec.Command("/proc/self/exe", arguments...)
	command.Env = append(os.Environ(), roleVariable+"="+role)
	command.Dir = "/"
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}, Setpgid: true}
	var stderr strings.Builder
	command.Stderr = &stderr
	orders, err := command.StdinPipe()
	must(t, err)
	lines, err := command.StdoutPipe()
	must(t, err)
	must(t, command.Start())
	a := &actor{t: t, user: user, process: command.Process, orders: orders, answers: make(chan string, 8)}
	ended := make(chan error, 1)
	go func() {
		scanner := bufio.NewScanner(lines)
		for scanner.Scan() {
			a.answers <- scanner.Text()
		}
		close(a.answers)
		ended <- command.Wait()
	}()
	t.Cleanup(func() {
		_ = unix.Kill(-command.Process.Pid, unix.SIGKILL)
		select {
		case <-ended:
		case <-time.After(patience):
			t.Errorf("the process of user %d was killed and is not gone after %v", user, patience)
			return
		}
		if stderr.Len() > 0 {
			t.Errorf("the process of user %d says %q", user, stderr.String())
		}
	})
	return a
}

// do has the process do something and returns its answer.
func (a *actor) do(format string, arguments ...any) string {
	a.t.Helper()
	a.order(format, arguments...)
	return a.answer()
}

func (a *actor) order(format string, arguments ...any) {
	a.t.Helper()
	_, err := fmt.Fprintf(a.orders, format+"\n", arguments...)
	must(a.t, err)
}

func (a *actor) answer() string {
	a.t.Helper()
	select {
	case line, running := <-a.answers:
		if !running {
			a.t.Fatalf("the process of user %d has ended by itself", a.user)
		}
		return line
	case <-time.After(patience):
		a.t.Fatalf("the process of user %d does not answer within %v", a.user, patience)
		return ""
	}
}

// want fails the test unless the process answers so.
func (a *actor) want(answer, format string, arguments ...any) {
	a.t.Helper()
	if got := a.do(format, arguments...); got != answer {
		a.t.Errorf("user %d, told to %s, answers %q, want %q", a.user, fmt.Sprintf(format, arguments...), got, answer)
	}
}

// wantOpens has the process open a path so often (a % in it is the number of the time, from 0), and fails the test unless it answers so: with how
// often it could, and why not more often.
func (a *actor) wantOpens(answer, path string, flags, times int) {
	a.t.Helper()
	a.want(answer, "open %s %d %d", path, flags, times)
}

// must fails the test if a call failed.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually returns when a condition has come true, as it must.
func eventually(t testing.TB, condition func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := condition()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
