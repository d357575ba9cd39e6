package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// The table of open files has room before it is needed, and no limit is too low for it.
func TestDescriptorTableGrows(t *testing.T) {
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
