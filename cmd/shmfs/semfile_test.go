package main

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// plainSemaphore is a regular file by the name of a semaphore: it takes every command and shows the text it was given.
func plainSemaphore(t *testing.T, name, text string) semaphore {
	t.Helper()
	made := semaphore{name: name, mount: t.TempDir()}
	if err := os.WriteFile(made.path(), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return made
}

// scripted is a file whose writes end with the given errors, one after the other, and the commands that were written.
func scripted(outcomes ...error) (*semaphoreFile, *[]string) {
	var commands []string
	return &semaphoreFile{semaphore: semaphore{name: "x"}, write: func(_ int, text []byte) (int, error) {
		commands = append(commands, string(text))
		err := outcomes[len(commands)-1]
		if err != nil {
			return -1, err
		}
		return len(text), nil
	}}, &commands
}

func TestCommandBeginsAnewWhenInterrupted(t *testing.T) {
	file, commands := scripted(unix.EINTR, unix.EINTR, nil)
	if err := file.take("wait", "", timeLimit{}); err != nil {
		t.Error(err)
	}
	if got := strings.Join(*commands, ""); got != "wait\nwait\nwait\n" {
		t.Errorf("it wrote %q", got)
	}
}

// What time is left is told anew, and never more than before.
func TestTimedCommandCountsDown(t *testing.T) {
	file, commands := scripted(unix.EINTR, unix.EINTR, unix.ETIMEDOUT)
	err := file.take("acquire", " 2", timeLimit{given: true, duration: time.Minute})
	if !errors.Is(err, unix.ETIMEDOUT) || len(*commands) != 3 {
		t.Fatalf("%d commands, %v", len(*commands), err)
	}
	previous := 60.0
	for i, command := range *commands {
		fields := strings.Fields(command)
		if len(fields) != 3 || fields[0] != "timedacquire" || fields[2] != "2" {
			t.Fatalf("it wrote %q", command)
		}
		left, err := strconv.ParseFloat(fields[1], 64)
		if err != nil || left > previous || (i > 0 && left == previous) {
			t.Errorf("%q follows %v seconds", command, previous)
		}
		previous = left
	}
}

// A limit that is over asks once more without waiting, so that the daemon has the last word.
func TestTimedCommandEndsWithZero(t *testing.T) {
	file, commands := scripted(unix.EINTR, nil)
	if err := file.take("wait", "", timeLimit{given: true, duration: 1}); err != nil {
		t.Error(err)
	}
	if got := (*commands)[1]; got != "timedwait 0.000000000\n" {
		t.Errorf("it wrote %q", got)
	}
}

func TestShortWriteIsAnError(t *testing.T) {
	file := &semaphoreFile{write: func(int, []byte) (int, error) { return 2, nil }}
	if err := file.command("post 1"); err == nil {
		t.Error("half a command counts as done")
	}
}

func TestSignalEndsTheWait(t *testing.T) {
	never := make(chan struct{})
	t.Cleanup(func() { close(never) })
	file := &semaphoreFile{write: func(_ int, text []byte) (int, error) { <-never; return len(text), nil }}
	signals := make(chan os.Signal, 2)
	signals <- unix.SIGWINCH
	signals <- unix.SIGTERM
	err := file.takeUnlessEnded("acquire", " 1", timeLimit{}, signals)
	if codeOf(err) != 128+15 || err.Error() != "" {
		t.Errorf("it ends with %d, %v", codeOf(err), err)
	}
}

func TestEndingSignal(t *testing.T) {
	signals := make(chan os.Signal, 3)
	signals <- unix.SIGCONT
	if got := endingSignal(signals); got != nil {
		t.Errorf("%v ends programs", got)
	}
	signals <- unix.SIGWINCH
	signals <- unix.SIGUSR1
	if got := endingSignal(signals); got != unix.SIGUSR1 {
		t.Errorf("got %v", got)
	}
}

func TestOpenRefusesOtherKinds(t *testing.T) {
	directory := t.TempDir()
	if err := unix.Mkfifo(filepath.Join(directory, "sem.pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(directory, "sem.directory"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"pipe", "directory"} {
		err := semaphore{name: name, mount: directory}.operate("post 1")
		if err == nil || !strings.Contains(err.Error(), "is no semaphore") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Every error of the text protocol has its code and says what to do.
func TestRefusals(t *testing.T) {
	target := semaphore{name: "x", mount: "/mnt"}
	for _, c := range []struct {
		err  error
		code int
		word string
	}{
		{unix.ENOENT, exitFailure, `semaphore "x" does not exist: create it with shmfs sem create x`},
		{unix.EEXIST, exitFailure, "shmfs sem rm x"},
		{unix.EOPNOTSUPP, exitFailure, "as root on Linux 6.9 or later"},
		{unix.EACCES, exitPermission, "chmod"},
		{unix.EROFS, exitFailure, "read-only"},
		{unix.EOVERFLOW, exitFailure, "2147483647"},
		{unix.EINVAL, exitFailure, "shmfs sem get --all x"},
		{unix.ENOSPC, exitFailure, "remount,size="},
		{unix.ENOTCONN, exitNotMounted, "mount it again"},
		{unix.EIO, exitFailure, "input/output error"},
	} {
		err := target.refusal(c.err)
		if codeOf(err) != c.code || !strings.Contains(err.Error(), c.word) {
			t.Errorf("%v ends with %d: %v", c.err, codeOf(err), err)
		}
	}
	if err := target.takeFailure(unix.ETIMEDOUT, timeLimit{given: true}); codeOf(err) != exitTimeout {
		t.Errorf("a time-out ends with %d: %v", codeOf(err), err)
	}
	if err := target.takeFailure(unix.EOPNOTSUPP, timeLimit{}); codeOf(err) != exitFailure {
		t.Errorf("a wait that cannot be had ends with %d: %v", codeOf(err), err)
	}
}
