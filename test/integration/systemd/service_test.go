package systemd

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"shmfs/test/integration/rig"
)

// service is one instance of the unit.
type service struct {
	m         *machine
	unit      string
	directory string // of its mount, in the machine
	options   string // the file that its options come from, in the machine
}

// newService prepares an instance with options, which is stopped when the test ends.
func newService(t *testing.T, m *machine, name, options string) *service {
	t.Helper()
	s := &service{m: m, unit: "shmfs@mnt-" + name + ".service", directory: "/mnt/" + name, options: "/etc/shmfs/mnt-" + name + ".conf"}
	must(t, os.Mkdir(filepath.Join(m.root, s.directory), 0o755))
	m.write(t, s.options, "OPTIONS="+options+"\n")
	return s
}

// start starts it, and has it stopped when the test ends.
func (s *service) start(t *testing.T) {
	t.Helper()
	s.control(t, "start")
	t.Cleanup(func() {
		s.control(t, "stop")
		s.requireGone(t)
	})
}

// control has systemd do something with it, which has to succeed.
func (s *service) control(t *testing.T, verb ...string) {
	t.Helper()
	s.m.run(t, append(append([]string{"systemctl"}, verb...), s.unit)...)
}

// property is what systemd knows of it.
func (s *service) property(t *testing.T, name string) string {
	t.Helper()
	return strings.TrimSpace(s.m.run(t, "systemctl", "show", "-P", name, s.unit))
}

func (s *service) requireProperty(t *testing.T, name, want string) {
	t.Helper()
	if got := s.property(t, name); got != want {
		t.Errorf("%s of %s is %s, want %s", name, s.unit, got, want)
	}
}

// daemon is the processes of its mount, by their numbers in the machine.
func (s *service) daemon(t *testing.T) rig.Daemon {
	t.Helper()
	found, err := rig.ParseDaemon(s.m.run(t, "cat", s.directory+"/.shmfs/stats"))
	must(t, err)
	return found
}

// kill kills a process in the machine.
func (s *service) kill(t *testing.T, process int) {
	t.Helper()
	s.m.run(t, "sh", "-c", "kill -KILL "+strconv.Itoa(process))
}

// await waits until something holds.
func (s *service) await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// awaitNext waits until systemd has another main process of it running than before.
func (s *service) awaitNext(t *testing.T, before rig.Daemon) {
	t.Helper()
	s.await(t, s.unit+" is started again", func() bool {
		return s.property(t, "ActiveState") == "active" && s.property(t, "MainPID") != strconv.Itoa(before.Supervisor)
	})
	s.requireProperty(t, "MainPID", strconv.Itoa(s.daemon(t).Supervisor))
}

// mounted says whether its directory is a mountpoint.
func (s *service) mounted(t *testing.T) bool {
	t.Helper()
	table, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", s.m.first))
	must(t, err)
	return strings.Contains(string(table), " "+s.directory+" ")
}

// requireGone checks that nothing is left of it.
func (s *service) requireGone(t *testing.T) {
	t.Helper()
	s.requireProperty(t, "ActiveState", "inactive")
	s.requireProperty(t, "NFileDescriptorStore", "0")
	if s.mounted(t) {
		t.Errorf("%s is mounted still", s.directory)
	}
	group := filepath.Join(s.m.root, "sys/fs/cgroup/system.slice/system-shmfs.slice", s.unit)
	s.await(t, group+" is removed", func() bool {
		_, err := os.Lstat(group)
		return os.IsNotExist(err)
	})
}
