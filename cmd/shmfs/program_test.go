package main

import (
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
