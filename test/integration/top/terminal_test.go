package top

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shmfs/test/integration/rig"
)

// limit is far beyond what anything here takes, so that what passes it hangs.
const limit = time.Minute

// terminal is a window of a tmux server of its own, without a line of status.
type terminal struct {
	program string
	socket  string
}

// newTerminal starts `shmfs top` with further arguments in a terminal of the size. When it ends its exit code is on the screen. The server and all in it end with the test.
func newTerminal(t *testing.T, width, height int, environment []string, arguments ...string) terminal {
	t.Helper()
	directory := t.TempDir()
	configuration := filepath.Join(directory, "tmux.conf")
	if err := os.WriteFile(configuration, []byte("set -g status off\nset -sg escape-time 0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	w := terminal{rig.Program(t, "tmux"), filepath.Join(directory, "socket")}
	line := rig.Binary(t) + " top " + strings.Join(arguments, " ") + "; echo it ended with $?; read line"
	start := w.command("-u", "-f", configuration, "new-session", "-d", "-x", fmt.Sprint(width), "-y", fmt.Sprint(height), line)
	start.Env = append(os.Environ(), "SHELL=/bin/sh", "LC_ALL=C.UTF-8", "NO_COLOR=")
	start.Env = append(start.Env, environment...)
	t.Cleanup(func() {
		var exited *exec.ExitError
		if output, err := w.command("kill-server").CombinedOutput(); err != nil && !errors.As(err, &exited) {
			t.Errorf("ending tmux: %v\n%s", err, output)
		}
	})
	if output, err := start.CombinedOutput(); err != nil {
		t.Fatalf("starting tmux: %v\n%s", err, output)
	}
	return w
}

func (w terminal) command(arguments ...string) *exec.Cmd {
	return exec.Command(w.program, append([]string{"-S", w.socket}, arguments...)...)
}

func (w terminal) do(t *testing.T, arguments ...string) string {
	t.Helper()
	output, err := w.command(arguments...).CombinedOutput()
	if err != nil {
		t.Fatalf("tmux %q: %v\n%s", arguments, err, output)
	}
	return string(output)
}

// press presses keys, as tmux names them.
func (w terminal) press(t *testing.T, keys ...string) {
	t.Helper()
	w.do(t, append([]string{"send-keys"}, keys...)...)
}

// screen is what the terminal shows, without blanks at the ends of lines.
func (w terminal) screen(t *testing.T) string {
	t.Helper()
	return w.do(t, "capture-pane", "-p")
}

func (w terminal) resize(t *testing.T, width, height int) {
	t.Helper()
	w.do(t, "resize-window", "-x", fmt.Sprint(width), "-y", fmt.Sprint(height))
}

// until returns when the screen is as it should be, and fails the test if it does not become so.
func (w terminal) until(t *testing.T, what string, right func(screen string) bool) {
	t.Helper()
	screen := ""
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if screen = w.screen(t); right(screen) {
			return
		}
	}
	t.Fatalf("the screen does not become right: %s\n%s", what, screen)
}

// shows returns when the screen has all the texts.
func (w terminal) shows(t *testing.T, texts ...string) {
	t.Helper()
	w.until(t, fmt.Sprintf("%q", texts), func(screen string) bool {
		for _, text := range texts {
			if !strings.Contains(screen, text) {
				return false
			}
		}
		return true
	})
}

// hides returns when the screen does not have the text.
func (w terminal) hides(t *testing.T, text string) {
	t.Helper()
	w.until(t, "without "+text, func(screen string) bool { return !strings.Contains(screen, text) })
}

// rows returns the names in the list, from top to bottom.
func rows(screen string) (names []string) {
	listed := false
	for line := range strings.Lines(screen) {
		name, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch {
		case name == "NAME":
			listed = true
		case listed && name == "":
			return names
		case listed:
			names = append(names, name)
		}
	}
	return names
}
