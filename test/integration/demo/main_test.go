package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"shmfs/test/integration/rig"
)

// TestMain gives the tests a mount namespace of their own, in which they may mount over /dev/shm.
func TestMain(m *testing.M) {
	code := rig.RunPrivately(m)
	for _, directory := range atEnd {
		if err := os.RemoveAll(directory); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// atEnd are the directories that tests share, to be removed after the last one.
var atEnd []string

// examples is the directory of the example programs.
func examples() string { return filepath.Join(rig.Root(), "docs", "examples") }

// stores are what the tests mount, each with shmfs's options.
var stores = []struct{ name, kind, options string }{
	{"tmpfs", storeTmpfs, ""},
	{"shmfs", storeShmfs, ""},
	{"shmfs without passthrough", storeShmfs, "passthrough=off"},
}

// mountForTest mounts a store over the test namespace's /dev/shm. At the test's end it fails the test for anything left.
func mountForTest(t *testing.T, kind, options string) *store {
	t.Helper()
	s := setting{Store: kind, Options: options}
	if kind == storeShmfs {
		s.Shmfs = rig.Binary(t)
	}
	directory := t.TempDir()
	before, err := concerningMounts(directory)
	if err != nil {
		t.Fatal(err)
	}
	mounted, err := mountStore(t.Context(), s, directory)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			mounted.showLog()
		}
		if err := mounted.unmount(); err != nil {
			t.Error(err)
		}
		if after, err := concerningMounts(directory); err != nil || after != before {
			t.Errorf("mounts at the end, %v:\n%s\nat the beginning:\n%s", err, after, before)
		}
	})
	return mounted
}

// compiled compiles the C programs, once for all tests.
var compiled = sync.OnceValues(func() (programs, error) {
	directory, err := os.MkdirTemp("", "shmfs-examples-")
	if err != nil {
		return programs{}, err
	}
	atEnd = append(atEnd, directory)
	return preparePrograms(context.Background(), examples(), directory)
})

// preparedPrograms returns the example programs. Python writes no cache beside them.
func preparedPrograms(t *testing.T) programs {
	t.Helper()
	rig.Program(t, "gcc")
	rig.Program(t, "python3")
	p, err := compiled()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PYTHONDONTWRITEBYTECODE", "1")
	return p
}

// randomFile makes a file of so many bytes that no transport can get right by chance.
func randomFile(t *testing.T, size int) string {
	t.Helper()
	content := make([]byte, size)
	seed := [32]byte{byte(size), byte(size >> 8), byte(size >> 16)}
	if _, err := rand.NewChaCha8(seed).Read(content); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), fmt.Sprintf("source-%d", size))
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// requireEmpty fails the test if the store holds an object or a semaphore.
func requireEmpty(t *testing.T, mounted *store) {
	t.Helper()
	names, err := mounted.list()
	if err != nil {
		t.Fatal(err)
	}
	if len(names) > 0 {
		t.Errorf("left in the store: %q", names)
	}
}

// requireGone fails the test if a process still runs that has the marker in its environment.
func requireGone(t *testing.T, marker string) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		environment, err := os.ReadFile(file)
		if err == nil && bytes.Contains(environment, []byte(marker)) {
			t.Errorf("left running: %s", filepath.Dir(file))
		}
	}
}

// run runs a program to its end and returns its exit status and what it said.
func run(t *testing.T, arguments []string, variables ...string) (int, string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), arguments[0], arguments[1:]...)
	command.Env = append(os.Environ(), variables...)
	output, err := command.CombinedOutput()
	if command.ProcessState == nil {
		t.Fatalf("%s: %v", strings.Join(arguments, " "), err)
	}
	return command.ProcessState.ExitCode(), string(output)
}
