package main

import (
	"os"
	"path/filepath"
	"testing"
)

// exampleObjects is a table of objects as the daemon writes it.
const exampleObjects = `NAME              TYPE         SIZE CHARGED RESIDENT MODE   UID GID LINKS OPENS INODE MODIFIED
bad\033[31m\012\377 file          1    4096     4096 0644 99999   0     1     0     5 2026-11-29T10:22:11.083956036Z
d                   directory    60       0        0 0755     0   0     2     0     3 2026-11-29T10:22:11.083752760Z
d/x                 file       1536    4096     4096 0644     0   0     1     2     4 2026-11-29T10:22:10.083752760Z
d2                  file          0       0        0 0600     0   0     1     0     7 2026-11-29T10:22:12.000000000Z
frames              file    5242880 5242880        0 0644     0   0     1     1     2 2026-11-29T10:22:11.079805544Z
sem.jobs            semaphore    32    4096     4096 0644     0   0     1     0     6 2026-11-29T10:22:11.098694104Z
`

// fakeMount makes a directory that has the files that a mount would have.
func fakeMount(t *testing.T, files map[string]string) string {
	t.Helper()
	directory := t.TempDir()
	for name, text := range files {
		path := filepath.Join(directory, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return directory
}

// requireText compares what was printed with what should have been.
func requireText(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("it prints\n%s\nwant\n%s", got, want)
	}
}
