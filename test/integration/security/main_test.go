package security

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"shmfs/test/integration/rig"

	"golang.org/x/sys/unix"
)

// partVariable makes a copy of the test binary somebody else: a user, or who lives in a container.
const partVariable = "SHMFS_TEST_SECURITY_PART"

// parts are what such a copy does. Each returns what went otherwise than it should.
var parts = map[string]func(arguments []string) []string{
	"contained": contained,
	"reader":    readOnly,
	"hold":      hold,
}

func TestMain(m *testing.M) {
	if part := os.Getenv(partVariable); part != "" {
		wrong := parts[part](os.Args[1:])
		fmt.Print(strings.Join(wrong, "\n"))
		os.Exit(min(len(wrong), 1))
	}
	os.Exit(rig.RunPrivately(m))
}

// patience is how long anything may take that must not hang, on a machine that does other work besides.
const patience = 60 * time.Second

// Ordinary users, by number: no names are needed.
const (
	ann = 4001 + iota
	ben
)

// modes are the options of the two ways in which clients share memory.
var modes = map[string]string{"passthrough": "require-passthrough", "cached": "passthrough=off"}

func inEachMode(t *testing.T, test func(t *testing.T, options string)) {
	for name, options := range modes {
		t.Run(name, func(t *testing.T) { test(t, options) })
	}
}

// as makes a command an ordinary user's.
func as(user uint32, command *exec.Cmd) *exec.Cmd {
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
	command.Dir = "/"
	return command
}

// part is a copy of the test binary that plays a part.
func part(name string, arguments ...string) *exec.Cmd {
	command := exec.Command("/proc/self/exe", arguments...)
	command.Env = append(os.Environ(), partVariable+"="+name, "GORACE=atexit_sleep_ms=0")
	return command
}

// requirePart fails the test unless all goes as it should.
func requirePart(t *testing.T, mount string, command *exec.Cmd) {
	t.Helper()
	if ended := rig.Run(t, mount, patience, command)[0]; ended.Err != nil {
		t.Errorf("%v\n%s%s", ended.Err, ended.Stdout, ended.Stderr)
	}
}

// must fails the test if a call failed.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// create makes a file of a user's.
func create(t testing.TB, path string, owner int, mode os.FileMode) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(filepath.Base(path)+"\n"), 0o600))
	must(t, os.Chown(path, owner, owner))
	must(t, unix.Chmod(path, uint32(mode.Perm())))
}

// semaphore makes one of a user's, with three units.
func semaphore(t testing.TB, path string, owner int, mode os.FileMode) {
	t.Helper()
	must(t, os.WriteFile(path, []byte("3\n"), 0o600))
	must(t, os.Chown(path, owner, owner))
	must(t, unix.Chmod(path, uint32(mode.Perm())))
}

// hold has a file open and mapped, says so, and waits for the end of its input.
func hold(arguments []string) []string {
	descriptor, err := unix.Open(arguments[0], unix.O_RDWR, 0)
	if err != nil {
		return []string{err.Error()}
	}
	if _, err := unix.Mmap(descriptor, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return []string{err.Error()}
	}
	fmt.Println("ready")
	_, _ = os.Stdin.Read(make([]byte, 1))
	return nil
}

// holder starts a process of a user's that has a file open and mapped until the test's end, and returns its id.
func holder(t *testing.T, user uint32, path string) int {
	t.Helper()
	command := as(user, part("hold", path))
	input, err := command.StdinPipe()
	must(t, err)
	output, err := command.StdoutPipe()
	must(t, err)
	must(t, command.Start())
	t.Cleanup(func() {
		_ = input.Close()
		if err := command.Wait(); err != nil {
			t.Errorf("who holds %s: %v", path, err)
		}
	})
	if n, err := output.Read(make([]byte, 16)); err != nil || n != len("ready\n") {
		t.Fatalf("who is to hold %s says %d bytes, %v", path, n, err)
	}
	return command.Process.Pid
}

// publicDirectory makes a directory that every user may reach.
func publicDirectory(t *testing.T) string {
	t.Helper()
	path, err := os.MkdirTemp("", "shmfs-security-")
	must(t, err)
	must(t, os.Chmod(path, 0o755))
	t.Cleanup(func() { must(t, os.RemoveAll(path)) })
	return path
}
