package lifecycle_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"shmfs/test/integration/rig"
)

// manager stands in for a service manager that keeps descriptors, and starts one service with them again and again.
type manager struct {
	directory string
	address   string
	stderr    *os.File // the log of all processes of the service
	command   *exec.Cmd
	ended     chan error

	mutex   sync.Mutex
	changed *sync.Cond
	stored  map[string][]*os.File // guarded by mutex
	states  []string              // guarded by mutex
}

// newManager listens at a socket of its own until the test ends.
func newManager(t *testing.T) *manager {
	t.Helper()
	place, err := os.MkdirTemp("", "shmfs-manager-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(place) })
	m := &manager{directory: mountpoint(t), address: filepath.Join(place, "socket"), stored: make(map[string][]*os.File)}
	m.changed = sync.NewCond(&m.mutex)
	if m.stderr, err = os.Create(filepath.Join(place, "log")); err != nil {
		t.Fatal(err)
	}
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.address, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- m.receive(socket) }()
	t.Cleanup(func() {
		_ = socket.Close()
		if err := <-done; !errors.Is(err, net.ErrClosed) {
			t.Errorf("the service manager was told what makes no sense: %v", err)
		}
		for name := range m.stored {
			m.remove(name)
		}
		if t.Failed() {
			t.Logf("the service logged:\n%s", readLog(t, m.stderr.Name()))
		}
		_ = m.stderr.Close()
	})
	return m
}

// receive obeys messages until the socket is closed.
func (m *manager) receive(socket *net.UnixConn) error {
	message, rights := make([]byte, 4096), make([]byte, unix.CmsgSpace(4))
	for {
		length, extra, _, _, err := socket.ReadMsgUnix(message, rights)
		if err != nil {
			return err
		}
		var files []int
		if controls, err := unix.ParseSocketControlMessage(rights[:extra]); err == nil && len(controls) == 1 {
			if files, err = unix.ParseUnixRights(&controls[0]); err != nil {
				return err
			}
		}
		if err := m.obey(string(message[:length]), files); err != nil {
			return err
		}
	}
}

func (m *manager) obey(message string, files []int) error {
	fields := make(map[string]string)
	for line := range strings.Lines(message) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		fields[key] = value
	}
	name := fields["FDNAME"]
	m.mutex.Lock()
	defer m.mutex.Unlock()
	defer m.changed.Broadcast()
	switch {
	case fields["FDSTORE"] == "1" && fields["FDPOLL"] == "0" && len(files) == 1 && name != "":
		m.store(name, files[0])
	case fields["FDSTOREREMOVE"] == "1" && len(files) == 0 && name != "":
		m.remove(name)
	case name != "" || len(files) > 0:
		return fmt.Errorf("%q with %d descriptors", message, len(files))
	default:
		m.states = append(m.states, message)
	}
	return nil
}

// store keeps a descriptor, unless the same open file is kept already.
func (m *manager) store(name string, descriptor int) {
	own := os.Getpid()
	const compareFile = 0 // KCMP_FILE
	for _, files := range m.stored {
		for _, known := range files {
			same, _, errno := unix.Syscall6(unix.SYS_KCMP, uintptr(own), uintptr(own), compareFile, known.Fd(), uintptr(descriptor), 0)
			if errno == 0 && same == 0 {
				_ = unix.Close(descriptor)
				return
			}
		}
	}
	m.stored[name] = append(m.stored[name], os.NewFile(uintptr(descriptor), name))
}

func (m *manager) remove(name string) {
	for _, file := range m.stored[name] {
		_ = file.Close()
	}
	delete(m.stored, name)
}

// start starts the service, with what is kept for it, and returns when it says that it is ready.
func (m *manager) start(t *testing.T, options string) {
	t.Helper()
	m.execute(t, "-o", options)
	m.await(t, "READY=1", func() bool { return slices.Contains(m.states, "READY=1") })
}

// execute executes the service, with what is kept for it and those flags.
func (m *manager) execute(t *testing.T, flags ...string) {
	t.Helper()
	m.mutex.Lock()
	var files []*os.File
	var names []string
	for name, kept := range m.stored {
		for _, file := range kept {
			files, names = append(files, file), append(names, name)
		}
	}
	m.states = nil
	m.mutex.Unlock()
	const script = `export LISTEN_PID=$$; exec "$@"`
	arguments := slices.Concat([]string{"-c", script, "sh", rig.Binary(t), "mount", "-f"}, flags, []string{m.directory})
	m.command = exec.Command("/bin/sh", arguments...)
	m.command.Env = append(os.Environ(), "NOTIFY_SOCKET="+m.address)
	if len(files) > 0 {
		m.command.Env = append(m.command.Env, fmt.Sprint("LISTEN_FDS=", len(files)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
	}
	m.command.ExtraFiles, m.command.Stderr = files, m.stderr
	if err := m.command.Start(); err != nil {
		t.Fatal(err)
	}
	command, ended := m.command, make(chan error, 1)
	m.ended = ended
	go func() { ended <- command.Wait() }()
	t.Cleanup(func() { _ = command.Process.Kill() })
}

// await waits until something holds, which is looked at whenever a message has come.
func (m *manager) await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	over := time.AfterFunc(patience+time.Second, m.changed.Broadcast)
	defer over.Stop()
	deadline := time.Now().Add(patience)
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for !holds() {
		if !time.Now().Before(deadline) {
			t.Fatalf("no %s within %v; told %q", what, patience, m.states)
		}
		m.changed.Wait()
	}
}

// requireEnd waits for the end of the process that was started and compares its exit code; negative is a signal.
func (m *manager) requireEnd(t *testing.T, want int) {
	t.Helper()
	select {
	case <-m.ended:
		if code := m.command.ProcessState.ExitCode(); code != want {
			t.Errorf("exit code %d, want %d", code, want)
		}
	case <-time.After(patience):
		t.Fatalf("the service has not ended after %v", patience)
	}
}

// requireStored compares the names of what is kept, each of which is to be there once.
func (m *manager) requireStored(t *testing.T, want ...string) {
	t.Helper()
	slices.Sort(want)
	names := func() []string {
		var all []string
		for name, files := range m.stored {
			for range files {
				all = append(all, name)
			}
		}
		slices.Sort(all)
		return all
	}
	m.await(t, fmt.Sprint("keeping of ", want), func() bool { return slices.Equal(names(), want) })
}

// stop stops the service for good.
func (m *manager) stop(t *testing.T) {
	t.Helper()
	if err := unix.Kill(m.command.Process.Pid, unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	m.requireEnd(t, 0)
	m.requireStored(t)
	requireUnmounted(t, m.directory)
}
