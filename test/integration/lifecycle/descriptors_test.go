package lifecycle_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
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
		if has := rig.StatusFigure(t, worker, "FDSize"); has < room {
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
