package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"

	"shmfs/fs"
)

// fuseDevice is where the kernel hands requests to file servers.
const fuseDevice = "/dev/fuse"

// fuseConfiguration is where the administrator allows allow_other to ordinary users.
const fuseConfiguration = "/etc/fuse.conf"

// requireRights finds out before anything is mounted what would be refused, where a remedy can be named.
func requireRights(target string, options fs.Options) error {
	if err := requireDevice(); err != nil {
		return err
	}
	if os.Geteuid() == 0 {
		return nil
	}
	if _, err := exec.LookPath(unmountHelper); err != nil {
		return failure(exitPermission, "an ordinary user mounts through %s, which is not installed: "+
			"install it (Debian and Ubuntu: apt install fuse3), or use sudo", unmountHelper)
	}
	if _, err := within(func() (struct{}, error) { return struct{}{}, requireOwnDirectory(target) }); err != nil {
		return failure(exitPermission, "mounting on %s: %w: use a directory of your own, or sudo", target, err)
	}
	if options.AllowOther && !othersAllowed() {
		return failure(exitPermission, "allow_other needs a line user_allow_other in %s: ask for that line, leave allow_other out, or use sudo",
			fuseConfiguration)
	}
	return nil
}

// requireOwnDirectory checks what fusermount3 asks of an ordinary user's mountpoint.
func requireOwnDirectory(target string) error {
	if err := unix.Access(target, unix.W_OK); err != nil {
		return fmt.Errorf("write access to it is needed: %w", err)
	}
	var found unix.Stat_t
	if err := unix.Stat(target, &found); err != nil {
		return err
	}
	if found.Mode&unix.S_ISVTX != 0 && found.Uid != uint32(os.Getuid()) {
		return errors.New("a directory with the sticky bit has to be the user's own")
	}
	return nil
}

func requireDevice() error {
	descriptor, err := unix.Open(fuseDevice, unix.O_RDWR|unix.O_CLOEXEC, 0)
	switch {
	case err == nil:
		return unix.Close(descriptor)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return failure(exitPermission, "%s may not be opened (%w): use sudo, or have it made mode 0666; "+
			"a container needs --device %s and CAP_SYS_ADMIN", fuseDevice, err, fuseDevice)
	}
	return failure(exitFailure, "%s cannot be opened (%w): load the kernel's module with modprobe fuse", fuseDevice, err)
}

// othersAllowed reports whether the configuration of fusermount3 has the line that allows allow_other.
func othersAllowed() bool {
	text, err := os.ReadFile(fuseConfiguration)
	return err == nil && allowsOthers(string(text))
}

func allowsOthers(configuration string) bool {
	for line := range strings.Lines(configuration) {
		if strings.TrimSpace(line) == "user_allow_other" {
			return true
		}
	}
	return false
}

// mountFailure gives an error of fs.Mount its exit code and, where there is one, the remedy.
func mountFailure(target string, err error) error {
	switch {
	case errors.Is(err, fs.ErrPassthroughUnavailable):
		return failure(exitPassthrough, "%w: passthrough takes Linux 6.9 and root: "+
			"leave require-passthrough out to mount %s in page-cache mode", err, target)
	case refusedRight(err) && os.Geteuid() == 0:
		return failure(exitPermission, "%w: the capability CAP_SYS_ADMIN is missing: "+
			"run outside the container, or give it that capability", err)
	case refusedRight(err):
		return failure(exitPermission, "%w: use sudo, or a directory of your own and options for which no right is needed", err)
	}
	return failure(exitFailure, "%w", err)
}

// refusedRight reports whether the kernel, or fusermount3 in words, said that the right is missing.
func refusedRight(err error) bool {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return true
	}
	text := err.Error()
	for _, words := range []string{"ermission denied", "not permitted", "no write access", "not owned by"} {
		if strings.Contains(text, words) {
			return true
		}
	}
	return false
}
