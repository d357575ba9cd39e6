package main

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// To hold a program takes no larger table of descriptors, for which the kernel would wait, and leaves room for what a process is started with.
func TestProgramsDescriptor(t *testing.T) {
	const room, started = 64, 16 // of a table at first; more than any process is started with
	p, err := ownProgram()
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	if descriptor := p.file.Fd(); descriptor < started || descriptor >= room {
		t.Errorf("the program's descriptor is %d, want %d to %d", descriptor, started, room-1)
	}
	flags, err := unix.FcntlInt(p.file.Fd(), unix.F_GETFD, 0)
	if err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("what is executed would keep it: flags %#x, %v", flags, err)
	}
}

// A process that may not have as many descriptors as a command has room for starts it without.
func TestRoomIsLeftOutUnderALowLimit(t *testing.T) {
	p, err := ownProgram()
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
			t.Error(err)
		}
	}()
	for _, limit := range []uint64{startedDescriptor, 1024} {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: limit, Max: before.Max}); err != nil {
			t.Fatal(err)
		}
		command := p.command("-test.run=^$")
		command.ExtraFiles = []*os.File{os.Stdin, os.Stdin}
		p.makeRoom(command)
		if has := len(command.ExtraFiles) > 2; has != (limit > startedDescriptor) {
			t.Errorf("under a limit of %d the command has %d files", limit, len(command.ExtraFiles))
		}
		if err := command.Run(); err != nil {
			t.Errorf("under a limit of %d: %v", limit, err)
		}
	}
}
