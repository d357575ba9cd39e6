package main

import (
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// mountVariable names the environment variable that chooses a mount where no flag does.
const mountVariable = "SHMFS_MOUNT"

// chooseMount returns the directory of the mount to work on: the one asked for, else the one that the environment names, else
// the only one there is.
func chooseMount(asked string) (string, error) {
	if asked == "" {
		asked = os.Getenv(mountVariable)
	}
	if asked != "" {
		found, err := requireShmfs(asked)
		return found.path, err
	}
	mounts, err := mountTable()
	if err != nil {
		return "", err
	}
	points := wholeMounts(mounts, isTopmost)
	if len(points) > 1 {
		points = usable(points)
	}
	return onlyMount(points)
}

// onlyMount refuses what leaves no mount, or a choice.
func onlyMount(points []string) (string, error) {
	switch len(points) {
	case 0:
		return "", failure(exitNotMounted, "no shmfs is mounted: mount one with shmfs mount MOUNTPOINT")
	case 1:
		return points[0], nil
	}
	return "", failure(exitUsage, "%d shmfs are mounted (%s): name one with --mount DIR, or in %s",
		len(points), strings.Join(points, ", "), mountVariable)
}

// wholeMounts returns a mountpoint of every shmfs whose root can be reached. Bind mounts of one file system count once, and
// those of a directory in it do not count: no semaphore is there.
func wholeMounts(mounts []mount, reachable func(mount) bool) []string {
	var points, devices []string
	for _, entry := range mounts {
		if entry.filesystem != filesystemType || entry.root != "/" || slices.Contains(devices, entry.device) || !reachable(entry) {
			continue
		}
		points, devices = append(points, entry.point), append(devices, entry.device)
	}
	return points
}

// isTopmost reports whether the path of a mount leads to it, and not to another that covers it.
func isTopmost(entry mount) bool {
	found, err := within(func() (mountpoint, error) { return resolve(entry.point) })
	return err == nil && found.mount.id == entry.id
}

// usable leaves out the mounts that refuse the caller (another user's) and those whose daemon is gone, unless nothing is left.
func usable(points []string) []string {
	answering := slices.DeleteFunc(slices.Clone(points), func(point string) bool {
		_, err := within(func() (struct{}, error) { return struct{}{}, unix.Access(point, unix.X_OK) })
		return err != nil
	})
	if len(answering) == 0 {
		return points
	}
	return answering
}
