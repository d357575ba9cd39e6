package greed

import (
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"shmfs/test/integration/rig"

	"golang.org/x/sys/unix"
)

// mounted is a mount of shmfs.
type mounted struct {
	t       *testing.T
	path    string
	log     string // a file
	aborted bool   // it has ended by itself
}

// mountFor mounts shmfs with a directory for each of the two users, and a file that all may use. Its log is that of a daemon in daily use.
func mountFor(t *testing.T, options string) *mounted {
	t.Helper()
	mount, err := os.MkdirTemp("", "shmfs-greed-")
	must(t, err)
	must(t, os.Chmod(mount, 0o755))
	m := &mounted{t: t, path: mount, log: filepath.Join(t.TempDir(), "shmfs.log")}
	output, err := exec.Command(rig.Binary(t), "mount", "--log-file", m.log, "-o", options, mount).CombinedOutput()
	if err != nil {
		t.Fatalf("mounting: %v\n%s", err, output)
	}
	t.Cleanup(m.unmount)
	for _, user := range []int{greedy, modest} {
		place := fmt.Sprint(mount, "/", user)
		must(t, os.Mkdir(place, 0o755))
		must(t, os.Chown(place, user, user))
	}
	must(t, os.WriteFile(mount+"/shared", []byte("x"), 0o644))
	must(t, os.Chmod(mount+"/shared", 0o666))
	return m
}

// unmount ends the mount, and fails the test if anything of it is left.
func (m *mounted) unmount() {
	if !m.aborted {
		output, err := exec.Command(rig.Binary(m.t), "umount", m.path).CombinedOutput()
		for deadline := time.Now().Add(patience); err != nil && time.Now().Before(deadline); { // what a process that was killed had open may close late
			time.Sleep(20 * time.Millisecond)
			output, err = exec.Command(rig.Binary(m.t), "umount", m.path).CombinedOutput()
		}
		if err != nil {
			m.t.Errorf("umount: %v\n%s", err, output)
			_ = unix.Unmount(m.path, unix.MNT_DETACH)
		}
	}
	if m.t.Failed() {
		text, _ := os.ReadFile(m.log)
		m.t.Logf("the daemon's log ends with\n%s", text[max(0, len(text)-8000):])
	}
	if err := os.Remove(m.path); err != nil {
		m.t.Errorf("it is still mounted: %v", err)
	}
}

// raced says whether the daemon has the race detector, with which nothing is measured.
func raced(t testing.TB) bool {
	t.Helper()
	built, err := buildinfo.ReadFile(rig.Binary(t))
	must(t, err)
	return slices.Contains(built.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}
