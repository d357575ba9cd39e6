package lifecycle_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"shmfs/test/integration/rig"
)

// parts are the names of what a service manager keeps of every mount.
var parts = []string{"shmfs-device", "shmfs-store", "shmfs-record"}

// client has of a mount what must outlive its processes.
type client struct {
	open     *object
	nameless *os.File // a directory without a name
	number   uint64   // its inode
	memory   []byte
}

func newClient(t *testing.T, directory string) *client {
	t.Helper()
	c := &client{open: openObject(t, directory)}
	lost := filepath.Join(directory, "directory")
	if err := os.Mkdir(lost, 0o700); err != nil {
		t.Fatal(err)
	}
	var err error
	if c.nameless, err = os.Open(lost); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.nameless.Close() })
	var stat unix.Stat_t
	if err := unix.Fstat(int(c.nameless.Fd()), &stat); err != nil {
		t.Fatal(err)
	}
	c.number = stat.Ino
	if err := os.Remove(lost); err != nil {
		t.Fatal(err)
	}
	if c.memory, err = unix.Mmap(int(*c.open), 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		t.Fatal(err)
	}
	return c
}

// requireWhole checks that everything goes on.
func (c *client) requireWhole(t *testing.T, directory string) {
	t.Helper()
	text := fmt.Sprint("text at ", time.Now())
	copy(c.memory, text)
	got := make([]byte, len(text))
	if _, err := c.open.ReadAt(got, 0); err != nil || string(got) != text {
		t.Errorf("what is open reads %q, %v, and what is mapped was set to %q", got, err, text)
	}
	if err := c.open.Truncate(8192); err != nil {
		t.Errorf("truncating what is open: %v", err)
	}
	var stat unix.Stat_t
	if err := unix.Fstat(int(c.nameless.Fd()), &stat); err != nil || stat.Ino != c.number || stat.Nlink != 0 {
		t.Errorf("the directory without a name is %+v, %v", stat, err)
	}
	if whole, err := os.ReadFile(filepath.Join(directory, "object")); err != nil || string(whole[:len(text)]) != text {
		t.Errorf("the object reads %q, %v", whole, err)
	}
}

func (c *client) close(t *testing.T) {
	t.Helper()
	if err := unix.Munmap(c.memory); err != nil {
		t.Error(err)
	}
	for _, err := range []error{c.nameless.Close(), c.open.Close()} {
		if err != nil {
			t.Error(err)
		}
	}
}

// A service whose processes are all killed goes on with the same mount when it is started again, and one that is restarted does.
func TestServiceGoesOn(t *testing.T) {
	t.Parallel()
	for _, options := range []string{"size=8M", "size=8M,passthrough=off", "store=directory"} {
		for _, end := range []string{"killed", "restarted"} {
			t.Run(options+" "+end, func(t *testing.T) {
				t.Parallel()
				options := options
				if options == "store=directory" {
					options = "store=" + rig.Tmpfs(t, "")
				}
				m := newManager(t)
				m.start(t, options)
				m.requireStored(t, parts...)
				c := newClient(t, m.directory)
				node := fmt.Sprint("shmfs-node-", c.number)
				m.requireStored(t, append([]string{node}, parts...)...)
				for range 3 {
					m.endAll(t, end)
					m.requireStored(t, append([]string{node}, parts...)...)
					waiting := statLater(m.directory)
					m.start(t, options)
					if err := <-waiting; err != nil {
						t.Errorf("who asked while nobody served was answered %v", err)
					}
					c.requireWhole(t, m.directory)
				}
				killWorker(t, m.directory)
				c.requireWhole(t, m.directory)
				c.close(t)
				m.requireStored(t, parts...)
				m.stop(t)
			})
		}
	}
}

// What loses its name is kept before that is answered, however far the supervisor is behind.
func TestServiceKeepsAtOnce(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	m.start(t, "size=8M")
	daemon := rig.DaemonOf(t, m.directory)
	daemon.StopSupervisor(t)
	c := newClient(t, m.directory)
	m.requireStored(t, append([]string{fmt.Sprint("shmfs-node-", c.number)}, parts...)...)
	daemon.Kill(t)
	m.requireEnd(t, -1)
	m.start(t, "size=8M")
	c.requireWhole(t, m.directory)
	c.close(t)
	m.requireStored(t, parts...)
	m.stop(t)
}

// A mount that is kept goes on without what the command line says wrongly by then. Where that cannot even be read it stays kept.
func TestServiceWithMistakes(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	m.start(t, "size=8M")
	c := newClient(t, m.directory)
	node := fmt.Sprint("shmfs-node-", c.number)
	m.endAll(t, "restarted")
	m.execute(t, "--unknown-flag")
	m.requireEnd(t, 75)
	m.requireStored(t, append([]string{node}, parts...)...)
	m.execute(t, "-o", "size=8M,unknown", "--log-level", "nonsense", "--metrics-listen", "nowhere")
	m.await(t, "READY=1", func() bool { return slices.Contains(m.states, "READY=1") })
	c.requireWhole(t, m.directory)
	text := readLog(t, m.stderr.Name())
	for _, mistake := range []string{"unknown option", "--log-level", "--metrics-listen"} {
		if !strings.Contains(text, mistake) {
			t.Errorf("the log does not name the mistake %s:\n%s", mistake, text)
		}
	}
	c.close(t)
	m.stop(t)
	m.execute(t, "-o", "unknown")
	m.requireEnd(t, 2)
}

// A mount whose record this program does not read stays kept for one that does.
func TestServiceOfAnotherVersion(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	m.start(t, "size=8M")
	c := newClient(t, m.directory)
	node := fmt.Sprint("shmfs-node-", c.number)
	m.endAll(t, "restarted")
	m.requireStored(t, append([]string{node}, parts...)...)
	m.mutex.Lock()
	record := m.stored["shmfs-record"][0]
	m.mutex.Unlock()
	const layout = 8 // where the record has the version of its layout
	own, other := make([]byte, 8), []byte{0xff, 0, 0, 0, 0, 0, 0, 0}
	if _, err := record.ReadAt(own, layout); err != nil || own[0] == other[0] {
		t.Fatalf("the layout's version is %x, %v", own, err)
	}
	if _, err := record.WriteAt(other, layout); err != nil {
		t.Fatal(err)
	}
	m.execute(t, "-o", "size=8M")
	m.requireEnd(t, 75)
	m.requireStored(t, append([]string{node}, parts...)...)
	if _, err := record.WriteAt(own, layout); err != nil {
		t.Fatal(err)
	}
	m.start(t, "size=8M")
	c.requireWhole(t, m.directory)
	c.close(t)
	m.stop(t)
}

// A mount that goes on is not given up because its workers do not live long enough to serve it.
func TestServiceWhoseWorkersDie(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	m.start(t, "size=8M")
	c := newClient(t, m.directory)
	m.endAll(t, "restarted")
	m.execute(t, "-o", "size=8M")
	killed := make(map[int]bool)
	for deadline := time.Now().Add(patience); len(killed) < 5; time.Sleep(time.Millisecond) {
		for _, worker := range childrenOf(t, m.command.Process.Pid) {
			killed[worker] = killed[worker] || unix.Kill(worker, unix.SIGKILL) == nil
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d workers within %v", len(killed), patience)
		}
	}
	m.await(t, "READY=1", func() bool { return slices.Contains(m.states, "READY=1") })
	c.requireWhole(t, m.directory)
	c.close(t)
	m.stop(t)
}

// A mount that is covered when its processes die goes on.
func TestServiceWhoseMountIsCovered(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	m.start(t, "size=8M")
	c := newClient(t, m.directory)
	m.endAll(t, "killed")
	if err := unix.Mount("cover", m.directory, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	m.start(t, "size=8M")
	if err := unix.Unmount(m.directory, 0); err != nil {
		t.Fatal(err)
	}
	c.requireWhole(t, m.directory)
	c.close(t)
	m.stop(t)
}

// endAll ends all processes of the service.
func (m *manager) endAll(t *testing.T, how string) {
	t.Helper()
	if how == "killed" {
		rig.DaemonOf(t, m.directory).Kill(t)
		m.requireEnd(t, -1)
		return
	}
	worker := watch(t, rig.DaemonOf(t, m.directory).Worker)
	if err := unix.Kill(m.command.Process.Pid, unix.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	m.requireEnd(t, 75)
	if !worker.ended(t, 0) {
		t.Error("a worker outlives its service")
	}
}

// statLater asks a mount that nobody serves.
func statLater(directory string) <-chan error {
	answered := make(chan error, 1)
	go func() {
		_, err := os.Stat(filepath.Join(directory, "object"))
		answered <- err
	}()
	return answered
}

// What was kept of a mount that is gone is given up, and another mount is made.
func TestServiceWhoseMountIsGone(t *testing.T) {
	t.Parallel()
	for _, connection := range []string{"unmounted", "aborted"} {
		t.Run(connection, func(t *testing.T) {
			t.Parallel()
			m := newManager(t)
			m.start(t, "size=8M")
			writeFile(t, filepath.Join(m.directory, "object"), "old")
			user, err := unix.Open(m.directory, unix.O_PATH|unix.O_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(user)
			m.endAll(t, "killed")
			if connection == "aborted" {
				// In use, it is not unmounted by that, but its connection ends.
				if err := unix.Unmount(m.directory, unix.MNT_FORCE); err != unix.EBUSY {
					t.Fatalf("ending the connection: %v", err)
				}
			} else if err := unix.Unmount(m.directory, unix.MNT_DETACH); err != nil {
				t.Fatal(err)
			}
			m.start(t, "size=8M")
			if _, err := os.Stat(filepath.Join(m.directory, "object")); !os.IsNotExist(err) {
				t.Errorf("the object of the mount before is there: %v", err)
			}
			m.requireStored(t, parts...)
			m.stop(t)
		})
	}
}

// A successor of the supervisor is the service's main process, and has the same kept.
func TestServiceOfASuccessor(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	m.start(t, "size=8M")
	c := newClient(t, m.directory)
	daemon := killSupervisor(t, m.directory)
	if parent, want := parentOf(t, daemon.Supervisor), parentOf(t, daemon.Worker); parent != want {
		t.Errorf("process %d is its parent, and not %d, whose child the one before was", parent, want)
	}
	m.requireEnd(t, -1)
	told := fmt.Sprint("MAINPID=", daemon.Supervisor)
	m.await(t, told, func() bool { return len(m.states) == 2 && m.states[1] == told })
	node := fmt.Sprint("shmfs-node-", c.number)
	m.requireStored(t, append([]string{node}, parts...)...)
	daemon.Kill(t)
	m.start(t, "size=8M")
	c.requireWhole(t, m.directory)
	c.close(t)
	m.requireStored(t, parts...)
	requireSuccess(t, whenFree(func() result { return shmfs(t, "umount", m.directory) }))
	m.requireEnd(t, 0)
	m.requireStored(t)
}

// parentOf is the number of a process's parent.
func parentOf(t *testing.T, process int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", process))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "\nPPid:")
	value, _, _ := strings.Cut(after, "\n")
	parent, err := strconv.Atoi(strings.TrimSpace(value))
	if err != nil {
		t.Fatal(err)
	}
	return parent
}
