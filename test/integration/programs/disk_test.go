package programs

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"shmfs/test/integration/rig"

	"golang.org/x/sys/unix"
)

// diskTimeout bounds one run of a program that makes, mounts or uses the disk.
const diskTimeout = time.Minute

// disk is an ext4 file system in an image file, mounted by a loop device. What stands in the image is what has reached the
// disk: the kernel's cache of the mounted file system lies above it.
type disk struct {
	image string
	mount string
}

// newDisk makes and mounts an empty disk of the given bytes.
func newDisk(t *testing.T, size int64) disk {
	t.Helper()
	return mountDisk(t, newImage(t, size))
}

// newImage makes an empty disk and returns its image.
func newImage(t *testing.T, size int64) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	file, err := os.Create(image)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := file.Truncate(size); err != nil {
		t.Fatal(err)
	}
	rig.MustRun(t, "", diskTimeout, command(rig.Program(t, "mkfs.ext4"), "-q", "-F", image))
	return image
}

// mountDisk mounts an image until the test's end; its loop device goes with the mount.
func mountDisk(t *testing.T, image string) disk {
	t.Helper()
	mounted := disk{image: image, mount: t.TempDir()}
	rig.MustRun(t, "", diskTimeout, command(rig.Program(t, "mount"), "-t", "ext4", "-o", "loop", image, mounted.mount))
	t.Cleanup(func() {
		if err := unix.Unmount(mounted.mount, 0); err != nil {
			t.Errorf("unmounting the disk: %v", err)
			_ = unix.Unmount(mounted.mount, unix.MNT_DETACH)
		}
	})
	return mounted
}

// store makes a directory on the disk and returns it.
func (d disk) store(t *testing.T) string {
	t.Helper()
	store := filepath.Join(d.mount, "store")
	if err := os.MkdirAll(store, 0o755); err != nil {
		t.Fatal(err)
	}
	return store
}

// afterPowerLoss mounts a copy of what has reached the disk by now, as a machine would find it after it lost its power.
func (d disk) afterPowerLoss(t *testing.T) disk {
	t.Helper()
	from, err := os.Open(d.image)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	copied := filepath.Join(t.TempDir(), "copy")
	to, err := os.Create(copied)
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	if _, err := io.Copy(to, from); err != nil {
		t.Fatal(err)
	}
	return mountDisk(t, copied)
}
