package inspection

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"shmfs/test/integration/rig"

	"golang.org/x/sys/unix"
)

// patience is how long anything may take that must not hang, on a machine that does other work besides.
const patience = 60 * time.Second

// Three ordinary users, by number: no names are needed.
const (
	ann = 3001 + iota
	ben
	cai
)

// place is a mode of shmfs; stored keeps the objects in a directory.
type place struct {
	name    string
	options string
	stored  bool
}

var places = []place{
	{"strict", "require-passthrough,commit=strict", false},
	{"lazy", "require-passthrough,commit=lazy", false},
	{"cached strict", "passthrough=off,commit=strict", false},
	{"cached lazy", "passthrough=off,commit=lazy", false},
	{"directory", "require-passthrough,commit=strict", true},
}

// mount mounts shmfs and returns where.
func (p place) mount(t *testing.T) string {
	t.Helper()
	options := p.options
	if p.stored {
		store := t.TempDir()
		must(t, os.Chmod(store, os.ModeSticky|0o777))
		options += ",store=" + store
	}
	return rig.Shmfs(t, options)
}

// inEach runs a test in every place given.
func inEach(t *testing.T, places []place, test func(t *testing.T, mount string)) {
	for _, place := range places {
		t.Run(place.name, func(t *testing.T) { test(t, place.mount(t)) })
	}
}

// info is the path of a file of the tree.
func info(mount, name string) string { return filepath.Join(mount, ".shmfs", name) }

// text reads a file of the tree.
func text(t testing.TB, mount, name string) string {
	t.Helper()
	read, err := os.ReadFile(info(mount, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(read)
}

// textFor reads a file of the tree as another user.
func textFor(t testing.TB, user uint32, mount, name string) string {
	t.Helper()
	return rig.MustRun(t, mount, patience, as(user, exec.Command("cat", info(mount, name))))
}

// as makes a command an ordinary user's.
func as(user uint32, command *exec.Cmd) *exec.Cmd {
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
	command.Dir = "/"
	return command
}

// row is a line of a table, by column.
type row = map[string]string

// values reads "key: value" lines; a key that comes several times has several values.
func values(t testing.TB, content string) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for line := range strings.Lines(content) {
		key, value, is := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		if !is || key == "" || value == "" || strings.ContainsAny(key, " \t") {
			t.Errorf("%q is no \"key: value\"", line)
		}
		found[key] = append(found[key], value)
	}
	return found
}

// requireClean fails the test unless a text is lines of characters that show themselves, whoever chose the names in it.
func requireClean(t testing.TB, what string, content []byte) {
	t.Helper()
	if len(content) > 0 && !bytes.HasSuffix(content, []byte{'\n'}) {
		t.Errorf("%s: the last line has no end: %q", what, content[max(0, len(content)-80):])
	}
	for rest := content; len(rest) > 0; {
		character, size := utf8.DecodeRune(rest)
		if character == utf8.RuneError && size == 1 || character != '\n' && !unicode.IsPrint(character) {
			at := len(content) - len(rest)
			t.Errorf("%s: raw %q in %q", what, rest[:size], content[max(0, at-60):min(len(content), at+20)])
			return
		}
		rest = rest[size:]
	}
}

// create makes a file with something in it.
func create(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// must fails the test if a call failed.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open opens what is closed at the test's end.
func open(t testing.TB, path string, flags int) int {
	t.Helper()
	descriptor, err := unix.Open(path, flags|unix.O_CLOEXEC, 0o644)
	if err != nil {
		t.Fatalf("opening %q: %v", path, err)
	}
	t.Cleanup(func() { _ = unix.Close(descriptor) })
	return descriptor
}

// timeIn returns what says whether so much time has gone by.
func timeIn(duration time.Duration) func() bool {
	deadline := time.Now().Add(duration)
	return func() bool { return time.Now().After(deadline) }
}
