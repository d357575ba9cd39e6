package lifecycle_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func TestUmountRefusesBusyMount(t *testing.T) {
	t.Parallel()
	directory := mounted(t)
	file := openObject(t, directory)
	requireFailure(t, shmfs(t, "umount", directory), 8, directory+" is in use", "fuser -vm "+directory, "shmfs umount -l "+directory)
	if _, err := file.WriteAt([]byte("x"), 0); err != nil {
		t.Errorf("writing after the refusal: %v", err)
	}
	if err := file.Close(); err != nil {
		t.Error(err)
	}
	unmount(t, directory)
}

func TestLazyUmountLeavesThePathAndServesOn(t *testing.T) {
	t.Parallel()
	directory := mounted(t)
	daemon := watch(t, daemonOf(t, directory))
	file := openObject(t, directory)
	requireSuccess(t, shmfs(t, "umount", "-l", directory))
	requireUnmounted(t, directory)
	if _, err := file.WriteAt([]byte("x"), 1<<16); err != nil {
		t.Errorf("writing to the open file: %v", err)
	}
	if daemon.ended(t, 0) {
		t.Error("the daemon ended while a file is open")
	}
	if err := file.Close(); err != nil {
		t.Error(err)
	}
	if !daemon.ended(t, patience) {
		t.Error("the daemon does not end with the last user")
	}
}

func TestUmountInsideTheMount(t *testing.T) {
	t.Parallel()
	directory := mounted(t)
	inside := filepath.Join(directory, "inside")
	if err := os.Mkdir(inside, 0o755); err != nil {
		t.Fatal(err)
	}
	requireFailure(t, shmfs(t, "umount", inside), 7, inside, "mounted on "+directory)
	requireFailure(t, shmfs(t, "mount", "-o", "remount,size=1G", inside), 7, "mounted on "+directory)
	requireSuccess(t, shmfs(t, "mount", inside))
	if fields := mountFields(t, inside); !slices.Contains(fields, "fuse.shmfs") {
		t.Errorf("no shmfs on a directory of a shmfs: %q", fields)
	}
	requireFailure(t, shmfs(t, "umount", directory), 8, "in use")
	unmount(t, inside)
	unmount(t, directory)
}

// A bind mount shows the same file system elsewhere: taking one of the two away leaves the other alive.
func TestUmountOfOneOfTwoPlaces(t *testing.T) {
	t.Parallel()
	first, second := mounted(t), mountpoint(t)
	if err := unix.Mount(first, second, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(first, "object"), "text")
	got := whenFree(func() result { return shmfs(t, "umount", first) })
	if got.code != 0 {
		t.Errorf("exit code %d", got.code)
	}
	requireLine(t, got, "stays mounted on "+second)
	requireUnmounted(t, first)
	requireText(t, filepath.Join(second, "object"), "text")
	unmount(t, second)
}

func TestUmountWhatIsCovered(t *testing.T) {
	t.Parallel()
	directory := mounted(t)
	if err := unix.Mount("tmpfs", directory, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, ""); err != nil {
		t.Fatal(err)
	}
	requireFailure(t, shmfs(t, "umount", directory), 7, "no shmfs is mounted on "+directory)
	if err := unix.Unmount(directory, 0); err != nil {
		t.Fatal(err)
	}
	unmount(t, directory)
}
