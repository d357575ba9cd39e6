package programs

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"shmfs/test/integration/rig"
)

const (
	durableSize = 1<<20 + 4096 - 100
	diskSize    = 64 << 20
)

// synchronizations are the calls that return only after the data is on the disk. (Of syncfs the kernel tells no FUSE daemon
// that serves through /dev/fuse alone.)
var synchronizations = []string{"msync", "fsync", "fdatasync", "osync"}

// diskModes are the modes of shmfs that keep their objects in a directory.
var diskModes = []place{passthroughStrict, passthroughLazy, cachedStrict, cachedLazy}

// TestSynchronizationOnDisk is the reference, on ext4 itself: what was synchronized is found after a power loss, and what
// was not is lost, so the test can tell.
func TestSynchronizationOnDisk(t *testing.T) {
	program := compile(t, "gcc", "durable.c")
	t.Run("none", func(t *testing.T) {
		const attempts = 5 // the kernel writes on its own account too, when others ask for memory or for a sync
		for range attempts {
			if !outlivesPowerLoss(t, program, "none", 0) {
				return
			}
		}
		t.Errorf("what was not synchronized was on the disk %d times", attempts)
	})
	for i, method := range synchronizations {
		t.Run(method, func(t *testing.T) {
			if !outlivesPowerLoss(t, program, method, 1+i) {
				t.Errorf("after %s and a power loss the object is not as it was written", method)
			}
		})
	}
}

// outlivesPowerLoss writes an object to a new disk and reports whether it is found as written after a power loss.
func outlivesPowerLoss(t *testing.T, program, method string, seed int) bool {
	t.Helper()
	disk := newDisk(t, diskSize)
	writeDurably(t, "", program, filepath.Join(disk.store(t), "object"), method, seed)
	content, err := os.ReadFile(filepath.Join(disk.afterPowerLoss(t).mount, "store", "object"))
	t.Logf("after %s and a power loss: %d bytes, %v", method, len(content), err)
	return err == nil && bytes.Equal(content, durableContent(seed))
}

// TestSynchronizationThroughStore makes an object durable by each call on a mount whose store is on a disk. Right after the
// call the power is lost; a new mount on what the disk holds must show the object whole.
func TestSynchronizationThroughStore(t *testing.T) {
	program := compile(t, "gcc", "durable.c")
	inEach(t, diskModes, func(t *testing.T, place place) {
		for i, method := range synchronizations {
			t.Run(method, func(t *testing.T) {
				disk := newDisk(t, diskSize)
				directory := rig.Shmfs(t, place.with("store="+disk.store(t)).options)
				writeDurably(t, directory, program, filepath.Join(directory, "object"), method, i)
				requireFound(t, place, disk.afterPowerLoss(t), i)
			})
		}
	})
}

// writeDurably runs the program that writes one object and synchronizes it.
func writeDurably(t *testing.T, mount, program, path, method string, seed int) {
	t.Helper()
	rig.MustRun(t, mount, diskTimeout, command(program, path, method, strconv.Itoa(seed)))
}

// requireFound mounts shmfs on a disk's store and compares the object in it.
func requireFound(t *testing.T, place place, disk disk, seed int) {
	t.Helper()
	directory := rig.Shmfs(t, place.with("store="+disk.store(t)).options)
	content, err := os.ReadFile(filepath.Join(directory, "object"))
	if err != nil {
		t.Error(err)
		return
	}
	if !bytes.Equal(content, durableContent(seed)) {
		t.Errorf("the object has %d bytes, which differ from the %d written", len(content), durableSize)
	}
}

// durableContent is what durable.c writes for a seed.
func durableContent(seed int) []byte {
	content := make([]byte, durableSize)
	number := uint32(seed)
	for i := range content {
		number = number*1664525 + 1013904223
		content[i] = byte(number >> 24)
	}
	return content
}
