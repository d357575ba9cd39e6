package lifecycle_test

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"shmfs/test/integration/rig"
)

// foreground is a `shmfs mount -f` with a service manager that it reports to.
type foreground struct {
	directory string
	command   *exec.Cmd
	manager   *net.UnixConn
	stderr    stream
	done      chan error
}

// stream collects what a command writes and wakes who waits for it.
type stream struct {
	mutex   sync.Mutex
	text    strings.Builder // guarded by mutex
	written chan struct{}
}

func (s *stream) Write(text []byte) (int, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	select {
	case s.written <- struct{}{}:
	default:
	}
	return s.text.Write(text)
}

func (s *stream) String() string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.text.String()
}

// requireLogged waits for words in the log.
func (f *foreground) requireLogged(t *testing.T, words string) {
	t.Helper()
	limit := time.After(patience)
	for !strings.Contains(f.stderr.String(), words) {
		select {
		case <-f.stderr.written:
		case <-limit:
			t.Fatalf("the log does not say %q within %v:\n%s", words, patience, &f.stderr)
		}
	}
}

// startForeground starts one and returns when it has said that it is ready.
func startForeground(t *testing.T, arguments ...string) *foreground {
	t.Helper()
	// Not t.TempDir, whose length grows with the test's name: a socket's path has at most 107 bytes.
	place, err := os.MkdirTemp("", "shmfs-notify-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(place) })
	address := &net.UnixAddr{Name: filepath.Join(place, "socket"), Net: "unixgram"}
	manager, err := net.ListenUnixgram("unixgram", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = manager.Close() })
	f := &foreground{directory: mountpoint(t), manager: manager, done: make(chan error, 1)}
	f.stderr.written = make(chan struct{}, 1)
	f.command = exec.Command(rig.Binary(t), append(append([]string{"mount", "-f"}, arguments...), f.directory)...)
	f.command.Env = append(os.Environ(), "NOTIFY_SOCKET="+address.Name)
	f.command.Stderr = &f.stderr
	if err := f.command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		f.done <- f.command.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = f.command.Process.Kill()
		<-ended
	})
	f.requireState(t, "READY=1")
	return f
}

// requireState waits for the next message to the service manager but those on descriptors that it is to keep.
func (f *foreground) requireState(t *testing.T, want string) {
	t.Helper()
	if err := f.manager.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	message := make([]byte, 256)
	for {
		length, err := f.manager.Read(message)
		if err != nil {
			t.Fatalf("waiting for %s: %v", want, err)
		}
		got := string(message[:length])
		if strings.HasPrefix(got, "FDSTORE") {
			continue
		}
		if got != want {
			t.Errorf("the service manager was told %q, want %q", got, want)
		}
		return
	}
}

// exitCode waits for the end and returns the exit code, negative for a signal.
func (f *foreground) exitCode(t *testing.T) int {
	t.Helper()
	select {
	case err := <-f.done:
		var ended *exec.ExitError
		if err != nil && !errors.As(err, &ended) {
			t.Fatal(err)
		}
		return f.command.ProcessState.ExitCode()
	case <-time.After(patience):
		t.Fatalf("shmfs mount -f has not ended after %v", patience)
		return 0
	}
}

func (f *foreground) signal(t *testing.T, signal unix.Signal) {
	t.Helper()
	if err := f.command.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}

func TestForegroundSpeaksToTheServiceManager(t *testing.T) {
	t.Parallel()
	f := startForeground(t)
	writeFile(t, filepath.Join(f.directory, "object"), "text")
	f.signal(t, unix.SIGTERM)
	f.requireState(t, "STOPPING=1")
	if code := f.exitCode(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	requireUnmounted(t, f.directory)
	for _, words := range []string{"starting", "mode=", "stopping", "stopped", f.directory, "size="} {
		if !strings.Contains(f.stderr.String(), words) {
			t.Errorf("the log does not say %q:\n%s", words, &f.stderr)
		}
	}
}

func TestForegroundEndsWhenUnmounted(t *testing.T) {
	t.Parallel()
	f := startForeground(t)
	requireSuccess(t, shmfs(t, "umount", f.directory))
	requireUnmounted(t, f.directory)
	if code := f.exitCode(t); code != 0 {
		t.Errorf("exit code %d\n%s", code, &f.stderr)
	}
}

// A mount in the background is no business of the service manager that its command runs under.
func TestBackgroundTellsNoServiceManager(t *testing.T) {
	t.Parallel()
	f := startForeground(t)
	other := mountpoint(t)
	command := exec.Command(rig.Binary(t), "mount", other)
	command.Env = f.command.Env
	requireSuccess(t, run(t, command))
	unmount(t, other)
	f.signal(t, unix.SIGINT)
	f.requireState(t, "STOPPING=1") // and not READY=1 once more
	if code := f.exitCode(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestForegroundFailureHasItsCode(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	writeFile(t, file, "")
	requireFailure(t, shmfs(t, "mount", "-f", file), 3, "no directory")
}
