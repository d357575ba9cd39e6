package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The table of open files has room before it is needed, and no limit is too low for it.
func TestDescriptorTableGrows(t *testing.T) {
	const variable = "SHMFS_TEST_DESCRIPTOR_TABLE"
	if os.Getenv(variable) == "" { // in a process of its own: a table gets no smaller
		command := exec.Command(os.Args[0], "-test.run=^TestDescriptorTableGrows$", "-test.count=1")
		command.Env = append(os.Environ(), variable+"=1")
		if output, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, output)
		}
		return
	}
	before := descriptorRoom(t)
	for _, wanted := range []int{before + 1, grownTable} { // the kernel doubles it
		if err := growDescriptorTable(uint64(wanted)); err != nil {
			t.Fatal(err)
		}
		if room := descriptorRoom(t); room < wanted || before >= grownTable {
			t.Errorf("there is room for %d descriptors, want %d; at first for %d", room, wanted, before)
		}
	}
}

// descriptorRoom is how many descriptors fit into this process's table.
func descriptorRoom(t *testing.T) (room int) {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if n, _ := fmt.Sscanf(line, "FDSize:\t%d", &room); n == 1 {
			return room
		}
	}
	t.Fatalf("no FDSize in %s", status)
	return 0
}

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
