package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

func newReloadCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "reload MOUNTPOINT",
		Short: "Have the program that is on disk now serve a mount",
		Long: `Replace the process that serves a mount by one of the program that is on disk now, where the mount's was when it was
mounted, and return when that serves. Programs that use the mount see a pause of milliseconds: what they have open, mapped or
locked goes on. A program that cannot serve it changes nothing. SIGHUP to the mount's daemon does the same.

Exit codes:
` + exitCodeTable(),
		Example: "  shmfs reload /mnt/shared",
		Args:    exactlyOne,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: func(_ *cobra.Command, arguments []string) error { return reload(arguments[0]) },
	}
}

// controlReload is the attribute by which a mount is asked to reload, and what became of it.
const controlReload = "reload"

const (
	// reloadLimit is how long a reload may take.
	reloadLimit = 2 * time.Minute

	// reloadLook is the time between two looks at what became of it.
	reloadLook = 5 * time.Millisecond
)

func reload(path string) error {
	found, err := requireShmfs(path)
	if err != nil {
		return err
	}
	if err := requireOwner(found); err != nil {
		return err
	}
	if err := requireLive(found); err != nil {
		return err
	}
	request := rand.Text()
	if err := requestReload(found, request); err != nil {
		return reloadRefusal(found, err)
	}
	return awaitReload(found, request)
}

// requestReload asks for a reload, which the request names from then on. It waits for one that is under way, and for a supervisor if there
// is none.
func requestReload(found mountpoint, request string) error {
	for deadline := time.Now().Add(reloadLimit); ; time.Sleep(reloadLook) {
		name, _, err := readControl(found.path, controlReload)
		if err != nil {
			return err
		}
		err = setControl(found, name, request)
		if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			return err
		}
	}
}

// setControl sets a control attribute. The kernel lets nobody set an attribute of a read-only mount.
func setControl(found mountpoint, name, value string) error {
	set := func(path string) error {
		_, err := within(func() (struct{}, error) { return struct{}{}, unix.Setxattr(path, name, []byte(value), 0) })
		return err
	}
	if !found.readOnly() {
		return set(found.path)
	}
	if os.Geteuid() != 0 {
		return unix.EROFS
	}
	return throughWritableCopy(found, set)
}

// awaitReload returns when the reload has ended, one way or the other.
func awaitReload(found mountpoint, request string) error {
	for deadline := time.Now().Add(reloadLimit); time.Now().Before(deadline); time.Sleep(reloadLook) {
		_, text, err := readControl(found.path, controlReload)
		if err != nil {
			return err
		}
		switch outcome := parseOutcomes(text).of(request); outcome.State {
		case reloadGoing:
		case reloadDone:
			return nil
		case reloadFailed:
			return failure(exitFailure, "the shmfs on %s goes on as it was: %s", found.path, outcome.Reason)
		default:
			return fmt.Errorf("what became of the reload of the shmfs on %s is not known: see its log", found.path)
		}
	}
	return fmt.Errorf("the shmfs on %s has not reloaded within %v: see its log", found.path, reloadLimit)
}

func reloadRefusal(found mountpoint, err error) error {
	switch {
	case errors.Is(err, unix.EROFS):
		return failure(exitPermission, "the shmfs on %s is mounted read-only: reloading it takes root: use sudo, or send its daemon SIGHUP", found.path)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return failure(exitPermission, "the shmfs on %s refuses: %w: use sudo, or the user who mounted it", found.path, err)
	}
	return failure(exitFailure, "reloading the shmfs on %s: %w", found.path, err)
}
