package rig

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// grace is how long a killed process may take to go, and how long an ended program's own children may outlive it.
const grace = 30 * time.Second

// Ended is what a program left: its standard output, its standard error, and the error of exec.Cmd.Wait (nil after exit
// status 0).
type Ended struct {
	Stdout string
	Stderr string
	Err    error
}

// Run starts the commands together, each in a process group of its own, and returns when all have ended. Past the
// timeout it kills them with all that they started, aborts the FUSE connection of the mount if they hang in it (the mount
// may be empty or no FUSE), and fails the test. A process that outlives its command fails the test too.
func Run(t testing.TB, mount string, timeout time.Duration, commands ...*exec.Cmd) []Ended {
	t.Helper()
	deadline := time.After(timeout)
	ended := make([]Ended, len(commands))
	waiters := make([]chan error, len(commands))
	streams := make([][2]bytes.Buffer, len(commands))
	for i, command := range commands {
		command.Stdout, command.Stderr = &streams[i][0], &streams[i][1]
		var err error
		if waiters[i], err = start(command); err != nil {
			killAll(t, mount, commands[:i], waiters[:i])
			t.Fatal(err)
		}
	}
	for i, command := range commands {
		select {
		case ended[i].Err = <-waiters[i]:
		case <-deadline:
			killAll(t, mount, commands, waiters)
			t.Fatalf("%s had not ended after %v and was killed\n%s%s", command, timeout, &streams[i][0], &streams[i][1])
		}
		ended[i].Stdout, ended[i].Stderr = streams[i][0].String(), streams[i][1].String()
		if left := outlive(command.Process.Pid); left != "" {
			t.Errorf("%s left processes behind: %s", command, left)
		}
	}
	return ended
}

// MustRun is Run for one command that has to exit with status 0. It returns the standard output.
func MustRun(t testing.TB, mount string, timeout time.Duration, command *exec.Cmd) string {
	t.Helper()
	ended := Run(t, mount, timeout, command)[0]
	if ended.Err != nil {
		t.Fatalf("%s: %v\n%s%s", command, ended.Err, ended.Stdout, ended.Stderr)
	}
	return ended.Stdout
}

// start makes the command lead a process group that can be killed whole, and returns where its end is told.
func start(command *exec.Cmd) (chan error, error) {
	if command.SysProcAttr == nil {
		command.SysProcAttr = &syscall.SysProcAttr{}
	}
	command.SysProcAttr.Setpgid = true
	command.WaitDelay = grace
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", command, err)
	}
	waiter := make(chan error, 1)
	go func() { waiter <- command.Wait() }()
	return waiter, nil
}

// killAll ends the commands' process groups. A process that hangs in the mount cannot die before the mount lets it go.
func killAll(t testing.TB, mount string, commands []*exec.Cmd, waiters []chan error) {
	t.Helper()
	for _, command := range commands {
		_ = unix.Kill(-command.Process.Pid, unix.SIGKILL)
	}
	patience := time.After(grace)
	for _, waiter := range waiters {
		select {
		case <-waiter:
		case <-patience:
			t.Errorf("killed, but hanging in %s: aborting its connection", mount)
			abort(t, mount)
			return
		}
	}
}

// outlive waits for the members of an ended leader's process group, kills those that stay, and describes them.
func outlive(group int) string {
	deadline := time.Now().Add(grace)
	for {
		members := groupMembers(group)
		if len(members) == 0 {
			return ""
		}
		if time.Now().After(deadline) {
			_ = unix.Kill(-group, unix.SIGKILL)
			return describe(members)
		}
		awaitExit(members[0], time.Until(deadline))
	}
}

// awaitExit returns when the process has ended or the time is over.
func awaitExit(process int, most time.Duration) {
	descriptor, err := unix.PidfdOpen(process, 0)
	if err != nil {
		return
	}
	defer unix.Close(descriptor)
	waited := []unix.PollFd{{Fd: int32(descriptor), Events: unix.POLLIN}}
	// An interrupted poll only makes the caller look again.
	_, _ = unix.Poll(waited, int(max(most, 0).Milliseconds())+1)
}

// groupMembers returns the living processes of a process group.
func groupMembers(group int) []int {
	var members []int
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		// The name in parentheses may hold spaces; the fields behind it are state, parent, process group.
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		if len(fields) < 3 || fields[0] == "Z" || fields[0] == "X" || fields[2] != strconv.Itoa(group) {
			continue
		}
		if process, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
			members = append(members, process)
		}
	}
	return members
}

func describe(processes []int) string {
	var text strings.Builder
	for _, process := range processes {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", process))
		fmt.Fprintf(&text, "%d %q; ", process, bytes.ReplaceAll(line, []byte{0}, []byte{' '}))
	}
	return text.String()
}
