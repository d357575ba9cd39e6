package rig

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TmpfsAt is Tmpfs on a directory of the caller's.
func TmpfsAt(t testing.TB, mountpoint, options string) string {
	t.Helper()
	requirePrivate(t)
	if err := unix.Mount("tmpfs", mountpoint, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		t.Fatalf("mounting tmpfs with %q at %s (the integration tests need root): %v", options, mountpoint, err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(mountpoint, 0); err != nil {
			t.Errorf("unmounting tmpfs: %v", err)
			_ = unix.Unmount(mountpoint, unix.MNT_DETACH)
		}
		requireUnmounted(t, mountpoint)
	})
	return mountpoint
}
