package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"
)

// insideVariable tells the inner process its work directory.
const insideVariable = "SHMFS_DEMO_INSIDE"

// patience is how long the inner process may take to undo everything after a signal.
const patience = 30 * time.Second

// demonstrate runs the inner process and verifies, whatever its end, that nothing is left. The report is nil when the
// inner process gave none. An interruption that left nothing is errInterrupted itself.
func demonstrate(ctx context.Context, s setting) (*report, error) {
	if err := installPrograms(ctx, "gcc", "python3"); err != nil {
		return nil, err
	}
	directory, err := os.MkdirTemp("", "shmfs-demo-")
	if err != nil {
		return nil, fmt.Errorf("making a work directory: %w", err)
	}
	before, err := concerningMounts(directory)
	if err != nil {
		return nil, err
	}
	result, namespace, err := runInside(ctx, s, directory)
	if left := findLeft(namespace, before, directory); left != nil {
		return nil, errors.Join(err, left)
	}
	return result, err
}

// runInside runs the inner process to its end. It returns the name of the mount namespace the inner process had, so that
// processes it may have left behind can be found there.
func runInside(ctx context.Context, s setting, directory string) (*report, string, error) {
	order, err := json.Marshal(s)
	if err != nil {
		return nil, "", fmt.Errorf("encoding the setting: %w", err)
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, "", fmt.Errorf("making a pipe for the result: %w", err)
	}
	defer reader.Close()
	command := exec.CommandContext(ctx, "/proc/self/exe")
	command.Env = append(os.Environ(), insideVariable+"="+directory)
	command.Stdin = bytes.NewReader(order)
	command.Stderr = os.Stderr
	command.ExtraFiles = []*os.File{writer}
	command.Cancel = func() error { return command.Process.Signal(unix.SIGTERM) }
	command.WaitDelay = patience
	command.SysProcAttr = &unix.SysProcAttr{
		Unshareflags: unix.CLONE_NEWNS | unix.CLONE_NEWIPC, // mounts are made private by os/exec
		Setpgid:      true,                                 // a terminal's ^C reaches the outer process alone
		Pdeathsig:    unix.SIGTERM,
	}
	if err := command.Start(); err != nil {
		writer.Close()
		return nil, "", fmt.Errorf("starting a process in a mount namespace of its own: %w", err)
	}
	writer.Close()
	namespace, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", command.Process.Pid))
	if err != nil {
		return nil, "", errors.Join(fmt.Errorf("naming the mount namespace: %w", err), command.Process.Kill(), command.Wait())
	}
	var result report
	decoding := json.NewDecoder(reader).Decode(&result)
	err = command.Wait()
	if ctx.Err() != nil && command.ProcessState.ExitCode() == exitInterrupted {
		return nil, namespace, errInterrupted
	}
	if err != nil {
		return nil, namespace, fmt.Errorf("the demonstration has failed: %w", err)
	}
	if decoding != nil {
		return nil, namespace, fmt.Errorf("reading the result: %w", decoding)
	}
	return &result, namespace, nil
}
