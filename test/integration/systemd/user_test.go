package systemd

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// user is a client that has of a mount whatever a client can have: it is looked at again and again. Descriptors are no os.File, which the Go
// runtime would poll.
type user struct {
	directory   string
	object      int // open, mapped and locked by flock
	memory      []byte
	locked      int // open and locked by fcntl
	nameless    int // a file without a name
	emptied     int // a directory without a name
	semaphore   int // of which it holds a unit
	passthrough bool
	waited      chan error // how a wait for a unit ended
	round       int
}

// use is the part of a client that holds what it has until its input says "end", and says at each "check" what is not as it should be.
func use(directory string) error {
	u := &user{directory: directory, waited: make(chan error, 1)}
	if err := u.begin(); err != nil {
		return fmt.Errorf("beginning: %w", err)
	}
	fmt.Println("ready")
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if lines.Text() == "end" {
			fmt.Println(saying(u.end()))
			break
		}
		fmt.Println(saying(u.check()))
	}
	return lines.Err()
}

// saying is an error in one line.
func saying(err error) string {
	if err == nil {
		return "ok"
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}

func (u *user) path(name string) string { return filepath.Join(u.directory, name) }

// open opens a file of the mount, making it if it is not there.
func (u *user) open(name string) (int, error) {
	descriptor, err := unix.Open(u.path(name), unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return -1, fmt.Errorf("opening %s: %w", name, err)
	}
	return descriptor, nil
}

func (u *user) begin() (err error) {
	stats, err := os.ReadFile(u.path(".shmfs/stats"))
	u.passthrough = strings.Contains("\n"+string(stats), "\nmode:            passthrough\n")
	for _, step := range []func() error{
		func() error { return err },
		u.beginObject, u.beginLock, u.beginNameless, u.beginSemaphores,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (u *user) beginObject() (err error) {
	if u.object, err = u.open("object"); err != nil {
		return err
	}
	if err := unix.Ftruncate(u.object, 1<<20); err != nil {
		return err
	}
	if u.memory, err = unix.Mmap(u.object, 0, 1<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return err
	}
	return unix.Flock(u.object, unix.LOCK_EX)
}

// whole is a lock of a whole file.
func whole() *unix.Flock_t { return &unix.Flock_t{Type: unix.F_WRLCK} }

func (u *user) beginLock() (err error) {
	if u.locked, err = u.open("locked"); err != nil {
		return err
	}
	return unix.FcntlFlock(uintptr(u.locked), unix.F_OFD_SETLK, whole())
}

func (u *user) beginNameless() (err error) {
	if u.nameless, err = u.open("nameless"); err != nil {
		return err
	}
	if _, err := unix.Write(u.nameless, []byte("nameless")); err != nil {
		return err
	}
	if u.emptied, err = emptyDirectory(u.path("emptied")); err != nil {
		return err
	}
	return unix.Unlink(u.path("nameless"))
}

// emptyDirectory makes a directory that has no name and is open.
func emptyDirectory(path string) (int, error) {
	if err := unix.Mkdir(path, 0o700); err != nil {
		return -1, fmt.Errorf("making %s: %w", path, err)
	}
	descriptor, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("opening %s: %w", path, err)
	}
	if err := unix.Rmdir(path); err != nil {
		return -1, fmt.Errorf("removing %s: %w", path, err)
	}
	return descriptor, nil
}

func (u *user) beginSemaphores() (err error) {
	for name, value := range map[string]string{"sem.held": "2\n", "sem.awaited": "0\n"} {
		if err := os.WriteFile(u.path(name), []byte(value), 0o600); err != nil {
			return err
		}
	}
	if u.semaphore, err = u.open("sem.held"); err != nil {
		return err
	}
	if _, err := unix.Write(u.semaphore, []byte("acquire")); err != nil {
		return fmt.Errorf("acquiring a unit: %w", err)
	}
	if !u.passthrough { // nobody can wait then
		u.waited <- nil
		return nil
	}
	awaited, err := u.open("sem.awaited")
	if err != nil {
		return err
	}
	go func() {
		_, err := unix.Write(awaited, []byte("wait"))
		u.waited <- err
	}()
	for deadline := time.Now().Add(patience); u.requireText("sem.awaited", "waiters: 1") != nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			return u.requireText("sem.awaited", "waiters: 1")
		}
	}
	return nil
}

// requireText returns an error unless a file has that line.
func (u *user) requireText(name, line string) error {
	text, err := os.ReadFile(u.path(name))
	if err == nil && !strings.Contains("\n"+string(text), "\n"+line) {
		err = fmt.Errorf("%s has no line %q: %q", name, line, text)
	}
	return err
}

// check returns what is not as it should be.
func (u *user) check() error {
	return errors.Join(u.checkObject(), u.checkLocks(), u.checkNameless(), u.checkSemaphores())
}

func (u *user) checkObject() error {
	u.round++
	text := fmt.Sprintf("round %d\n", u.round)
	copy(u.memory, text)
	got := make([]byte, len(text))
	if _, err := unix.Pread(u.object, got, 0); err != nil || string(got) != text {
		return fmt.Errorf("what is mapped was set to %q and reads %q, %v", text, got, err)
	}
	if _, err := unix.Pwrite(u.object, []byte("written"), 4096); err != nil || string(u.memory[4096:4103]) != "written" {
		return fmt.Errorf("what was written is %q in memory, %v", u.memory[4096:4103], err)
	}
	if err := unix.Ftruncate(u.object, int64(1<<20+4096*u.round)); err != nil {
		return fmt.Errorf("growing: %w", err)
	}
	return u.requireText("object", text)
}

func (u *user) checkLocks() error {
	again, err := u.open("object")
	if err != nil {
		return err
	}
	defer unix.Close(again)
	if err := unix.Flock(again, unix.LOCK_EX|unix.LOCK_NB); err != unix.EWOULDBLOCK {
		return fmt.Errorf("what is locked by flock can be locked: %v", err)
	}
	other, err := u.open("locked")
	if err != nil {
		return err
	}
	defer unix.Close(other)
	if err := unix.FcntlFlock(uintptr(other), unix.F_OFD_SETLK, whole()); err != unix.EAGAIN {
		return fmt.Errorf("what is locked by fcntl can be locked: %v", err)
	}
	return nil
}

func (u *user) checkNameless() error {
	got := make([]byte, 8)
	if _, err := unix.Pread(u.nameless, got, 0); err != nil || string(got) != "nameless" {
		return fmt.Errorf("the file without a name reads %q, %v", got, err)
	}
	return errors.Join(requireNameless(u.nameless), requireNameless(u.emptied))
}

// requireNameless returns an error unless a descriptor is open on what has no name.
func requireNameless(descriptor int) error {
	var stat unix.Stat_t
	if err := unix.Fstat(descriptor, &stat); err != nil || stat.Nlink != 0 {
		return fmt.Errorf("what has no name has %d links, %v", stat.Nlink, err)
	}
	return nil
}

func (u *user) checkSemaphores() error {
	select {
	case err := <-u.waited:
		u.waited <- err
		if u.passthrough {
			return fmt.Errorf("the wait for a unit has ended: %v", err)
		}
	default:
		if err := u.requireText("sem.awaited", "waiters: 1\n"); err != nil {
			return err
		}
	}
	holder := fmt.Sprintf("holder: pid %d, units 1,", os.Getpid())
	return errors.Join(u.requireText("sem.held", "value: 1\n"), u.requireText("sem.held", holder))
}

// end has the wait end, and gives everything back.
func (u *user) end() error {
	wrong := u.check()
	if u.passthrough {
		wrong = errors.Join(wrong, os.WriteFile(u.path("sem.awaited"), []byte("post"), 0))
	}
	select {
	case err := <-u.waited:
		wrong = errors.Join(wrong, err)
	case <-time.After(patience):
		wrong = errors.Join(wrong, errors.New("the wait for a unit does not end"))
	}
	return wrong
}
