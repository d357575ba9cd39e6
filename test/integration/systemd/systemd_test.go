package systemd

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"shmfs/test/integration/rig"
)

// TestServices boots one machine for all.
func TestServices(t *testing.T) {
	m := boot(t)
	t.Run("Reexecuted", func(t *testing.T) { testReexecuted(t, m) }) // alone: others would get no answer from systemd meanwhile
	t.Run("Taken over", func(t *testing.T) { testTakenOver(t, m) })
	t.Run("all", func(t *testing.T) { // the machine ends when this has
		for name, test := range map[string]func(t *testing.T, m *machine){
			"Stopped": testStopped, "Mistakes": testMistakes, "More than is kept": testMoreThanIsKept, "Everything": testEverything,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t, m)
			})
		}
		for name, options := range map[string]string{
			"passthrough": "size=64M,require-passthrough", "lazy": "size=64M,commit=lazy", "cached": "size=64M,passthrough=off", "store": "store=/var/store",
		} {
			t.Run("Whole/"+name, func(t *testing.T) {
				t.Parallel()
				testWhole(t, m, name, options)
			})
		}
	})
}

// deeds are what is done to a service that its clients must not notice.
var deeds = []struct {
	name string
	do   func(t *testing.T, s *service, before rig.Daemon)
	next bool // another main process goes on
}{
	{"the worker was killed", func(t *testing.T, s *service, before rig.Daemon) { s.kill(t, before.Worker) }, false},
	{"the supervisor was killed", func(t *testing.T, s *service, before rig.Daemon) { s.kill(t, before.Supervisor) }, true},
	{"systemctl kill of all", func(t *testing.T, s *service, _ rig.Daemon) { s.control(t, "kill", "-s", "KILL") }, true},
	{"systemctl restart", func(t *testing.T, s *service, _ rig.Daemon) { s.control(t, "restart") }, true},
	{"systemctl reload", func(t *testing.T, s *service, _ rig.Daemon) { s.control(t, "reload") }, false},
	{"SIGHUP to all", func(t *testing.T, s *service, _ rig.Daemon) { s.control(t, "kill", "-s", "HUP") }, false},
}

func testWhole(t *testing.T, m *machine, name, options string) {
	if directory, is := strings.CutPrefix(options, "store="); is {
		m.run(t, "mkdir", directory)
	}
	s := newService(t, m, name, options)
	s.start(t)
	c := newClient(t, m, "user", s.directory)
	c.requireWhole(t, "the start")
	kept := s.property(t, "NFileDescriptorStore")
	for _, deed := range deeds {
		before := s.daemon(t)
		deed.do(t, s, before)
		c.requireWhole(t, deed.name)
		if deed.next {
			s.awaitNext(t, before)
			c.requireWhole(t, deed.name+" and the start that followed")
		} else {
			s.await(t, s.unit+" is active", func() bool { return s.property(t, "ActiveState") == "active" })
			s.requireProperty(t, "MainPID", strconv.Itoa(before.Supervisor))
		}
		s.requireProperty(t, "NFileDescriptorStore", kept)
	}
	c.end(t)
}

// What systemd keeps it keeps while it is executed again.
func testReexecuted(t *testing.T, m *machine) {
	s := newService(t, m, "reexecuted", "size=64M")
	s.start(t)
	c := newClient(t, m, "user", s.directory)
	kept := s.property(t, "NFileDescriptorStore")
	for range 2 {
		m.run(t, "systemctl", "daemon-reload")
		m.run(t, "systemctl", "daemon-reexec")
		s.await(t, "systemd answers again", func() bool { return m.try("systemctl", "is-active", "--quiet", s.unit) == nil })
		s.requireProperty(t, "NFileDescriptorStore", kept)
		before := s.daemon(t)
		s.control(t, "kill", "-s", "KILL")
		s.awaitNext(t, before)
		c.requireWhole(t, "systemctl daemon-reexec and a kill of all")
	}
	c.end(t)
}

// Where systemd hears of the supervisor's successor before it does of the supervisor's death, the successor's death is one all the same.
func testTakenOver(t *testing.T, m *machine) {
	s := newService(t, m, "taken", "size=64M")
	s.start(t)
	c := newClient(t, m, "user", s.directory)
	for rounds := 0; !s.takenOver(t, c); rounds++ {
		if rounds == 10 {
			t.Fatal("a successor of the supervisor never becomes the main process")
		}
	}
	if status := m.run(t, "cat", fmt.Sprintf("/proc/%d/status", s.daemon(t).Supervisor)); !strings.Contains(status, "\nPPid:\t1\n") {
		t.Errorf("systemd is told of the end of its children, which this is not:\n%s", status)
	}
	before := s.daemon(t)
	s.control(t, "kill", "-s", "KILL")
	s.awaitNext(t, before)
	c.requireWhole(t, "a kill of all that were there then")
	before = s.daemon(t)
	s.control(t, "restart")
	s.awaitNext(t, before)
	c.requireWhole(t, "systemctl restart")
	c.end(t)
}

// takenOver kills the supervisor while systemd is held up, and says whether it has taken the successor for the main process then. It may still
// have heard of the death first: the successor shows before it has told.
func (s *service) takenOver(t *testing.T, c *client) bool {
	t.Helper()
	restarts, before := s.property(t, "NRestarts"), s.daemon(t)
	must(t, unix.Kill(s.m.first, unix.SIGSTOP))
	s.kill(t, before.Supervisor)
	s.await(t, "there is another supervisor", func() bool { return s.daemon(t).Supervisor != before.Supervisor })
	must(t, unix.Kill(s.m.first, unix.SIGCONT))
	s.awaitNext(t, before)
	c.requireWhole(t, "another supervisor has taken over")
	return s.property(t, "NRestarts") == restarts
}

// A service that is stopped serves who uses its mount until they have gone.
func testStopped(t *testing.T, m *machine) {
	s := newService(t, m, "stopped", "size=64M,nr_inodes=0")
	s.start(t)
	c := newClient(t, m, "holder", s.directory)
	s.control(t, "stop", "--no-block")
	s.await(t, "the mount leaves its path", func() bool { return !s.mounted(t) })
	if lost := c.ask(t, "check"); lost != "0" {
		t.Errorf("of a mount that is detached %s inodes are lost", lost)
	}
	s.requireProperty(t, "ActiveState", "deactivating")
	c.end(t)
	s.await(t, "the service ends", func() bool { return s.property(t, "ActiveState") == "inactive" })
	s.requireProperty(t, "Result", "success")
}

// A mistake keeps a mount from being made, once, and does not end one that is there.
func testMistakes(t *testing.T, m *machine) {
	s := newService(t, m, "mistakes", "nonsense=1")
	if m.try("systemctl", "start", s.unit) == nil {
		t.Error("a service with nonsense for options starts")
	}
	s.requireProperty(t, "ActiveState", "failed")
	s.requireProperty(t, "NRestarts", "0")
	m.write(t, s.options, "OPTIONS=size=64M\n")
	s.start(t)
	c := newClient(t, m, "user", s.directory)
	m.write(t, s.options, "OPTIONS=nonsense=1\n")
	s.control(t, "restart")
	c.requireWhole(t, "a restart with nonsense for options")
	s.await(t, "the journal says so", func() bool {
		return strings.Contains(m.run(t, "journalctl", "--quiet", "-u", s.unit), "the command line is wrong")
	})
	c.end(t)
}

// What systemd keeps has an end, and starting the service again has not.
func testMoreThanIsKept(t *testing.T, m *machine) {
	const most = 1000 // FileDescriptorStoreMax=
	s := newService(t, m, "many", "size=64M,nr_inodes=0")
	s.start(t)
	c := newClient(t, m, "holder", s.directory)
	s.await(t, "as many are kept as may be", func() bool { return s.property(t, "NFileDescriptorStore") == strconv.Itoa(most) })
	before := s.daemon(t)
	s.control(t, "kill", "-s", "KILL")
	s.awaitNext(t, before)
	if lost, err := strconv.Atoi(c.ask(t, "check")); err != nil || lost > many-(most-3) {
		t.Errorf("%d inodes are lost, %v", lost, err)
	}
	c.end(t)
}

// No setting of the unit keeps clients from anything.
func testEverything(t *testing.T, m *machine) {
	s := newService(t, m, "everything", "size=64M,quota-objects=1000")
	s.start(t)
	command := m.command("/root/client", s.directory)
	command.Env = append(command.Env, partVariable+"=stranger")
	rig.MustRun(t, filepath.Join(m.root, s.directory), patience, command)
}
