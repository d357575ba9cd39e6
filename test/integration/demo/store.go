package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// What can be mounted for the shared-memory objects.
const (
	storeShmfs = "shmfs"
	storeTmpfs = "tmpfs"
)

// storeDirectory is where glibc's sem_open looks for semaphores; since version 2.34 it looks nowhere else.
const storeDirectory = "/dev/shm"

// infoDirectory is shmfs's own tree, which is always there.
const infoDirectory = ".shmfs"

// store is a file system mounted over /dev/shm of the inner process's own mount namespace.
type store struct {
	kind    string
	shmfs   string // the shmfs binary
	logFile string // of the daemon
}

// mountStore mounts the store. It must run in a private mount namespace only.
func mountStore(ctx context.Context, s setting, directory string) (*store, error) {
	mounted := &store{kind: s.Store, shmfs: s.Shmfs, logFile: filepath.Join(directory, "shmfs.log")}
	if s.Store == storeTmpfs {
		if err := unix.Mount("tmpfs", storeDirectory, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777"); err != nil {
			return nil, fmt.Errorf("mounting tmpfs on %s: %w", storeDirectory, err)
		}
		return mounted, nil
	}
	arguments := []string{"mount", "--log-file", mounted.logFile}
	if s.Options != "" {
		arguments = append(arguments, "-o", s.Options)
	}
	if err := runQuietly(ctx, s.Shmfs, append(arguments, storeDirectory)...); err != nil {
		mounted.showLog()
		return nil, err
	}
	return mounted, nil
}

// showLog shows what the daemon logged, for the case of a failure.
func (s *store) showLog() {
	text, err := os.ReadFile(s.logFile)
	if err == nil && len(text) > 0 {
		fmt.Fprintf(os.Stderr, "demo: the daemon's log:\n%s", text)
	}
}

// list returns the names in the store, but for shmfs's own tree.
func (s *store) list() ([]string, error) {
	entries, err := os.ReadDir(storeDirectory)
	if err != nil {
		return nil, fmt.Errorf("listing the store: %w", err)
	}
	var names []string
	for _, entry := range entries {
		if entry.Name() != infoDirectory {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}

// unmount reports, besides a failed unmount, any object or semaphore that was left in the store.
func (s *store) unmount() error {
	names, err := s.list()
	if len(names) > 0 {
		err = fmt.Errorf("left in the store: %s", strings.Join(names, " "))
	}
	if s.kind == storeTmpfs {
		return errors.Join(err, unmount(storeDirectory))
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience) // also after an interruption
	defer cancel()
	return errors.Join(err, runQuietly(ctx, s.shmfs, "umount", storeDirectory))
}

// runQuietly runs a command whose output matters only when it fails.
func runQuietly(ctx context.Context, name string, arguments ...string) error {
	if output, err := exec.CommandContext(ctx, name, arguments...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(arguments, " "), err, output)
	}
	return nil
}

// mountKernel mounts one of the kernel's own file systems on a new directory.
func mountKernel(kind, directory, data string) error {
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return fmt.Errorf("making a mountpoint: %w", err)
	}
	if err := unix.Mount(kind, directory, kind, unix.MS_NOSUID|unix.MS_NODEV, data); err != nil {
		return fmt.Errorf("mounting %s: %w", kind, err)
	}
	return nil
}

func unmount(directory string) error {
	if err := unix.Unmount(directory, unix.UMOUNT_NOFOLLOW); err != nil {
		return fmt.Errorf("unmounting %s: %w", directory, err)
	}
	return nil
}
