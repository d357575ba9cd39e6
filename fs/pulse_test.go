package fs

import (
	"testing"

	"golang.org/x/sys/unix"
)

// The session beats for what the kernel asks, and for what it does not have to answer.
func TestRequestsBeat(t *testing.T) {
	kernel := newFakeKernel(t)
	served := make(chan error, 1)
	go func() { served <- kernel.f.Serve() }()
	if kernel.f.pulse.Pending() {
		t.Error("there is a pulse before there was work")
	}
	kernel.write(message{opcode: opGetattr, unique: 2, node: 1, body: make([]byte, 16)})
	if errno, _ := kernel.reply(2); errno != 0 {
		t.Fatalf("GETATTR: errno %d", -errno)
	}
	if !kernel.f.pulse.Pending() {
		t.Error("there is no pulse after a request")
	}
	if err := unix.Shutdown(kernel.socket, unix.SHUT_RDWR); err != nil {
		t.Fatal(err)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if beats := kernel.f.pulse.Beats(); beats != 4 {
		t.Errorf("%d beats for one request, want one when it comes, one when it is done with, and one for each of two readers at the end", beats)
	}
}
