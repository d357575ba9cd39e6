package lifecycle_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"shmfs/test/integration/rig"
)

// Each worker has room for a thousand descriptors from the start: before the kernel makes more room it waits for every processor, in the middle
// of taking over what was open. The one that it was executed by is closed.
func TestWorkersHaveRoomForDescriptors(t *testing.T) {
	t.Parallel()
	const room = 1000
	requireRoom := func(worker int) {
		t.Helper()
		if has := descriptorTable(t, worker); has < room {
			t.Errorf("the worker's table has room for %d descriptors, want %d", has, room)
		}
		entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", worker))
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) > 100 {
			t.Errorf("the worker of an empty mount has %d descriptors", len(entries))
		}
		if target, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", worker, room)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("descriptor %d: %q, %v, want none", room, target, err)
		}
	}
	directory := mounted(t)
	requireRoom(rig.DaemonOf(t, directory).Worker)
	for range 2 {
		requireRoom(killWorker(t, directory).Worker)
	}
	unmount(t, directory)
}

// descriptorTable is for how many descriptors a process has room.
func descriptorTable(t *testing.T, process int) (room int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", process))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "FDSize:")
	if _, err := fmt.Sscan(after, &room); err != nil {
		t.Fatalf("process %d does not say what room it has: %v", process, err)
	}
	return room
}
