package main

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// throughWritableCopy calls set with a path through which the root of a read-only mount can be changed. It is a copy of the
// mount that only this process reaches, so that the mount itself stays read-only for everyone all the while.
func throughWritableCopy(found mountpoint, set func(path string) error) error {
	copied, err := unix.OpenTree(unix.AT_FDCWD, found.path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_SYMLINK_NOFOLLOW)
	if err != nil {
		return fmt.Errorf("copying the read-only mount: %w", err)
	}
	defer unix.Close(copied)
	writable := unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY}
	if err := unix.MountSetattr(copied, "", unix.AT_EMPTY_PATH, &writable); err != nil {
		return fmt.Errorf("making the copy of the mount writable: %w", err)
	}
	path := fmt.Sprintf("/proc/self/fd/%d", copied)
	if !found.superReadOnly() {
		return set(path)
	}
	// The mount's own flag still refuses everyone else while the file system under it takes changes.
	if err := setSuperReadOnly(copied, false); err != nil {
		return err
	}
	return errors.Join(set(path), setSuperReadOnly(copied, true))
}

// setSuperReadOnly changes the flag of the file system and leaves those of its mounts.
func setSuperReadOnly(root int, readOnly bool) error {
	context, err := unix.Fspick(root, "", unix.FSPICK_CLOEXEC|unix.FSPICK_EMPTY_PATH)
	if err != nil {
		return fmt.Errorf("picking the file system: %w", err)
	}
	defer unix.Close(context)
	flag := "rw"
	if readOnly {
		flag = "ro"
	}
	if err := unix.FsconfigSetFlag(context, flag); err != nil {
		return fmt.Errorf("setting the file system %s: %w", flag, err)
	}
	if err := unix.FsconfigReconfigure(context); err != nil {
		return fmt.Errorf("setting the file system %s: %w", flag, err)
	}
	return nil
}
