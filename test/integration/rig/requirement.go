package rig

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// packagesFile lists, a line each, what the integration tests need and the Debian package that has it.
const packagesFile = "test/integration/packages.txt"

// Program returns the path of a program that the test runs. The name is looked up in PATH; an absolute name (a server
// outside PATH, a header directory) has only to exist. What is missing fails the test and names the package to install.
func Program(t testing.TB, name string) string {
	t.Helper()
	if filepath.IsAbs(name) {
		if _, err := os.Stat(name); err != nil {
			t.Fatalf("%v: install it with: apt-get install %s", err, packageOf(t, name))
		}
		return name
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%v: install it with: apt-get install %s", err, packageOf(t, name))
	}
	return path
}

// packageOf returns the package that packages.txt names for a program.
func packageOf(t testing.TB, name string) string {
	t.Helper()
	file, err := os.Open(filepath.Join(Root(), packagesFile))
	if err != nil {
		t.Fatalf("reading the list of packages: %v", err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		columns := strings.Fields(lines.Text())
		if len(columns) == 2 && columns[0] == name {
			return columns[1]
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatalf("reading %s: %v", packagesFile, err)
	}
	t.Fatalf("%s has no line for %s", packagesFile, name)
	return ""
}
