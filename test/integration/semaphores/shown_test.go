package semaphores

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// shown is what a semaphore's text says.
type shown struct {
	value, waiters string // "-" if the file is no semaphore
	state          string
	layout         string
	initial        string
	created        time.Time
	held           int
	holders        []holder
	stuck          string
}

// holder is one line of those who hold units through the file.
type holder struct {
	pid, units int
	command    string
}

// keys stand in this order; holder may stand there any number of times.
var keys = []string{"value", "waiters", "state", "layout", "initial", "created", "held", "holder", "stuck"}

// readText reads a whole file as cat does.
func readText(path string) (string, error) {
	descriptor, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("opening %s: %w", path, err)
	}
	defer unix.Close(descriptor)
	var text strings.Builder
	part := make([]byte, 64<<10)
	for {
		count, err := unix.Read(descriptor, part)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || count == 0 {
			return text.String(), err
		}
		text.Write(part[:count])
	}
}

// look reads a semaphore's text, which has to have all its lines in their order.
func look(t testing.TB, path string) shown {
	t.Helper()
	text := within(t, "reading "+path, func() (string, error) { return readText(path) })
	s, err := parse(text)
	if err != nil {
		t.Fatalf("%s: %v\n%s", path, err, text)
	}
	return s
}

func parse(text string) (shown, error) {
	var s shown
	at := 0
	for line := range strings.Lines(text) {
		key, value, found := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		if !found || !strings.HasSuffix(line, "\n") {
			return s, fmt.Errorf("%q is no line of key and value", line)
		}
		for at < len(keys) && key != keys[at] {
			if keys[at] != "holder" {
				return s, fmt.Errorf("the line %q where %s was due", line, keys[at])
			}
			at++
		}
		if at == len(keys) {
			return s, fmt.Errorf("the line %q is too much", line)
		}
		if key != "holder" {
			at++
		}
		if err := s.take(key, value); err != nil {
			return s, fmt.Errorf("the line %q: %w", line, err)
		}
	}
	if at < len(keys) {
		return s, fmt.Errorf("no line %s", keys[at])
	}
	return s, nil
}

func (s *shown) take(key, value string) error {
	var err error
	switch key {
	case "value":
		s.value = value
	case "waiters":
		s.waiters = value
	case "state":
		s.state = value
	case "layout":
		s.layout = value
	case "initial":
		s.initial = value
	case "created":
		if s.created, err = time.Parse("2006-01-02T15:04:05.999999999Z", value); err != nil {
			return fmt.Errorf("time: %w", err)
		}
	case "held":
		s.held, err = strconv.Atoi(value)
	case "holder":
		var h holder
		if _, err = fmt.Sscanf(value, "pid %d, units %d, command %q", &h.pid, &h.units, &h.command); err == nil {
			s.holders = append(s.holders, h)
		}
	case "stuck":
		s.stuck = value
	}
	return err
}

// wantValue fails unless the semaphore has that many units, and nobody waits for or holds any.
func wantValue(t testing.TB, path string, value int) {
	t.Helper()
	s := look(t, path)
	if s.value != strconv.Itoa(value) || s.waiters != "0" || s.state != "ok" || s.held != 0 {
		t.Fatalf("%s is %+v, want value %d and nobody at it", path, s, value)
	}
}

// awaitWaiters returns when that many wait.
func awaitWaiters(t testing.TB, path string, want int) {
	t.Helper()
	eventually(t, fmt.Sprintf("waiters: %d", want), func() (bool, any) {
		s := look(t, path)
		return s.waiters == strconv.Itoa(want), s
	})
}

// echo does what a shell's `echo COMMANDS > PATH` does, which creates the semaphore if there is none.
func (a *agent) echo(path, commands string) result {
	a.t.Helper()
	descriptor := a.open(path, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC)
	got := a.write(descriptor, commands)
	a.must("close", descriptor)
	return got
}

// mustEcho is echo for commands that have to succeed.
func (a *agent) mustEcho(path, commands string) {
	a.t.Helper()
	if got := a.echo(path, commands); got.errno != 0 || got.number != len(commands) {
		a.t.Fatalf("writing %q to %s: %v, want %d", commands, path, got, len(commands))
	}
}

// create makes a semaphore by text.
func (a *agent) create(path string, value int) {
	a.t.Helper()
	a.mustEcho(path, fmt.Sprintf("%d\n", value))
}
