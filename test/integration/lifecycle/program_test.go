package lifecycle_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"shmfs/test/integration/rig"
)

// runLimit is far beyond what any command takes, so that what passes it hangs.
const runLimit = time.Minute

// result is what a command left.
type result struct {
	code   int
	stdout string
	stderr string
}

// shmfs runs the program under test.
func shmfs(t *testing.T, arguments ...string) result {
	t.Helper()
	return run(t, exec.Command(rig.Binary(t), arguments...))
}

// run runs any command and fails the test when it hangs.
func run(t *testing.T, command *exec.Cmd) result {
	t.Helper()
	limit, cancel := context.WithTimeout(t.Context(), runLimit)
	defer cancel()
	limited := exec.CommandContext(limit, command.Path)
	limited.Args, limited.Dir, limited.Env, limited.SysProcAttr = command.Args, command.Dir, command.Env, command.SysProcAttr
	limited.WaitDelay = patience
	var stdout, stderr bytes.Buffer
	limited.Stdout, limited.Stderr = &stdout, &stderr
	err := limited.Run()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatalf("%s: %v\n%s%s", command, err, &stdout, &stderr)
	}
	if limit.Err() != nil {
		t.Fatalf("%s had not ended after %v\n%s%s", command, runLimit, &stdout, &stderr)
	}
	return result{code: limited.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String()}
}

// whenFree runs a command again for as long as it finds the mount in use. What the test itself has just closed may be in use
// for a moment longer: a child that another test starts has it too, up to its execve.
func whenFree(command func() result) result {
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if got := command(); got.code != inUse || time.Now().After(deadline) {
			return got
		}
	}
}

// inUse is the exit code that says so.
const inUse = 8

// writeProgram writes an executable file. None of this process's children may have it open for writing: running it would fail.
func writeProgram(path string, image []byte) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return os.WriteFile(path, image, 0o755)
}

// requireSuccess checks that a command ended well and said nothing.
func requireSuccess(t *testing.T, got result) {
	t.Helper()
	if got.code != 0 || got.stdout != "" || got.stderr != "" {
		t.Fatalf("exit code %d, output %q, want 0 and nothing said\n%s", got.code, got.stdout, got.stderr)
	}
}

// requireFailure checks that a command ended with a code and one line that holds all the words.
func requireFailure(t *testing.T, got result, code int, words ...string) {
	t.Helper()
	if got.code != code {
		t.Errorf("exit code %d, want %d", got.code, code)
	}
	requireLine(t, got, words...)
}

// requireLine checks that a command said one line, on standard error, that holds all the words.
func requireLine(t *testing.T, got result, words ...string) {
	t.Helper()
	line, ended := strings.CutSuffix(got.stderr, "\n")
	if !ended || strings.Contains(line, "\n") || !strings.HasPrefix(line, "shmfs: ") || got.stdout != "" {
		t.Errorf("want one line on standard error that begins with shmfs:\noutput %q\nerror  %q", got.stdout, got.stderr)
	}
	for _, word := range words {
		if !strings.Contains(line, word) {
			t.Errorf("the line does not say %q: %s", word, line)
		}
	}
}
