package rig

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// insideVariable marks the copy of a test binary that runs in the private mount namespace.
const insideVariable = "SHMFS_TEST_PRIVATE_MOUNTS"

// SharedMemory is where libc looks for shared-memory objects and named semaphores.
const SharedMemory = "/dev/shm"

// RunPrivately is called by TestMain and returns the exit code. It runs the tests in a copy of the test binary that has a
// mount namespace of its own with no mount at /dev/shm, so that tests may mount there and no other process of the machine
// notices. When the copy has ended no process may be left in that namespace: one that is left makes the code 1.
func RunPrivately(m *testing.M) int {
	if os.Getenv(insideVariable) != "" {
		return runInside(m)
	}
	command := exec.Command("/proc/self/exe", os.Args[1:]...)
	command.Env = append(os.Environ(), insideVariable+"=1")
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	// Unsharing here also makes every mount of the copy private before the program starts.
	command.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if err := command.Start(); err != nil {
		fmt.Fprintf(os.Stderr, "a private mount namespace (the integration tests need root): %v\n", err)
		return 1
	}
	passSignals(command.Process)
	namespace, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", command.Process.Pid))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	ended := command.Wait()
	if left := killNamespace(namespace); left != "" {
		fmt.Fprintf(os.Stderr, "processes left in the tests' mount namespace, now killed: %s\n", left)
		return 1
	}
	if ended != nil {
		return 1
	}
	return 0
}

// requirePrivate fails a test that mounts where others start theirs: the copies that they make of that namespace would keep the mount
// in use after it is unmounted.
func requirePrivate(t testing.TB) {
	t.Helper()
	if os.Getenv(insideVariable) == "" {
		t.Fatal("the test mounts, and its package's TestMain does not call rig.RunPrivately")
	}
}

// passSignals hands on what `go test` sends at its timeout, so that the copy prints its goroutines and ends.
func passSignals(process *os.Process) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGQUIT, unix.SIGTERM, unix.SIGINT)
	go func() {
		for received := range signals {
			_ = process.Signal(received)
		}
	}()
}

// runInside uncovers /dev/shm in this namespace alone and runs the tests.
func runInside(m *testing.M) int {
	for {
		err := unix.Unmount(SharedMemory, unix.MNT_DETACH)
		if err == unix.EINVAL {
			break
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "uncovering %s in the private mount namespace: %v\n", SharedMemory, err)
			return 1
		}
	}
	return m.Run()
}

// killNamespace waits for the processes in the mount namespace, which only the tests ever entered, to end: what was told to end
// may need a moment. It kills those that stay, and describes them.
func killNamespace(namespace string) string {
	own, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil || namespace == "" || namespace == own {
		return fmt.Sprintf("unknown: the namespace is %q, %v", namespace, err)
	}
	left := namespaceMembers(namespace)
	for deadline := time.Now().Add(grace); len(left) > 0 && time.Now().Before(deadline); left = namespaceMembers(namespace) {
		awaitExit(left[0], time.Until(deadline))
	}
	if len(left) == 0 {
		return ""
	}
	text := describe(left)
	for _, process := range left {
		_ = unix.Kill(process, unix.SIGKILL)
	}
	return text
}

// namespaceMembers returns the processes in a mount namespace.
func namespaceMembers(namespace string) []int {
	var left []int
	links, _ := filepath.Glob("/proc/[0-9]*/ns/mnt")
	for _, link := range links {
		if target, err := os.Readlink(link); err != nil || target != namespace {
			continue
		}
		process, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(link))))
		if err == nil {
			left = append(left, process)
		}
	}
	return left
}
