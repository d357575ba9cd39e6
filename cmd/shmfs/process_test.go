package main

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A process that is to serve begins with room for many descriptors, and with none open that it does not need.
func TestServingProcessesHaveRoom(t *testing.T) {
	const variable = "SHMFS_TEST_ROOM"
	if os.Getenv(variable) != "" {
		if err := closeSpare(); err != nil {
			t.Fatal(err)
		}
		status, err := os.ReadFile("/proc/self/status")
		if err != nil {
			t.Fatal(err)
		}
		open, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		for _, descriptor := range open {
			if number, err := strconv.Atoi(descriptor.Name()); err != nil || number >= firstSpare {
				t.Errorf("descriptor %s is open", descriptor.Name())
			}
		}
		t.Logf("%s", status)
		return
	}
	given, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer given.Close()
	command := exec.Command(os.Args[0], "-test.run=^TestServingProcessesHaveRoom$", "-test.v")
	command.Env = append(os.Environ(), variable+"=1")
	command.ExtraFiles = []*os.File{given}
	if err := growTable(command); err != nil {
		t.Fatal(err)
	}
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	room := 0
	for line := range strings.Lines(string(output)) {
		if field, found := strings.CutPrefix(strings.TrimSpace(line), "FDSize:"); found {
			room, _ = strconv.Atoi(strings.TrimSpace(field))
		}
	}
	if room < grownTable {
		t.Errorf("there is room for %d descriptors, want %d:\n%s", room, grownTable, output)
	}
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
