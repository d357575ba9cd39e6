package main

import (
	"math"
	"slices"
	"testing"
)

// The first inodes are kept, others when one of those needs it no more.
func TestNodeShare(t *testing.T) {
	var share nodeShare
	for node := range uint64(mostNodes) {
		if !share.take(node) {
			t.Fatalf("there is no room for inode %d", node)
		}
	}
	if share.take(mostNodes) || share.giveBack(mostNodes) {
		t.Error("there is room for one too many")
	}
	if !share.take(5) || !share.giveBack(5) || share.giveBack(5) || !share.take(mostNodes) || share.take(5) {
		t.Error("what is given back does not make room for one other")
	}
	if all := share.giveAllBack(); len(all) != mostNodes || slices.Contains(all, 5) || !slices.Contains(all, mostNodes) {
		t.Errorf("%d inodes are kept, %v", len(all), all)
	}
	if all := share.giveAllBack(); len(all) != 0 || !share.take(5) {
		t.Errorf("inodes %v are kept still", all)
	}
}

// A service manager can hand over the names of all that it keeps, whatever their numbers.
func TestNamesFitIntoTheEnvironment(t *testing.T) {
	const most = 128 << 10 // MAX_ARG_STRLEN
	text := "LISTEN_FDNAMES=" + storedDevice + ":" + storedStore + ":" + storedRecord
	if length := len(text) + mostNodes*len(":"+nodeName(math.MaxUint64)) + 1; length > most {
		t.Errorf("the names may take %d bytes, and %d are executed", length, most)
	}
}
