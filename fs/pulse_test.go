package fs

import (
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// A timer is pending from the first beat until there was no work for a while, and again from the next.
func TestPulseLastsAsLongAsThereIsWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pulse
		pending := func(want bool) {
			t.Helper()
			synctest.Wait()
			if p.pending.Load() != want {
				t.Errorf("a timer is pending: %v, want %v", !want, want)
			}
		}
		pending(false)
		for range 2 {
			for range 3 * pulseRest {
				p.beat()
				time.Sleep(pulsePeriod + 1)
				pending(true)
			}
			time.Sleep((pulseRest - 2) * pulsePeriod)
			pending(true)
			time.Sleep(3 * pulsePeriod)
			pending(false)
		}
	})
}

// Who beats when the timer is about to be the last relies on it, and gets another.
func TestPulseGoesOnForTheLastBeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pulse
		p.beat()
		beats := p.beats.Load()
		p.beat()
		p.rest(beats)
		if !p.pending.Load() {
			t.Error("there was work, and no timer is pending")
		}
		p.rest(p.beats.Load())
		if p.pending.Load() {
			t.Error("there was no work, and a timer is pending")
		}
	})
}

// The session beats for what the kernel asks, and for what it does not have to answer.
func TestRequestsBeat(t *testing.T) {
	kernel := newFakeKernel(t)
	served := make(chan error, 1)
	go func() { served <- kernel.f.Serve() }()
	if kernel.f.pulse.pending.Load() {
		t.Error("there is a pulse before there was work")
	}
	kernel.write(message{opcode: opGetattr, unique: 2, node: 1, body: make([]byte, 16)})
	if errno, _ := kernel.reply(2); errno != 0 {
		t.Fatalf("GETATTR: errno %d", -errno)
	}
	if !kernel.f.pulse.pending.Load() {
		t.Error("there is no pulse after a request")
	}
	if err := unix.Shutdown(kernel.socket, unix.SHUT_RDWR); err != nil {
		t.Fatal(err)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if beats := kernel.f.pulse.beats.Load(); beats != 2 {
		t.Errorf("%d beats for one request, want one when it comes and one when it is done with", beats)
	}
}
