package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestWrongSettingsAreRefused(t *testing.T) {
	file := randomFile(t, 1)
	for said, arguments := range map[string][]string{
		"unexpected argument":  {"-file", file, "more"},
		"at least 1":           {"-file", file, "-runs", "0"},
		"known are":            {"-file", file, "-store", "disk"},
		"no such file":         {"-store", "tmpfs", "-file", file + ".missing"},
		"no regular file":      {"-store", "tmpfs", "-file", filepath.Dir(file)},
		"make build":           {"-file", file, "-shmfs", file + ".missing"},
		"flag provided but":    {"-nonsense"},
		"invalid value \"x\"":  {"-runs", "x"},
		"flag needs an argume": {"-file"},
	} {
		t.Run(said, func(t *testing.T) {
			binary, err := demoBinary()
			if err != nil {
				t.Fatal(err)
			}
			status, output := run(t, append([]string{binary}, arguments...))
			if status != exitMisused || !strings.Contains(output, said) {
				t.Errorf("exit status %d: %s", status, output)
			}
		})
	}
}

// script puts a shell script into a new directory that every user may enter, and returns the directory.
func script(t *testing.T, name, text string) string {
	t.Helper()
	directory, err := os.MkdirTemp("", "shmfs-demo-script-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(directory) })
	if err := os.Chmod(directory, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(directory, name), []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
	return directory
}

// TestOrdinaryUser checks that the program goes on through sudo, with the same setting, or says that it cannot.
func TestOrdinaryUser(t *testing.T) {
	binary, err := demoBinary()
	if err != nil {
		t.Fatal(err)
	}
	asNobody := func(path string) (string, error) {
		command := exec.CommandContext(t.Context(), binary, "-store", "tmpfs", "-file", "/bin/sh", "-runs", "7", "-json")
		command.Env = []string{"PATH=" + path}
		command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		output, err := command.CombinedOutput()
		return string(output), err
	}
	said, err := asNobody(script(t, "sudo", "echo sudo was given: \"$@\"\n"))
	want := fmt.Sprintf("sudo was given: -- %s -file /bin/sh -runs 7 -store tmpfs", binary)
	if err != nil || !strings.Contains(said, want) || !strings.Contains(said, "-json=true") {
		t.Errorf("%v: no %q in %s", err, want, said)
	}
	said, err = asNobody(t.TempDir())
	var failed *exec.ExitError
	if !errors.As(err, &failed) || failed.ExitCode() != exitFailed || !strings.Contains(said, "sudo could not be used") {
		t.Errorf("without sudo: %v: %s", err, said)
	}
}

// TestInstallation uses a stand-in for apt-get that notes how it is called.
func TestInstallation(t *testing.T) {
	notes := filepath.Join(t.TempDir(), "notes")
	t.Setenv("PATH", script(t, "apt-get", "echo \"$@\" >>"+notes+"\n"))
	if err := installPrograms(t.Context(), "apt-get"); err != nil {
		t.Errorf("a program that is there: %v", err)
	}
	if _, err := os.Stat(notes); !os.IsNotExist(err) {
		t.Errorf("apt-get was called although nothing is missing: %v", err)
	}
	if err := installPrograms(t.Context(), "gcc", "strace"); err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile(notes)
	want := "--quiet update\n--quiet install --yes --no-install-recommends gcc libc6-dev strace\n"
	if err != nil || string(text) != want {
		t.Errorf("apt-get was called with %q, %v", text, err)
	}
}

func TestInstallationFails(t *testing.T) {
	t.Setenv("PATH", script(t, "apt-get", "echo no network >&2; exit 100\n"))
	if err := installPrograms(t.Context(), "gcc"); err == nil || !strings.Contains(err.Error(), "no network") {
		t.Errorf("apt-get's failure became: %v", err)
	}
	t.Setenv("PATH", t.TempDir())
	if err := installPrograms(t.Context(), "gcc"); err == nil || !strings.Contains(err.Error(), "install gcc, libc6-dev by hand") {
		t.Errorf("without apt-get: %v", err)
	}
}
