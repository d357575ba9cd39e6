package systemd

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"shmfs/test/integration/rig"
)

// machine is a container whose process 1 is systemd.
type machine struct {
	first  int    // process 1, by its number outside
	root   string // its root directory, as it is reached from outside
	output output // of what boots it
}

// output is what a process writes, for another to read meanwhile.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (o *output) Write(text []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(text)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// boot boots a machine, which ends with the test.
func boot(t *testing.T) *machine {
	t.Helper()
	for _, program := range []string{"/usr/lib/systemd/systemd", "systemctl", "nsenter", "mount", "pivot_root"} {
		rig.Program(t, program)
	}
	group := newGroup(t)
	root, err := os.MkdirTemp("", "shmfs-machine-")
	must(t, err)
	t.Cleanup(func() { must(t, os.Remove(root)) })
	client := fmt.Sprintf("/proc/%d/exe", os.Getpid())
	m := &machine{}
	command := exec.Command("testdata/boot", root, filepath.Join(rig.Root(), "packaging/systemd/shmfs@.service"), rig.Binary(t), client)
	command.Stdout, command.Stderr = &m.output, &m.output
	command.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:   unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWNET,
		Unshareflags: unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP, // when it is in its cgroup
		UseCgroupFD:  true, CgroupFD: int(group.Fd()),
		Setsid: true, Pdeathsig: unix.SIGKILL,
	}
	started, ended := make(chan error, 1), make(chan struct{})
	go func() {
		runtime.LockOSThread() // with the thread that started it the machine would end too
		defer close(ended)
		err := command.Start()
		started <- err
		if err == nil {
			_ = command.Wait()
		}
	}()
	must(t, <-started)
	m.first = command.Process.Pid
	m.root = fmt.Sprintf("/proc/%d/root", m.first)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("what booted the machine says:\n%s\nits journal:\n%s", &m.output, m.journal())
		}
		_ = unix.Kill(m.first, unix.SIGKILL) // and with it all that runs there
		select {
		case <-ended:
		case <-time.After(patience):
			t.Error("the machine does not end")
		}
	})
	m.awaitBoot(t, ended)
	return m
}

// awaitBoot returns when the machine takes commands.
func (m *machine) awaitBoot(t *testing.T, ended <-chan struct{}) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", m.first))
		if string(name) == "systemd\n" && m.try("systemctl", "is-active", "--quiet", "ready.target") == nil {
			return
		}
		select {
		case <-ended:
			t.Fatalf("the machine ended: %s", &m.output)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("the machine has not booted within %v", patience)
		}
	}
}

// command is one that runs in the machine.
func (m *machine) command(arguments ...string) *exec.Cmd {
	command := exec.Command("nsenter", slices.Concat([]string{"-t", strconv.Itoa(m.first), "-a", "-r", "-w", "--"}, arguments)...)
	command.Env = []string{"PATH=/usr/bin:/usr/sbin"}
	return command
}

func (m *machine) try(arguments ...string) error { return m.command(arguments...).Run() }

// run runs a command in the machine, which has to succeed, and returns its output.
func (m *machine) run(t *testing.T, arguments ...string) string {
	t.Helper()
	return rig.MustRun(t, "", patience, m.command(arguments...))
}

// write writes a file of the machine.
func (m *machine) write(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(m.root, path), []byte(text), 0o644))
}

func (m *machine) journal() string {
	text, err := m.command("journalctl", "--no-pager", "--quiet", "-n", "200").CombinedOutput()
	return fmt.Sprint(string(text), err)
}

// newGroup makes a cgroup inside the one that the tests run in, which goes when the test ends.
func newGroup(t *testing.T) *os.File {
	t.Helper()
	hierarchy, err := os.MkdirTemp("", "shmfs-cgroups-")
	must(t, err)
	t.Cleanup(func() { must(t, os.Remove(hierarchy)) })
	// Nobody else sees this mount.
	if err := unix.Mount("cgroup2", hierarchy, "cgroup2", 0, ""); err != nil {
		t.Fatalf("mounting the cgroups: %v", err)
	}
	t.Cleanup(func() { must(t, unix.Unmount(hierarchy, 0)) })
	text, err := os.ReadFile("/proc/self/cgroup")
	must(t, err)
	_, own, found := strings.Cut("\n"+string(text), "\n0::")
	if own, _, _ = strings.Cut(own, "\n"); !found {
		t.Fatalf("the tests are in no cgroup of version 2: %s", text)
	}
	path := filepath.Join(hierarchy, own, fmt.Sprintf("shmfs-test-%d", os.Getpid()))
	must(t, os.Mkdir(path, 0o755))
	t.Cleanup(func() { removeGroup(t, path) })
	group, err := os.Open(path)
	must(t, err)
	t.Cleanup(func() { _ = group.Close() })
	return group
}

// removeGroup removes a cgroup with all that are in it. The kernel takes a moment to empty one whose processes were killed.
func removeGroup(t *testing.T, path string) {
	var groups []string
	must(t, filepath.WalkDir(path, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			groups = append(groups, path)
		}
		return err
	}))
	slices.Reverse(groups)
	for _, group := range groups {
		err := unix.Rmdir(group)
		for deadline := time.Now().Add(patience); errors.Is(err, unix.EBUSY) && time.Now().Before(deadline); err = unix.Rmdir(group) {
			time.Sleep(time.Millisecond)
		}
		if err != nil {
			t.Errorf("removing the cgroup %s: %v", group, err)
		}
	}
}
