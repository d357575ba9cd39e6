package faults

import (
	"bufio"
	"encoding/json"
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

// member is a copy of the test binary in some role: it says "ready", goes on when it is told, and ends with a line of JSON.
type member struct {
	command *exec.Cmd
	input   io.WriteCloser
	lines   chan string // closed when the output ends
	stderr  strings.Builder
	ended   chan struct{} // closed when it is gone
	state   error         // what Wait returned; read after ended
}

// firstUser is one of those who are not root.
const firstUser = 20001

// startMember starts a role. A user of 0 is root. At the test's end it is killed; if it hangs in the mount, that is cut off.
func startMember(t testing.TB, place, role string, user int, argument any) *member {
	t.Helper()
	text, err := json.Marshal(argument)
	must(t, err)
	m := &member{command: exec.Command("/proc/self/exe", string(text)), lines: make(chan string, 4), ended: make(chan struct{})}
	// Signals of the Go runtime would interrupt calls, which clients must not see for a reason of the tests' own.
	m.command.Env = append(os.Environ(), roleVariable+"="+role, "GODEBUG=asyncpreemptoff=1", "GORACE=atexit_sleep_ms=0")
	m.command.Stderr = &m.stderr
	if user != 0 {
		m.command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(user), Gid: uint32(user)}}
	}
	m.input, err = m.command.StdinPipe()
	must(t, err)
	output, err := m.command.StdoutPipe()
	must(t, err)
	must(t, m.command.Start())
	go func() {
		reader := bufio.NewReaderSize(output, 1<<20)
		for line, err := reader.ReadString('\n'); err == nil; line, err = reader.ReadString('\n') {
			m.lines <- line
		}
		close(m.lines)
		m.state = m.command.Wait()
		close(m.ended)
	}()
	t.Cleanup(func() { m.remove(t, place) })
	return m
}

// remove kills the process if it is still there.
func (m *member) remove(t testing.TB, place string) {
	_ = m.input.Close()
	select {
	case <-m.ended:
		return
	default:
	}
	_ = m.command.Process.Kill()
	go func() {
		for range m.lines { // so that its end is seen
		}
	}()
	select {
	case <-m.ended:
	case <-time.After(patience):
		t.Errorf("process %d was killed and hangs in the mount, which is cut off", m.command.Process.Pid)
		_ = unix.Unmount(place, unix.MNT_FORCE)
	}
}

// tell writes a line.
func (m *member) tell(line string) error {
	_, err := io.WriteString(m.input, line+"\n")
	return err
}

// line is the next line that it prints. It fails after so long, or if it ends without one.
func (m *member) line(most time.Duration) (string, error) {
	select {
	case line, there := <-m.lines:
		if there {
			return line, nil
		}
		<-m.ended
		return "", fmt.Errorf("process %d ended without a word: %v: %s", m.command.Process.Pid, m.state, &m.stderr)
	case <-time.After(most):
		return "", fmt.Errorf("process %d says nothing within %v", m.command.Process.Pid, most)
	}
}

// ready waits for its first word.
func (m *member) ready(t testing.TB) {
	t.Helper()
	line, err := m.line(patience)
	must(t, err)
	if line != "ready\n" {
		t.Fatalf("process %d could not begin: %s", m.command.Process.Pid, line)
	}
}

// result waits for its last word.
func (m *member) result(to any, most time.Duration) error {
	line, err := m.line(most)
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(line), to); err != nil {
		return fmt.Errorf("process %d says %q: %w", m.command.Process.Pid, line, err)
	}
	return nil
}
