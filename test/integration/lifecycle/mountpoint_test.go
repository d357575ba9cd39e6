package lifecycle_test

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"shmfs/test/integration/rig"
)

// patience is far beyond what a mount or a process takes to begin or to end.
const patience = 30 * time.Second

// mountpoint makes an empty directory that every user can reach. At the test's end nothing may be mounted there.
func mountpoint(t *testing.T) string {
	t.Helper()
	directory, err := os.MkdirTemp("", "shmfs-lifecycle-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(directory, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for mountsAt(t, directory) > 0 {
			t.Errorf("%s is still mounted", directory)
			if processes, err := rig.AskDaemon(directory); err == nil {
				processes.Kill(t)
			}
			if err := unix.Unmount(directory, unix.MNT_DETACH); err != nil {
				t.Fatalf("unmounting %s: %v", directory, err)
			}
		}
		if err := os.RemoveAll(directory); err != nil {
			t.Errorf("removing the mountpoint: %v", err)
		}
	})
	return directory
}

// mounted mounts a shmfs that the test itself has to unmount.
func mounted(t *testing.T, arguments ...string) string {
	t.Helper()
	directory := mountpoint(t)
	requireSuccess(t, shmfs(t, append(append([]string{"mount"}, arguments...), directory)...))
	return directory
}

// unmount ends a mount and checks that it has ended when the command returns.
func unmount(t *testing.T, directory string) {
	t.Helper()
	daemon := watch(t, daemonOf(t, directory))
	requireSuccess(t, whenFree(func() result { return shmfs(t, "umount", directory) }))
	requireUnmounted(t, directory)
	if !daemon.ended(t, 0) {
		t.Errorf("umount of %s returned before the daemon had ended", directory)
	}
}

func requireUnmounted(t *testing.T, directory string) {
	t.Helper()
	if count := mountsAt(t, directory); count != 0 {
		t.Errorf("%d file systems are mounted on %s", count, directory)
	}
}

// mountFields returns the mount table's line of the topmost mount at a path, cut at its blanks.
func mountFields(t *testing.T, directory string) []string {
	t.Helper()
	var found []string
	for _, fields := range mountTable(t) {
		if fields[4] == escaped(directory) {
			found = fields
		}
	}
	if found == nil {
		t.Fatalf("nothing is mounted on %s", directory)
	}
	return found
}

func mountsAt(t *testing.T, directory string) int {
	t.Helper()
	count := 0
	for _, fields := range mountTable(t) {
		if fields[4] == escaped(directory) {
			count++
		}
	}
	return count
}

func mountTable(t *testing.T) [][]string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	var table [][]string
	for line := range strings.Lines(string(text)) {
		table = append(table, strings.Fields(line))
	}
	return table
}

// escaped is a path as the mount table writes it.
func escaped(path string) string {
	return strings.NewReplacer(`\`, `\134`, " ", `\040`, "\n", `\012`, "\t", `\011`).Replace(path)
}

// awaitUnmounted returns when nothing is mounted on a path. The kernel tells of every change of the mount table.
func awaitUnmounted(t *testing.T, directory string) {
	t.Helper()
	// Not os.Open: the runtime would wait for the same changes, and each is told once.
	table, err := unix.Open("/proc/self/mountinfo", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(table)
	deadline := time.Now().Add(patience)
	for mountsAt(t, directory) > 0 {
		left := time.Until(deadline)
		if left <= 0 {
			t.Fatalf("%s is still mounted after %v", directory, patience)
		}
		changed := []unix.PollFd{{Fd: int32(table), Events: unix.POLLPRI}}
		if _, err := unix.Poll(changed, int(left.Milliseconds())+1); err != nil && err != unix.EINTR {
			t.Fatalf("waiting for a change of the mount table: %v", err)
		}
	}
}

// daemonAt asks a mount for the process that serves it.
func daemonAt(directory string) (int, error) {
	value := make([]byte, 32)
	length, err := unix.Getxattr(directory, "trusted.shmfs.pid", value)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(value[:length]))
}

func daemonOf(t *testing.T, directory string) int {
	t.Helper()
	process, err := daemonAt(directory)
	if err != nil {
		t.Fatalf("asking %s for its daemon: %v", directory, err)
	}
	return process
}

// optionsOf asks a mount for the options in force.
func optionsOf(t *testing.T, directory string) string {
	t.Helper()
	value := make([]byte, 64<<10)
	length, err := unix.Getxattr(directory, "trusted.shmfs.options", value)
	if err != nil {
		t.Fatalf("asking %s for its options: %v", directory, err)
	}
	return string(value[:length])
}

// process is a running process by a descriptor that stays its own when its number is used again.
type process int

func watch(t *testing.T, number int) process {
	t.Helper()
	descriptor, err := unix.PidfdOpen(number, 0)
	if err != nil {
		t.Fatalf("watching process %d: %v", number, err)
	}
	t.Cleanup(func() { _ = unix.Close(descriptor) })
	return process(descriptor)
}

// ended reports whether the process ends within the limit.
func (p process) ended(t *testing.T, limit time.Duration) bool {
	t.Helper()
	for deadline := time.Now().Add(limit); ; {
		left := max(time.Until(deadline), 0)
		ready, err := unix.Poll([]unix.PollFd{{Fd: int32(p), Events: unix.POLLIN}}, int(left.Milliseconds()))
		if err == nil {
			return ready > 0
		}
		if err != unix.EINTR { // any signal interrupts it, such as that of another test's child that ended
			t.Fatalf("waiting for a process: %v", err)
		}
	}
}

func (p process) signal(t *testing.T, signal unix.Signal) {
	t.Helper()
	if err := unix.PidfdSendSignal(int(p), signal, nil, 0); err != nil {
		t.Fatalf("sending %v: %v", signal, err)
	}
}

// kill ends a daemon the hard way and returns when it is gone.
func (p process) kill(t *testing.T) {
	t.Helper()
	p.signal(t, unix.SIGKILL)
	if !p.ended(t, patience) {
		t.Fatal("the killed daemon does not end")
	}
}
