package lifecycle_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// user is one who does one thing after another in a mount, and one who waits there for a semaphore. Neither may see an error.
type user struct {
	directory string
	stopping  chan struct{}
	worked    chan error
	waited    chan error
}

func startUser(t *testing.T, directory string) *user {
	t.Helper()
	u := &user{directory: directory, stopping: make(chan struct{}), worked: make(chan error, 1), waited: make(chan error, 1)}
	writeFile(t, u.semaphore(), "0\n")
	go func() { u.worked <- u.work() }()
	go func() { u.waited <- u.command("wait") }()
	return u
}

// stop ends both and checks that they have seen no error. The user may be used no more.
func (u *user) stop(t *testing.T) {
	t.Helper()
	close(u.stopping)
	if err := u.command("post"); err != nil {
		t.Errorf("posting the semaphore: %v", err)
	}
	for what, ended := range map[string]chan error{"works": u.worked, "waits": u.waited} {
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("who %s in the mount: %v", what, err)
			}
		case <-time.After(patience):
			t.Errorf("who %s in the mount hangs", what)
		}
	}
}

func (u *user) semaphore() string { return filepath.Join(u.directory, "sem.user") }

// command writes a command to the semaphore.
func (u *user) command(command string) error {
	descriptor, err := unix.Open(u.semaphore(), unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening the semaphore: %w", err)
	}
	defer unix.Close(descriptor)
	_, err = ignoringSignals(func() (int, error) { return unix.Write(descriptor, []byte(command+"\n")) })
	return err
}

// work makes, fills, renames and removes files until it is to stop.
func (u *user) work() error {
	for round := 0; ; round++ {
		select {
		case <-u.stopping:
			return nil
		default:
		}
		if err := u.cycle(filepath.Join(u.directory, fmt.Sprint("worked-on-", round))); err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
	}
}

func (u *user) cycle(path string) error {
	descriptor, err := unix.Open(path, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return fmt.Errorf("making %s: %w", path, err)
	}
	defer unix.Close(descriptor)
	if n, err := unix.Pwrite(descriptor, []byte(path), 0); err != nil || n != len(path) {
		return fmt.Errorf("writing %d bytes to %s: %w", n, path, err)
	}
	if err := unix.Rename(path, path+".renamed"); err != nil {
		return fmt.Errorf("renaming %s: %w", path, err)
	}
	if err := unix.Unlink(path + ".renamed"); err != nil {
		return fmt.Errorf("removing %s: %w", path, err)
	}
	text := make([]byte, len(path))
	if n, err := unix.Pread(descriptor, text, 0); err != nil || string(text[:max(n, 0)]) != path {
		return fmt.Errorf("reading %s: %q, %w", path, text, err)
	}
	return nil
}
