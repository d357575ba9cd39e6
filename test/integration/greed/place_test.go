package greed

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"shmfs/test/integration/rig"

	"golang.org/x/sys/unix"
)

// place is a mode of shmfs.
type place struct{ name, options string }

var (
	passthrough = place{"passthrough", "require-passthrough"}
	cached      = place{"cached", "passthrough=off"}
	places      = []place{passthrough, cached}
)

// inEach runs a test in every place given, on a mount with limits.
func inEach(t *testing.T, places []place, limits string, test func(t *testing.T, m *mounted)) {
	for _, p := range places {
		t.Run(p.name, func(t *testing.T) {
			test(t, mountFor(t, p.options+","+limits))
		})
	}
}

// remount changes options of the live mount.
func (m *mounted) remount(options string) {
	m.t.Helper()
	rig.MustRun(m.t, m.path, patience, exec.Command(rig.Binary(m.t), "mount", "-o", "remount,"+options, m.path))
}

// figure is what a user has, by column of the table of users; 0 for who is not in it.
func (m *mounted) figure(user int, column string) int {
	m.t.Helper()
	text, err := os.ReadFile(m.path + "/.shmfs/users")
	must(m.t, err)
	for _, row := range rig.Rows(m.t, string(text)) {
		if row["UID"] == strconv.Itoa(user) {
			return number(row[column])
		}
	}
	return 0
}

// await returns when a user has so much.
func (m *mounted) await(user int, column string, want int) {
	m.t.Helper()
	eventually(m.t, func() error {
		if got := m.figure(user, column); got != want {
			return fmt.Errorf("%s of user %d is %d, want %d", column, user, got, want)
		}
		return nil
	})
}

// stat is a line of the figures of the mount.
func (m *mounted) stat(key string) string {
	m.t.Helper()
	text, err := os.ReadFile(m.path + "/.shmfs/stats")
	must(m.t, err)
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, key+": "); found {
			return strings.TrimSpace(value)
		}
	}
	m.t.Fatalf("stats has no line %q", key)
	return ""
}

// requireLogged fails the test unless the daemon's log says something, and not too often.
func (m *mounted) requireLogged(text string) {
	m.t.Helper()
	content, err := os.ReadFile(m.log)
	must(m.t, err)
	if !strings.Contains(string(content), text) {
		m.t.Errorf("the log does not say %q:\n%.4000s", text, content)
	}
}

// semaphore makes one that everybody may use.
func (m *mounted) semaphore(name string, value int) string {
	m.t.Helper()
	path := m.path + "/sem." + name
	must(m.t, os.WriteFile(path, fmt.Appendf(nil, "%d\n", value), 0o666))
	must(m.t, unix.Chmod(path, 0o666))
	return path
}
