package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The command has the status that the program ends with, and the units are asked for in one step.
func TestRunStatus(t *testing.T) {
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		command []string
		code    int
		silent  bool
	}{
		{[]string{"true"}, exitOK, true},
		{[]string{"sh", "-c", "exit 3"}, 3, true},
		{[]string{"sh", "-c", "kill -TERM $$"}, exitSignal + int(unix.SIGTERM), true},
		{[]string{"sh", "-c", "kill -KILL $$"}, exitSignal + int(unix.SIGKILL), true},
		{[]string{"no-such-command"}, exitNotFound, false},
		{[]string{"/no/such/command"}, exitNotFound, false},
		{[]string{script}, exitNotExecutable, false},
		{[]string{"/"}, exitNotExecutable, false},
	} {
		run := &semaphoreRun{semaphore: plainSemaphore(t, "x", exampleText), units: 2, arguments: c.command}
		err := run.run()
		if codeOf(err) != c.code || (errorLine(err) == "") != c.silent {
			t.Errorf("%q ends with %d, %v, want %d", c.command, codeOf(err), err, c.code)
		}
		if text, _ := os.ReadFile(run.path()); c.silent && !strings.HasPrefix(string(text), "acquire 2\n") {
			t.Errorf("%q: it wrote %q", c.command, text)
		}
	}
}

func TestRunArguments(t *testing.T) {
	for _, c := range []struct {
		arguments []string
		want      string
	}{
		{[]string{"run"}, "the name of a semaphore is missing"},
		{[]string{"run", "--", "make"}, "the name of a semaphore is missing"},
		{[]string{"run", "x"}, "a command is missing"},
		{[]string{"run", "x", "--"}, "a command is missing"},
		{[]string{"run", "x", "make"}, "put -- before"},
		{[]string{"run", "x", "make", "--", "all"}, "too many before --"},
		{[]string{"run", "-n", "0", "x", "--", "make"}, "no number from 1"},
		{[]string{"run", "--timeout", "soon", "x", "--", "make"}, "--timeout"},
		{[]string{"run", "a/b", "--", "make"}, "slash"},
	} {
		root := newRootCommand()
		root.SetArgs(append([]string{"sem"}, c.arguments...))
		requireUsage(t, root.Execute(), c.want)
	}
}

func TestArguments(t *testing.T) {
	for _, c := range []struct {
		arguments []string
		want      string
	}{
		{[]string{}, "a command is missing: see shmfs sem --help"},
		{[]string{"frobnicate"}, `unknown command "frobnicate"`},
		{[]string{"pots"}, `did you mean "post"?`},
		{[]string{"create"}, "the name of a semaphore is missing"},
		{[]string{"create", "x", "1", "2"}, `"2" is an argument too many`},
		{[]string{"create", "--value", "1", "x", "1"}, "given twice"},
		{[]string{"create", "--value", "-1", "x"}, "no number from 0"},
		{[]string{"create", "-m", "rw", "x"}, "octal"},
		{[]string{"post", ""}, "is empty"},
		{[]string{"post", "x", "0"}, "no number from 1"},
		{[]string{"set", "x"}, "an argument is missing"},
		{[]string{"set", "x", "many"}, "no number from 0"},
		{[]string{"wait", "--timeout", "-1s", "x"}, "cannot be negative"},
		{[]string{"ls", "x"}, "takes no arguments"},
	} {
		root := newRootCommand()
		root.SetArgs(append([]string{"sem"}, c.arguments...))
		requireUsage(t, root.Execute(), c.want)
	}
}

// requireUsage checks that an error ends the program with the code of wrong command lines, and says the words.
func requireUsage(t *testing.T, err error, words string) {
	t.Helper()
	if codeOf(err) != exitUsage || !strings.Contains(errorLine(err), words) {
		t.Errorf("it ends with %d: %v, want %d and %q", codeOf(err), err, exitUsage, words)
	}
}
