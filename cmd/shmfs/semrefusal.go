package main

import (
	"errors"
	"strings"

	"golang.org/x/sys/unix"
)

// refusal says why an operation on a semaphore failed, with the remedy where there is one.
func (s semaphore) refusal(err error) error {
	switch {
	case errors.Is(err, unix.ENOENT):
		return failure(exitFailure, "semaphore %q does not exist: create it with shmfs sem create %s", s.name, shellName(s.name))
	case errors.Is(err, unix.EEXIST):
		return failure(exitFailure, "semaphore %q exists already: use it, or remove it with shmfs sem rm %s",
			s.name, shellName(s.name))
	case errors.Is(err, unix.EOPNOTSUPP):
		return failure(exitFailure, "semaphore %q would have to be waited for, which the shmfs on %s cannot do without passthrough: "+
			"have it mounted as root on Linux 6.9 or later, or try again when the units are there", s.name, s.mount)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return failure(exitPermission, "semaphore %q: %w: use sudo, or have its owner allow it with chmod a+rw %s",
			s.name, err, printableField(s.path()))
	case errors.Is(err, unix.EROFS):
		return failure(exitFailure, "the shmfs on %s is mounted read-only: semaphores can only be looked at", s.mount)
	case errors.Is(err, unix.EOVERFLOW):
		return failure(exitFailure, "semaphore %q cannot have more than %d units: give fewer", s.name, mostUnits)
	case errors.Is(err, unix.EINVAL):
		return failure(exitFailure, "the file of semaphore %q is no valid semaphore: see what is wrong with shmfs sem get --all %s",
			s.name, shellName(s.name))
	case errors.Is(err, unix.EDQUOT):
		return failure(exitFailure, "semaphore %q: %w: its owner has reached a limit (see shmfs quota get): remove objects, or have "+
			"the limit raised with shmfs quota set", s.name, err)
	case errors.Is(err, unix.ENOSPC):
		return failure(exitFailure, "semaphore %q: %w: remove objects, or give the mount a larger size "+
			"(shmfs mount -o remount,size=SIZE %s)", s.name, err, s.mount)
	case errors.Is(err, unix.ENOTCONN), errors.Is(err, unix.ECONNABORTED), errors.Is(err, unix.ENODEV):
		return failure(exitNotMounted, "the daemon of the shmfs on %s has died: mount it again", s.mount)
	}
	return failure(exitFailure, "semaphore %q: %w", s.name, err)
}

// noSemaphores says that the daemon takes the semaphore's file for a plain one.
func (s semaphore) noSemaphores() error {
	return failure(exitFailure, "the shmfs on %s serves no semaphores, to it %s is a plain file: "+
		"have it mounted by a daemon of this version, as root on Linux 6.9 or later", s.mount, s.path())
}

// shellName is a name to be typed in a shell where it needs no quotes, and a placeholder where it does.
func shellName(name string) string {
	const harmless = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:@%+,-"
	if strings.Trim(name, harmless) != "" || strings.HasPrefix(name, "-") {
		return "NAME"
	}
	return name
}
