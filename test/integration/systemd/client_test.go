package systemd

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// client is a process in the machine that uses a mount, as the tests see it.
type client struct {
	input io.WriteCloser
	lines chan string // that it says; closed at its end
	ended chan error
}

// newClient starts a client that plays a part in a directory, and returns when it is ready.
func newClient(t *testing.T, m *machine, part, directory string) *client {
	t.Helper()
	command := m.command("/root/client", directory)
	command.Env = append(command.Env, partVariable+"="+part)
	input, err := command.StdinPipe()
	must(t, err)
	output, err := command.StdoutPipe()
	must(t, err)
	command.Stderr = command.Stdout
	c := &client{input: input, lines: make(chan string, 100), ended: make(chan error, 1)}
	must(t, command.Start())
	go func() {
		for lines := bufio.NewScanner(output); lines.Scan(); {
			c.lines <- lines.Text()
		}
		close(c.lines)
		c.ended <- command.Wait()
	}()
	t.Cleanup(func() { _ = c.input.Close() })
	if said := c.next(t); said != "ready" {
		t.Fatalf("the client is not ready: %s", said)
	}
	return c
}

// next returns what it says next.
func (c *client) next(t *testing.T) string {
	t.Helper()
	select {
	case line, more := <-c.lines:
		if !more {
			t.Fatal("the client has ended")
		}
		return line
	case <-time.After(patience):
		t.Fatalf("the client says nothing for %v", patience)
	}
	return ""
}

// ask has it do something and returns what it says to that.
func (c *client) ask(t *testing.T, what string) string {
	t.Helper()
	if _, err := fmt.Fprintln(c.input, what); err != nil {
		t.Fatalf("asking the client: %v", err)
	}
	return c.next(t)
}

// requireWhole checks that everything it has goes on.
func (c *client) requireWhole(t *testing.T, after string) {
	t.Helper()
	if said := c.ask(t, "check"); said != "ok" {
		t.Errorf("after %s the client says: %s", after, said)
	}
}

// end ends it.
func (c *client) end(t *testing.T) {
	t.Helper()
	if _, err := fmt.Fprintln(c.input, "end"); err != nil {
		t.Fatalf("ending the client: %v", err)
	}
	for line := range c.lines {
		if line != "ok" {
			t.Errorf("at its end the client says: %s", strings.TrimSpace(line))
		}
	}
	select {
	case err := <-c.ended:
		if err != nil {
			t.Errorf("the client ends with %v", err)
		}
	case <-time.After(patience):
		t.Fatal("the client does not end")
	}
}
