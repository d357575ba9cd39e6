package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// program is an executable file that processes of the mount are started from. It is held open, so that all of them are started from the
// very same, whatever is put in its place.
type program struct {
	file *os.File // opened with O_PATH
}

// programDescriptor is the least number of a program's descriptor: beyond those that a process is started with, and below 64, for which the
// kernel would make the table of descriptors larger and wait for every processor (docs/decisions/0021).
const programDescriptor = 32

// ownProgram is the program that this process runs.
func ownProgram() (*program, error) { return openProgram("/proc/self/exe") }

// openProgram opens the executable at a path.
func openProgram(path string) (*program, error) {
	descriptor, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening the program %s: %w", path, err)
	}
	defer unix.Close(descriptor)
	high, err := unix.FcntlInt(uintptr(descriptor), unix.F_DUPFD_CLOEXEC, programDescriptor)
	if err != nil {
		return nil, fmt.Errorf("holding the program %s: %w", path, err)
	}
	return &program{file: os.NewFile(uintptr(high), path)}, nil
}

// command is a call of the program. The descriptor is still open in the child when it executes the file.
func (p *program) command(arguments ...string) *exec.Cmd {
	return &exec.Cmd{
		Path: fmt.Sprintf("/proc/self/fd/%d", p.file.Fd()), Args: append([]string{"shmfs"}, arguments...), Dir: "/", Stderr: os.Stderr,
	}
}

func (p *program) close() { _ = p.file.Close() }

// programPath is where the program that runs is found, and will be when another version is put in its place: the path that it was
// started by, links and all, if that leads to it.
func programPath() string {
	running, err := os.Stat("/proc/self/exe")
	if err != nil {
		return ""
	}
	for _, candidate := range []func() (string, error){
		func() (string, error) { return exec.LookPath(os.Args[0]) },
		os.Executable,
	} {
		path, err := candidate()
		if err != nil {
			continue
		}
		if path, err = filepath.Abs(path); err != nil {
			continue
		}
		if there, err := os.Stat(path); err == nil && os.SameFile(there, running) {
			return path
		}
	}
	path, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(path, " (deleted)")
}

// nameProcess lets ps show the process as what it is: one that is started by a descriptor has the number as its name.
func nameProcess() {
	_ = os.WriteFile("/proc/self/comm", []byte("shmfs"), 0) // a machine without it shows the number
}
