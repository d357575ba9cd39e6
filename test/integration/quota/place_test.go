package quota

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

	"golang.org/x/sys/unix"
)

// patience is how long anything may take that must not hang, on a machine that does other work besides.
const patience = 60 * time.Second

// Ordinary users, by number: no names are needed.
const (
	ann uint32 = 3001 + iota
	ben
	cai
)

const page = 4096

// place is a mode of shmfs; stored keeps the objects in a directory.
type place struct {
	name    string
	options string
	stored  bool
}

var strictPlaces = []place{
	{"strict", "require-passthrough,commit=strict", false},
	{"cached", "passthrough=off,commit=strict", false},
	{"directory", "require-passthrough,commit=strict", true},
}

var allPlaces = append([]place{
	{"lazy", "require-passthrough,commit=lazy", false},
	{"cached lazy", "passthrough=off,commit=lazy", false},
}, strictPlaces...)

// mount mounts shmfs with further options and returns where.
func (p place) mount(t *testing.T, options string) string {
	t.Helper()
	options = p.options + "," + options
	if p.stored {
		store := t.TempDir()
		must(t, os.Chmod(store, os.ModeSticky|0o777))
		options += ",store=" + store
	}
	return rig.Shmfs(t, options)
}

// inEach runs a test in mounts of each of the places, with further options.
func inEach(t *testing.T, places []place, options string, test func(t *testing.T, mount string)) {
	for _, place := range places {
		t.Run(place.name, func(t *testing.T) { test(t, place.mount(t, options)) })
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// watch kills an actor that takes too long.
func (a *actor) watch() *time.Timer {
	process := a.command.Process
	return time.AfterFunc(patience, func() { _ = process.Kill() })
}

// text reads a file of the mount's own directory.
func text(t testing.TB, mount, name string) string {
	t.Helper()
	read, err := os.ReadFile(filepath.Join(mount, ".shmfs", name))
	must(t, err)
	return string(read)
}

// row is a line of a table, by column.
type row = map[string]string

// rows reads a table of the mount's own directory.
func rows(t testing.TB, mount, name string) []row {
	t.Helper()
	return rig.Rows(t, text(t, mount, name))
}

// holds is what a user holds, as bytes and objects; without bytes under commit=lazy.
func holds(t testing.TB, mount string, user uint32) string {
	t.Helper()
	for _, one := range rows(t, mount, "quota") {
		if one["UID"] == fmt.Sprint(user) {
			return one["BYTES"] + " " + one["OBJECTS"]
		}
	}
	return "0 0"
}

// wantHolds checks what a user holds, in pages and objects; under commit=lazy only objects. What was let go of comes back when the
// kernel has told the daemon.
func wantHolds(t testing.TB, mount string, user uint32, pages, objects int64) {
	t.Helper()
	want := fmt.Sprintf("%d %d", pages*page, objects)
	lazy := fmt.Sprintf(" %d", objects)
	var got string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); _, _ = unix.Poll(nil, 5) {
		if got = holds(t, mount, user); got == want || got == lazy || got == "0 0" && objects == 0 && pages == 0 {
			return
		}
	}
	t.Fatalf("user %d holds %q, want %q", user, got, want)
}

// shmfs runs the program under test.
func shmfs(t testing.TB, mount string, arguments ...string) string {
	t.Helper()
	return rig.MustRun(t, mount, patience, exec.Command(rig.Binary(t), arguments...))
}

// wantRefused runs the program, which has to refuse with some words and an exit code.
func wantRefused(t testing.TB, mount string, code int, words string, command *exec.Cmd) {
	t.Helper()
	ended := rig.Run(t, mount, patience, command)[0]
	var failed *exec.ExitError
	if !errors.As(ended.Err, &failed) || failed.ExitCode() != code || !strings.Contains(ended.Stderr, words) {
		t.Errorf("%s ends with %v and says %q, want exit code %d and %q", command, ended.Err, ended.Stderr, code, words)
	}
}

// setQuota sets limits of a user as shmfs quota set does, faster.
func setQuota(t testing.TB, mount string, line string, words ...any) {
	t.Helper()
	must(t, unix.Setxattr(mount, "trusted.shmfs.quota", []byte(fmt.Sprintf(line, words...)), 0))
}
