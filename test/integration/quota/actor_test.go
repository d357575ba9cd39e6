package quota

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// actor is a process of a user's that makes the calls that it is told to.
type actor struct {
	t       *testing.T
	command *exec.Cmd
	input   io.WriteCloser
	output  *bufio.Reader
	stderr  strings.Builder
}

// start starts an actor in a mount, with some capabilities that its user does not have. It ends with the test, or when it is left.
func start(t *testing.T, mount string, user uint32, capabilities ...uintptr) *actor {
	t.Helper()
	a := &actor{t: t, command: exec.Command("/proc/self/exe", mount)}
	a.command.Env = append(os.Environ(), actorVariable+"=1")
	a.command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}, AmbientCaps: capabilities}
	a.command.Stderr = &a.stderr
	var err error
	a.input, err = a.command.StdinPipe()
	must(t, err)
	output, err := a.command.StdoutPipe()
	must(t, err)
	a.output = bufio.NewReader(output)
	must(t, a.command.Start())
	t.Cleanup(a.leave)
	if value, errno := a.answer("starting"); value != 0 || errno != 0 {
		t.Fatalf("an actor begins with %d, %v", value, errno)
	}
	return a
}

// leave ends the actor, whose descriptors and mappings go with it.
func (a *actor) leave() {
	if a.command == nil {
		return
	}
	_ = a.input.Close()
	watch := a.watch()
	if err := a.command.Wait(); err != nil {
		a.t.Errorf("an actor ended: %v\n%s", err, &a.stderr)
	}
	watch.Stop()
	a.command = nil
}

// ask begins a call.
func (a *actor) ask(words ...any) {
	a.t.Helper()
	texts := make([]string, len(words))
	for i, word := range words {
		texts[i] = fmt.Sprint(word)
	}
	if _, err := fmt.Fprintln(a.input, strings.Join(texts, "\t")); err != nil {
		a.t.Fatalf("telling an actor %q: %v\n%s", texts, err, &a.stderr)
	}
}

// answer waits for a call's result. One that hangs is killed.
func (a *actor) answer(what ...any) (value int64, errno unix.Errno) {
	a.t.Helper()
	watch := a.watch()
	defer watch.Stop()
	if _, err := fmt.Fscanln(a.output, &value, &errno); err != nil {
		_ = a.command.Wait()
		a.command = nil
		a.t.Fatalf("an actor does not answer to %v: %v\n%s", what, err, &a.stderr)
	}
	return value, errno
}

// do makes a call.
func (a *actor) do(words ...any) (int64, unix.Errno) {
	a.t.Helper()
	a.ask(words...)
	return a.answer(words...)
}

// must makes a call that has to succeed.
func (a *actor) must(words ...any) int64 {
	a.t.Helper()
	value, errno := a.do(words...)
	if errno != 0 {
		a.t.Fatalf("%v: %v", words, errno)
	}
	return value
}

// wants makes a call that has to fail.
func (a *actor) wants(want unix.Errno, words ...any) {
	a.t.Helper()
	if value, errno := a.do(words...); errno != want {
		a.t.Fatalf("%v: %d, %v, want %v", words, value, errno, want)
	}
}
