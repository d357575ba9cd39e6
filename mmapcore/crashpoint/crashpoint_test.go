package crashpoint

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

func newControl(t *testing.T, path string) *Control {
	t.Helper()
	control, err := OpenControl(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := control.Close(); err != nil {
			t.Error(err)
		}
	})
	return control
}

func TestControlIsShared(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control")
	one := newControl(t, path)
	one.Arm("a", 3)
	other := newControl(t, path) // does not begin anew
	if other.visit("b") || other.visit("a") || one.visit("a") || one.Armed("a") != 1 {
		t.Fatal("a visit has killed before the third")
	}
	if !other.visit("a") {
		t.Fatal("the third visit has not killed")
	}
	if one.visit("a") || one.Armed("a") != 0 || one.Visits("a") != 4 || one.Visits("b") != 1 || one.Visits("c") != 0 {
		t.Fatalf("%d visits, armed for %d", one.Visits("a"), one.Armed("a"))
	}
	one.Arm("b", 1)
	one.Arm("b", 0)
	if one.visit("b") {
		t.Fatal("a point that was disarmed has killed")
	}
}

func TestOneVisitKills(t *testing.T) {
	control := new(Control)
	control.Arm("a", 500)
	var kills atomic.Int32
	var group sync.WaitGroup
	for range 10 {
		group.Go(func() {
			for i := range 100 {
				control.visit(fmt.Sprint(i)) // points are made meanwhile
				if control.visit("a") {
					kills.Add(1)
				}
			}
		})
	}
	group.Wait()
	if kills.Load() != 1 || control.Visits("a") != 1000 || control.Visits("7") != 10 {
		t.Fatalf("%d kills, %d visits", kills.Load(), control.Visits("a"))
	}
}

func TestTooManyPoints(t *testing.T) {
	control := new(Control)
	for i := range slots {
		control.visit(fmt.Sprint(i))
	}
	for i := range slots {
		if control.Visits(fmt.Sprint(i)) != 1 {
			t.Fatalf("point %d has %d visits", i, control.Visits(fmt.Sprint(i)))
		}
	}
	defer func() {
		if recover() == nil {
			t.Fatal("one more was found room for")
		}
	}()
	control.visit("one more")
}

// buildWalker builds the program in testdata.
func buildWalker(t *testing.T, arguments ...string) (binary string) {
	t.Helper()
	binary = filepath.Join(t.TempDir(), "walker")
	command := exec.Command("go", append(append([]string{"build", "-o", binary}, arguments...), "./testdata/walker")...)
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("building the walker: %v\n%s", err, output)
	}
	return binary
}

// walk runs the walker and returns the last that it has said, and whether it was killed.
func walk(t *testing.T, binary string, environment ...string) (last string, killed bool) {
	t.Helper()
	command := exec.Command(binary)
	command.Env = append(os.Environ(), environment...)
	output, err := command.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		killed = exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL
	}
	if err != nil && !killed {
		t.Fatalf("the walker: %v", err)
	}
	lines := strings.Split(strings.TrimSpace(string(output)), "\n")
	return lines[len(lines)-1], killed
}

func TestKills(t *testing.T) {
	binary := buildWalker(t, "-tags=crashpoints")
	for environment, want := range map[string]string{
		"SHMFS_CRASH=":               "late 2",
		"SHMFS_CRASH=walker-early":   "",
		"SHMFS_CRASH=walker-late":    "early 0",
		"SHMFS_CRASH=walker-late:2":  "early 1",
		"SHMFS_CRASH=walker-early:3": "late 1",
		"SHMFS_CRASH=walker-early:4": "late 2",
		"SHMFS_CRASH=walker":         "late 2",
	} {
		last, killed := walk(t, binary, environment)
		if last != want || killed != (want != "late 2") {
			t.Errorf("%s: %q was the last, killed %t", environment, last, killed)
		}
	}
	path := filepath.Join(t.TempDir(), "control")
	control := newControl(t, path)
	control.Arm("walker-late", 5) // in the second process
	for _, want := range []string{"late 2", "early 1", "late 2"} {
		last, killed := walk(t, binary, "SHMFS_CRASH_CONTROL="+path)
		if last != want || killed != (want != "late 2") {
			t.Errorf("%q was the last, killed %t, not %q", last, killed, want)
		}
	}
	if early, late := control.Visits("walker-early"), control.Visits("walker-late"); early != 8 || late != 8 {
		t.Errorf("%d and %d visits", early, late)
	}
	for _, wrong := range []string{"SHMFS_CRASH=a:", "SHMFS_CRASH=a:0", "SHMFS_CRASH=a:x", "SHMFS_CRASH=:1", "SHMFS_CRASH_CONTROL=/nowhere/control"} {
		command := exec.Command(binary)
		command.Env = append(os.Environ(), wrong)
		if output, err := command.CombinedOutput(); err == nil || !bytes.Contains(output, []byte("panic")) {
			t.Errorf("%s was taken: %v", wrong, err)
		}
	}
}

// TestOrdinaryBuildHasNothing compares two functions that differ by a point only, and looks for the name.
func TestOrdinaryBuildHasNothing(t *testing.T) {
	if Enabled {
		t.Fatal("the tests are built with the tag")
	}
	binary := buildWalker(t)
	if last, killed := walk(t, binary, "SHMFS_CRASH=walker-early"); killed || last != "late 2" {
		t.Fatalf("an ordinary build was killed, after %q", last)
	}
	contents, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(contents, []byte("walker-within-with")) {
		t.Error("an ordinary build has the point's name")
	}
	symbols, err := exec.Command("go", "tool", "nm", "-size", binary).Output()
	if err != nil {
		t.Fatal(err)
	}
	sizes := map[string]string{}
	for line := range strings.Lines(string(symbols)) {
		if fields := strings.Fields(line); len(fields) == 4 {
			sizes[fields[3]] = fields[1]
		}
	}
	if sizes["main.with"] == "" || sizes["main.with"] != sizes["main.without"] {
		t.Errorf("a function has %s bytes with a point, and %s without", sizes["main.with"], sizes["main.without"])
	}
	if _, there := sizes["shmfs/mmapcore/crashpoint.Here"]; there {
		t.Error("an ordinary build has the function")
	}
}
