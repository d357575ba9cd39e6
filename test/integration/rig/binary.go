package rig

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

// BinaryVariable names the environment variable that points at a ready shmfs binary, so that several test packages share
// one build (and so that the same tests run against a binary built with the race detector).
const BinaryVariable = "SHMFS_BINARY"

var build = sync.OnceValues(func() (string, error) {
	if path := os.Getenv(BinaryVariable); path != "" {
		return path, nil
	}
	return compile("shmfs")
})

var buildCrashing = sync.OnceValues(func() (string, error) { return compile("shmfs-crashing", "-tags=crashpoints") })

// compile builds a binary under a name of its own.
func compile(name string, flags ...string) (string, error) {
	// One place for all, and a rename into it: a test that runs beside this one goes on with the binary it has.
	dir := filepath.Join(os.TempDir(), "shmfs-test-binary")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(dir, name)
	fresh := fmt.Sprintf("%s.%d", path, os.Getpid())
	command := exec.Command("go", append(append([]string{"build"}, flags...), "-o", fresh, "./cmd/shmfs")...)
	command.Dir = Root()
	command.Stderr = os.Stderr
	if err := command.Run(); err != nil {
		return "", err
	}
	return path, os.Rename(fresh, path)
}

// Binary returns the path of the shmfs binary under test, building it at first use.
func Binary(t testing.TB) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatalf("building shmfs: %v", err)
	}
	return path
}

// CrashingBinary returns the path of an shmfs that dies at the crash points that are armed (package crashpoint), building it at first use.
func CrashingBinary(t testing.TB) string {
	t.Helper()
	path, err := buildCrashing()
	if err != nil {
		t.Fatalf("building shmfs with crash points: %v", err)
	}
	return path
}

// Root returns the module's top directory.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "..")
}
