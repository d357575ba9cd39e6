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

// startedDescriptor is the program's descriptor in a process that was started with room for as many: the highest that it has then.
const startedDescriptor = 1000

// startedSpare is how many descriptors beyond it os/exec may need on the way.
const startedSpare = 20

// makeRoom has a command of the program started with a table of descriptors that has room for many, and executed by the last of them. It
// must come after everything else that gives the command files.
//
// Before the kernel makes the table of a process with threads larger it waits for every processor, beyond kill (docs/decisions/0021). Here
// it is one thread that is about to execute the program. The table stays as large. A process that may not have that many does without.
func (p *program) makeRoom(command *exec.Cmd) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || limit.Cur <= startedDescriptor+startedSpare {
		return
	}
	nothing := make([]*os.File, startedDescriptor-linkDescriptor-len(command.ExtraFiles))
	command.ExtraFiles = append(append(command.ExtraFiles, nothing...), p.file)
	command.Path = fmt.Sprintf("/proc/self/fd/%d", startedDescriptor)
}

// closeStarted closes the descriptor by which this process was executed, if it was started with room. Before it is called nothing may have
// been opened that the process needs and that could have got that number.
func closeStarted() { _ = unix.Close(startedDescriptor) }

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
