package rig

import (
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
	dir, err := os.MkdirTemp("", "shmfs-binary-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "shmfs")
	command := exec.Command("go", "build", "-o", path, "./cmd/shmfs")
	command.Dir = Root()
	command.Stderr = os.Stderr
	return path, command.Run()
})

// Binary returns the path of the shmfs binary under test, building it at first use.
func Binary(t testing.TB) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatalf("building shmfs: %v", err)
	}
	return path
}

// Root returns the module's top directory.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "..")
}
