package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// What a mount tells about itself in the extended attributes of its root. Those of a mount that root made are in the class
// that only root may see; an ordinary user's are in the class of ordinary users.
const (
	controlOptions = "options"
	controlProcess = "pid"
	controlQuota   = "quota"
)

var controlClasses = []string{"trusted.shmfs.", "user.shmfs."}

// readControl asks a live mount for one of its attributes, and returns the full name that it has.
func readControl(path, attribute string) (name, value string, err error) {
	for _, class := range controlClasses {
		name = class + attribute
		value, err = readAttribute(path, name)
		if !errors.Is(err, unix.ENODATA) && !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.ENOTSUP) {
			break
		}
	}
	if err != nil {
		return "", "", fmt.Errorf("asking the shmfs on %s for its %s: %w", path, attribute, err)
	}
	return name, value, nil
}

func readAttribute(path, name string) (string, error) {
	return within(func() (string, error) {
		value := make([]byte, 64<<10) // the kernel's limit for any attribute
		length, err := unix.Getxattr(path, name, value)
		if err != nil {
			return "", err
		}
		return string(value[:length]), nil
	})
}

// writeControl sets an attribute of a live mount, by its full name. The kernel lets nobody set one of a read-only mount.
func writeControl(found mountpoint, name, value string, readOnly bool) error {
	set := func(path string) error {
		_, err := within(func() (struct{}, error) {
			return struct{}{}, unix.Setxattr(path, name, []byte(value), 0)
		})
		return err
	}
	if !readOnly {
		return set(found.path)
	}
	if os.Geteuid() != 0 {
		return unix.EROFS
	}
	return throughWritableCopy(found, set)
}

// daemonOf returns the process that serves a live mount.
func daemonOf(found mountpoint) (int, error) {
	_, text, err := readControl(found.path, controlProcess)
	if err != nil {
		return 0, err
	}
	process, err := strconv.Atoi(text)
	if err != nil || process <= 0 {
		return 0, fmt.Errorf("the shmfs on %s names %q as its process", found.path, text)
	}
	return process, nil
}

// requireOwner refuses what only the user who mounted, or root, may do.
func requireOwner(found mountpoint) error {
	if user := os.Geteuid(); user != 0 && user != found.mount.user() {
		return failure(exitPermission, "the shmfs on %s belongs to user %d: use sudo, or that user", found.path, found.mount.user())
	}
	return nil
}
