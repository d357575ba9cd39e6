package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

func newUmountCommand() *cobra.Command {
	var lazy bool
	command := &cobra.Command{
		Use:   "umount [-l] MOUNTPOINT",
		Short: "Unmount a shmfs",
		Long: `Unmount a shmfs and return when its daemon has ended.

A mount in use is refused. With --lazy it leaves the path at once, and its daemon ends with the last user.
What lies in memory is gone with the daemon. A mount whose daemon has died is detached.

Exit codes:
` + exitCodeTable(),
		Example: "  shmfs umount /mnt/shared",
		Args:    exactlyOne,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: func(_ *cobra.Command, arguments []string) error { return umount(arguments[0], lazy) },
	}
	command.Flags().BoolVarP(&lazy, "lazy", "l", false, "detach now, and end when the last user is gone")
	return command
}

func umount(path string, lazy bool) error {
	found, err := requireShmfs(path)
	if err != nil {
		return err
	}
	if err := requireOwner(found); err != nil {
		return err
	}
	state, err := found.life()
	if err != nil {
		return err
	}
	switch {
	case state == dead:
		return replaceDead(found)
	case state == silent && !lazy:
		return fmt.Errorf("the shmfs on %s does not answer within %v: detach it with shmfs umount -l %s", found.path, patience, path)
	case lazy:
		return lazyUnmount(found.path)
	}
	// Asked now, because nobody answers afterwards. Root may be kept out of a user's mount: then nobody is waited for.
	daemon := openDaemon(found)
	if daemon >= 0 {
		defer unix.Close(daemon)
	}
	elsewhere := mountedElsewhere(found)
	if err := unmount(found.path, false); err != nil {
		return unmountFailure(found.path, err)
	}
	if elsewhere != "" {
		fmt.Fprintf(os.Stderr, "shmfs: it stays mounted on %s\n", elsewhere)
		return nil
	}
	if daemon < 0 {
		return nil
	}
	return awaitDaemon(daemon, found.path)
}

func lazyUnmount(path string) error {
	if err := unmount(path, true); err != nil {
		return unmountFailure(path, err)
	}
	return nil
}

// requireShmfs finds a mountpoint and refuses it unless a shmfs is mounted right there.
func requireShmfs(path string) (mountpoint, error) {
	found, err := findMountpoint(path)
	if err != nil {
		return mountpoint{}, err
	}
	switch {
	case found.shmfs():
		return found, nil
	case found.mount.filesystem == filesystemType:
		return mountpoint{}, failure(exitNotMounted, "%s lies in a shmfs that is mounted on %s: name that one", path, found.mount.point)
	}
	return mountpoint{}, failure(exitNotMounted, "no shmfs is mounted on %s: findmnt -t %s lists those that are", path, filesystemType)
}

// openDaemon returns a descriptor of the serving process, or a negative number where it cannot be had.
func openDaemon(found mountpoint) int {
	process, err := daemonOf(found)
	if err != nil {
		return -1
	}
	descriptor, err := unix.PidfdOpen(process, 0)
	if err != nil {
		return -1
	}
	return descriptor
}

// mountedElsewhere returns another mountpoint (a bind mount) of the same file system, whose daemon stays for it. It has to be
// asked while the file system is mounted: its device number may be another's right afterwards.
func mountedElsewhere(found mountpoint) string {
	mounts, err := mountTable()
	if err != nil {
		return ""
	}
	for _, entry := range mounts {
		if entry.device == found.mount.device && entry.id != found.mount.id {
			return entry.point
		}
	}
	return ""
}

// awaitDaemon returns when the process has ended.
func awaitDaemon(descriptor int, path string) error {
	deadline := time.Now().Add(endLimit)
	for {
		left := time.Until(deadline)
		if left <= 0 {
			return fmt.Errorf("%s is unmounted, but its daemon still runs after %v: another mount namespace may hold the mount", path, endLimit)
		}
		ready, err := unix.Poll([]unix.PollFd{{Fd: int32(descriptor), Events: unix.POLLIN}}, int(left.Milliseconds())+1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("waiting for the daemon of %s: %w", path, err)
		}
		if ready > 0 {
			return nil
		}
	}
}
