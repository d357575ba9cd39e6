package main

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Whoever waits for a death has a timer, which the runtime may need.
func TestWaitingForADeathBeats(t *testing.T) {
	before := ownPulse.Beats()
	own, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(own)
	if awaitReadable(own, time.Millisecond) {
		t.Fatal("this process is said to have ended")
	}
	if beats := ownPulse.Beats() - before; beats < 2 || !ownPulse.Pending() {
		t.Errorf("%d beats, a timer is pending: %v; want one before and one after the wait, and a timer", beats, ownPulse.Pending())
	}
}
