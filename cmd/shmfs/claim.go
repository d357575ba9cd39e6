package main

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// claim is a mountpoint that is ready to be mounted on, locked against another shmfs mount that starts at the same time.
type claim struct {
	mountpoint
	lock int // descriptor of the locked directory; negative where it cannot be locked
}

// claimMountpoint finds the directory, detaches dead mounts that cover it, and refuses it when a shmfs lives there.
func claimMountpoint(path string) (*claim, error) {
	for {
		found, err := findMountpoint(path)
		if err != nil {
			return nil, err
		}
		state, err := found.life()
		if err != nil {
			return nil, err
		}
		switch state {
		case live:
			return nil, failure(exitMounted, "%s already has a live shmfs%s: use it, or unmount it with shmfs umount %s",
				found.path, ownerNote(found), path)
		case silent:
			return nil, fmt.Errorf("%s already has a shmfs that does not answer within %v: detach it with shmfs umount -l %s",
				found.path, patience, path)
		case dead:
			if err := replaceDead(found); err != nil {
				return nil, err
			}
			continue
		}
		if err := found.requireDirectory(); err != nil {
			return nil, err
		}
		lock, err := lockDirectory(found.path)
		if err != nil {
			return nil, err
		}
		claimed := &claim{mountpoint: found, lock: lock}
		// Whoever held the lock before may have mounted in the meantime: then the path leads to another mount now.
		if again, err := findMountpoint(path); err == nil && again.mount.id == found.mount.id && again.path == found.path {
			return claimed, nil
		}
		claimed.release()
	}
}

// replaceDead detaches a mount whose daemon is gone, and says so and what was lost.
func replaceDead(found mountpoint) error {
	// Looked up while no other mount can have its device number, and with a limit: a user's directory may be anything.
	left, unknown := within(func() (mountNote, error) { return noteOf(found.mount) })
	elsewhere := mountedElsewhere(found)
	if err := unmount(found.path, true); err != nil {
		return unmountFailure(found.path, err)
	}
	fmt.Fprintf(os.Stderr, "shmfs: detached a stale mount from %s: its daemon had died: %s\n", found.path, left.loss())
	if unknown == nil && elsewhere == "" {
		_ = os.Remove(left.path) // what is not removed will be swept
	}
	return nil
}

// ownerNote names the process that serves a live mount, where it can be asked.
func ownerNote(found mountpoint) string {
	if process, err := daemonOf(found); err == nil {
		return fmt.Sprintf(" (process %d)", process)
	}
	return ""
}

// lockDirectory takes the lock that keeps two mounts at one time apart. A directory that may not be read, or whose file
// system has no locks, goes without.
func lockDirectory(path string) (int, error) {
	descriptor, err := within(func() (int, error) {
		descriptor, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err != nil {
			return -1, nil
		}
		if err := lockWhole(descriptor); err != nil {
			unix.Close(descriptor)
			return -1, nil
		}
		return descriptor, nil
	})
	if errors.Is(err, errNoAnswer) {
		return -1, fmt.Errorf("another shmfs mount has been starting on %s for more than %v: wait for it or end it", path, patience)
	}
	return descriptor, err
}

func lockWhole(descriptor int) error {
	for {
		if err := unix.Flock(descriptor, unix.LOCK_EX); err != unix.EINTR {
			return err
		}
	}
}

// release lets other mounts at the directory begin.
func (c *claim) release() {
	if c.lock >= 0 {
		_ = unix.Close(c.lock)
		c.lock = -1
	}
}
