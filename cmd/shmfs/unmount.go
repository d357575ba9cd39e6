package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// unmountHelper is the set-user-ID program through which an ordinary user mounts and unmounts.
const unmountHelper = "fusermount3"

// unmount takes the topmost mount off a path, lazily if so asked: then it leaves the path at once, and ends with its last
// user. It follows no symbolic link at the path's end. A mount in use is EBUSY, a missing right EPERM.
func unmount(path string, lazy bool) error {
	if os.Geteuid() != 0 {
		return unmountAsUser(path, lazy)
	}
	flags := unix.UMOUNT_NOFOLLOW
	if lazy {
		flags |= unix.MNT_DETACH
	}
	return unix.Unmount(path, flags)
}

func unmountAsUser(path string, lazy bool) error {
	arguments := []string{"-u"}
	if lazy {
		arguments = append(arguments, "-z")
	}
	command := exec.Command(unmountHelper, append(arguments, "--", path)...)
	command.Env = append(os.Environ(), "LC_ALL=C") // its words are read below
	output, err := command.CombinedOutput()
	if err == nil {
		return nil
	}
	said := strings.TrimSpace(string(bytes.ReplaceAll(output, []byte("\n"), []byte(" "))))
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return fmt.Errorf("%w: %s is not installed (Debian and Ubuntu: apt install fuse3)", unix.EPERM, unmountHelper)
	case strings.Contains(said, "busy"):
		return fmt.Errorf("%w: %s", unix.EBUSY, said)
	case strings.Contains(said, "not permitted"), strings.Contains(said, "ermission denied"), strings.Contains(said, "not found in"):
		return fmt.Errorf("%w: %s", unix.EPERM, said)
	}
	return fmt.Errorf("%s: %w: %s", unmountHelper, err, said)
}

// unmountFailure gives an error of unmount its exit code and the remedy.
func unmountFailure(path string, err error) error {
	switch {
	case errors.Is(err, unix.EBUSY):
		return failure(exitBusy, "%s is in use: see who uses it with fuser -vm %s (or lsof %s), or detach it with shmfs umount -l %s",
			path, path, path, path)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return failure(exitPermission, "unmounting %s: %w: use sudo, or the user who mounted it", path, err)
	case errors.Is(err, unix.EINVAL):
		return failure(exitNotMounted, "%s is not a mountpoint any more", path)
	}
	return failure(exitFailure, "unmounting %s: %w", path, err)
}
