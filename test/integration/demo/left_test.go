package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestLeftProcessIsFoundAndEnded leaves a process in a mount namespace of its own.
func TestLeftProcessIsFoundAndEnded(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "work")
	if err := os.Mkdir(directory, 0o700); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "cat")
	input, err := command.StdinPipe() // never written to: it lets cat wait
	if err != nil {
		t.Fatal(err)
	}
	defer input.Close()
	command.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	namespace, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", command.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	mounts, err := concerningMounts(directory)
	if err != nil {
		t.Fatal(err)
	}
	found := findLeft(namespace, mounts, directory)
	want := fmt.Sprintf("process %d (cat) was left running", command.Process.Pid)
	if found == nil || !strings.Contains(found.Error(), want) {
		t.Errorf("no %q in: %v", want, found)
	}
	_ = command.Wait() // returns because findLeft has killed it
	if status := command.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGKILL {
		t.Errorf("the process ended with %v", command.ProcessState)
	}
}

func TestNothingLeft(t *testing.T) {
	directory := t.TempDir()
	mounts, err := concerningMounts(directory)
	if err != nil {
		t.Fatal(err)
	}
	if found := findLeft("no namespace", mounts, directory); found != nil {
		t.Error(found)
	}
}

func TestLeftMountAndFileAreFound(t *testing.T) {
	directory := t.TempDir()
	mounts, err := concerningMounts(directory)
	if err != nil {
		t.Fatal(err)
	}
	mountpoint := filepath.Join(directory, "left")
	if err := mountKernel("tmpfs", mountpoint, ""); err != nil {
		t.Fatal(err)
	}
	found := findLeft("no namespace", mounts, directory)
	if err := unmount(mountpoint); err != nil {
		t.Error(err)
	}
	for _, words := range []string{"mounts have changed", mountpoint, "work directory is not as it was"} {
		if found == nil || !strings.Contains(found.Error(), words) {
			t.Errorf("no %q in: %v", words, found)
		}
	}
}

// TestLeftObjectIsFound leaves an object in the store and a queue in the queues' file system.
func TestLeftObjectIsFound(t *testing.T) {
	mounted, err := mountStore(t.Context(), setting{Store: storeTmpfs}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(storeDirectory, "left"), nil, 0o600); err != nil {
		t.Error(err)
	}
	if err := mounted.unmount(); err == nil || !strings.Contains(err.Error(), "left in the store: left") {
		t.Errorf("a left object was reported as: %v", err)
	}
}

func TestLeftQueueIsFound(t *testing.T) {
	directory := t.TempDir()
	other := filepath.Join(directory, "other")
	if err := mountKernel("mqueue", other, ""); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unmount(other); err != nil {
			t.Error(err)
		}
	}()
	queue := filepath.Join(other, filepath.Base(filepath.Dir(directory))) // the machine's queues are shared
	file, err := os.OpenFile(queue, os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Error(err)
	}
	var steps undoing
	if err := watchQueues(directory, &steps); err != nil {
		t.Error(err)
	}
	want := fmt.Sprintf("message queue /%s was left", filepath.Base(queue))
	if found := steps.undo(nil); found == nil || !strings.Contains(found.Error(), want) {
		t.Errorf("no %q in: %v", want, found)
	}
	if err := os.Remove(queue); err != nil {
		t.Error(err)
	}
}
