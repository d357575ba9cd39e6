package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// mountpoint is a path with all links resolved, and the mount it leads into. It is found without a word to the file
// system mounted there, so that one that hangs or whose daemon died can be looked at too.
type mountpoint struct {
	path  string
	mount mount
}

// life is what is known about the file system mounted at a mountpoint.
type life int

const (
	absent life = iota // no shmfs there
	live               // a shmfs that answers
	dead               // a shmfs whose daemon is gone
	silent             // a shmfs that does not answer in time
)

// findMountpoint resolves a path. What exists but is no directory is found too; it is requireDirectory that refuses it.
func findMountpoint(path string) (mountpoint, error) {
	found, err := within(func() (mountpoint, error) { return resolve(path) })
	switch {
	case err == nil:
		return found, nil
	case errors.Is(err, unix.ENOENT):
		return mountpoint{}, failure(exitMountpoint, "mountpoint %s does not exist: create it with mkdir -p %s", path, path)
	case errors.Is(err, unix.ENOTDIR):
		return mountpoint{}, failure(exitMountpoint, "mountpoint %s leads through something that is no directory: give another path", path)
	case errors.Is(err, unix.EACCES):
		return mountpoint{}, failure(exitPermission, "mountpoint %s cannot be reached: %w: use a directory of your own, or sudo", path, unix.EACCES)
	}
	return mountpoint{}, fmt.Errorf("looking at mountpoint %s: %w", path, err)
}

// resolve opens only the path, which asks nothing of the file system at its end.
func resolve(path string) (mountpoint, error) {
	descriptor, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return mountpoint{}, err
	}
	defer unix.Close(descriptor)
	resolved, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", descriptor))
	if err != nil {
		return mountpoint{}, fmt.Errorf("resolving the path: %w", err)
	}
	id, err := mountID(descriptor)
	if err != nil {
		return mountpoint{}, err
	}
	mounts, err := mountTable()
	if err != nil {
		return mountpoint{}, err
	}
	found := mountpoint{path: resolved}
	for _, entry := range mounts {
		if entry.id == id {
			found.mount = entry
		}
	}
	return found, nil
}

// mountID returns the number in the mount table of the mount that an open path lies in.
func mountID(descriptor int) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", descriptor))
	if err != nil {
		return 0, fmt.Errorf("finding the mount: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if number, found := strings.CutPrefix(line, "mnt_id:"); found {
			return strconv.Atoi(strings.TrimSpace(number))
		}
	}
	return 0, errors.New("finding the mount: the kernel does not tell its number")
}

// shmfs reports whether the path is where a shmfs is mounted.
func (m mountpoint) shmfs() bool {
	return m.mount.filesystem == filesystemType && m.mount.point == m.path
}

// life asks the file system for its figures, which the kernel never answers out of a cache.
func (m mountpoint) life() (life, error) {
	if !m.shmfs() {
		return absent, nil
	}
	_, err := within(func() (unix.Statfs_t, error) {
		var figures unix.Statfs_t
		err := unix.Statfs(m.path, &figures)
		return figures, err
	})
	switch {
	case err == nil, errors.Is(err, unix.EACCES): // refused is answered as well
		return live, nil
	case errors.Is(err, unix.ENOTCONN), errors.Is(err, unix.ECONNABORTED), errors.Is(err, unix.ECONNREFUSED):
		return dead, nil
	case errors.Is(err, errNoAnswer):
		return silent, nil
	}
	return absent, fmt.Errorf("asking the file system at %s: %w", m.path, err)
}

// requireDirectory refuses a mountpoint that nothing can be mounted on.
func (m mountpoint) requireDirectory() error {
	info, err := within(func() (os.FileInfo, error) { return os.Stat(m.path) })
	switch {
	case errors.Is(err, unix.ENOTCONN):
		return fmt.Errorf("another file system (%s) on %s has lost its daemon: unmount it first with umount -l %s",
			m.mount.filesystem, m.path, m.path)
	case errors.Is(err, unix.EACCES):
		return failure(exitPermission, "mountpoint %s: %w: use a directory of your own, or sudo", m.path, unix.EACCES)
	case err != nil:
		return fmt.Errorf("looking at mountpoint %s: %w", m.path, err)
	case !info.IsDir():
		return failure(exitMountpoint, "mountpoint %s is no directory: give a directory", m.path)
	}
	return nil
}

// contains reports whether a path is the mountpoint or lies below it.
func (m mountpoint) contains(path string) bool {
	relative, err := filepath.Rel(m.path, path)
	return err == nil && relative != ".." && !strings.HasPrefix(relative, "../")
}
