package semaphores

import (
	"debug/buildinfo"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"shmfs/test/integration/rig"

	"golang.org/x/sys/unix"
)

// patience is how long anything may take that must not hang, on a machine that does other work besides.
const patience = 30 * time.Second

// place is a mode of shmfs, which a test mounts over /dev/shm.
type place struct {
	name    string
	options string
}

// passthrough are the modes in which all that docs/semaphores.md says holds; cached those of its section "Cached mode".
var (
	passthrough = []place{
		{"strict", "require-passthrough,commit=strict"},
		{"lazy", "require-passthrough,commit=lazy"},
	}
	cached = []place{
		{"cached strict", "passthrough=off,commit=strict"},
		{"cached lazy", "passthrough=off,commit=lazy"},
	}
)

// libc is a C library: how to build with it, and how its programs name the semaphore sem.NAME.
type libc struct {
	name     string
	compiler string
	prefix   string
}

// The two whose layouts of semaphores shmfs knows.
var (
	glibc = libc{"glibc", "gcc", "/"}
	musl  = libc{"musl", "musl-gcc", "/sem."}
	libcs = []libc{glibc, musl}
)

// semaphore is what the library's sem_open calls sem.NAME.
func (l libc) semaphore(name string) string { return l.prefix + name }

// program builds a program of testdata with the library, once for all tests, and returns its path.
func (l libc) program(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(os.Getenv(programsVariable), name+"-"+l.name)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	const limit = 2 * time.Minute
	source := filepath.Join(rig.Root(), "test/integration/semaphores/testdata", name+".c")
	arguments := []string{"-O2", "-Wall", "-Wextra", "-Werror", "-pthread", "-o", path + ".new", source}
	rig.MustRun(t, "", limit, exec.Command(rig.Program(t, l.compiler), arguments...))
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	return path
}

// sem is the path of a semaphore, and of whatever else lies in the root.
func sem(name string) string { return filepath.Join(rig.SharedMemory, "sem."+name) }

// mount mounts the place. At the test's end nothing may be left in it, and it is unmounted.
func (p place) mount(t *testing.T, options ...string) {
	t.Helper()
	rig.ShmfsAt(t, rig.SharedMemory, strings.Join(append([]string{p.options}, options...), ","))
	t.Cleanup(func() {
		if t.Failed() {
			return // what a failed test leaves tells nothing, and the mount may hang
		}
		if left := entries(t); len(left) != 0 {
			t.Errorf("left in %s: %q", rig.SharedMemory, left)
		}
	})
}

// inEach runs a test in every place, in the order given.
func inEach(t *testing.T, places []place, test func(*testing.T)) {
	for _, place := range places {
		t.Run(place.name, func(t *testing.T) {
			place.mount(t)
			test(t)
		})
	}
}

// forEach runs a test for every libc in every place.
func forEach(t *testing.T, places []place, test func(*testing.T, libc)) {
	inEach(t, places, func(t *testing.T) {
		for _, libc := range libcs {
			t.Run(libc.name, func(t *testing.T) { test(t, libc) })
		}
	})
}

// entries lists the root without the daemon's own tree, which is always there.
func entries(t testing.TB) []string {
	t.Helper()
	names := within(t, "listing "+rig.SharedMemory, func() ([]string, error) {
		listed, err := os.ReadDir(rig.SharedMemory)
		var names []string
		for _, entry := range listed {
			if entry.Name() != ".shmfs" {
				names = append(names, entry.Name())
			}
		}
		return names, err
	})
	slices.Sort(names)
	return names
}

// within fails the test if a call returns an error, and cuts the mount off if it hangs.
func within[R any](t testing.TB, doing string, call func() (R, error)) R {
	t.Helper()
	type outcome struct {
		result R
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		result, err := call()
		done <- outcome{result, err}
	}()
	select {
	case got := <-done:
		if got.err != nil {
			t.Fatalf("%s: %v", doing, got.err)
		}
		return got.result
	case <-time.After(patience):
		cutOff(t)
		t.Fatalf("%s: no answer within %v", doing, patience)
		panic("unreachable")
	}
}

// cutOff tells what hangs and ends all calls on the mount, which answers no more.
func cutOff(t testing.TB) {
	t.Helper()
	rig.Hang(t)
	_ = unix.Unmount(rig.SharedMemory, unix.MNT_FORCE) // EBUSY, usually: that the connection is aborted is all
}

// eventually polls a condition that no event tells of, until it holds. It fails the test, with what was found last, if that
// does not come.
func eventually(t testing.TB, want string, condition func() (held bool, found any)) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; _, _ = unix.Poll(nil, 1) {
		held, found := condition()
		if held {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s; last: %+v", patience, want, found)
		}
	}
}

// daemonProcess is the process that serves the mount.
func daemonProcess(t testing.TB) int {
	t.Helper()
	return within(t, "asking for the daemon", func() (int, error) {
		value := make([]byte, 32)
		length, err := unix.Getxattr(rig.SharedMemory, "trusted.shmfs.pid", value)
		if err != nil {
			return 0, err
		}
		return strconv.Atoi(string(value[:length]))
	})
}

// setting is a number from the environment: the full one under SHMFS_STRICT, unless it says otherwise itself.
func setting(t testing.TB, variable string, usual, full int) int {
	t.Helper()
	text := os.Getenv(variable)
	switch {
	case text == "" && strict():
		return full
	case text == "":
		return usual
	}
	number, err := strconv.Atoi(text)
	if err != nil || number < 1 {
		t.Fatalf("%s is %q, want a number", variable, text)
	}
	return number
}

// raced says whether the daemon was built with the race detector, which makes its memory ten times as large.
func raced(t testing.TB) bool {
	t.Helper()
	built, err := buildinfo.ReadFile(rig.Binary(t))
	if err != nil {
		t.Fatal(err)
	}
	return slices.Contains(built.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// strict says whether the bars hold as they stand.
func strict() bool { return os.Getenv("SHMFS_STRICT") == "1" }
