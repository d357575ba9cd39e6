package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// detachLimit is how long the serving process waits for the process that ends its mount.
const detachLimit = 4 * patience

// newDetachCommand is the process that a serving process starts to end its own mount. It makes sure that what it takes off
// the path is that mount and no other.
func newDetachCommand() *cobra.Command {
	var daemon int
	var lazy, gone bool
	command := &cobra.Command{
		Use:    "detach --daemon PID MOUNTPOINT",
		Hidden: true,
		Args:   exactlyOne,
		RunE: func(_ *cobra.Command, arguments []string) error {
			return detach(arguments[0], daemon, lazy, gone)
		},
	}
	command.Flags().IntVar(&daemon, "daemon", 0, "the process whose mount it is")
	command.Flags().BoolVar(&lazy, "lazy", false, "detach also what is in use")
	command.Flags().BoolVar(&gone, "dead", false, "detach only a mount that has no daemon any more")
	return command
}

func detach(path string, daemon int, lazy, gone bool) error {
	found, err := requireShmfs(path)
	if err != nil {
		return err
	}
	if gone {
		state, err := found.life()
		if err != nil || state != dead {
			return err
		}
		return lazyUnmount(found.path)
	}
	if serving, err := daemonOf(found); err != nil {
		return err
	} else if serving != daemon {
		return failure(exitNotMounted, "%s is covered by the mount of process %d", path, serving)
	}
	if err := unmount(found.path, lazy); err != nil {
		return unmountFailure(found.path, err)
	}
	return nil
}

// startDetach runs the detach command in a process of its own and returns its error, with its exit code.
func startDetach(mountpoint string, flags ...string) error {
	limit, cancel := context.WithTimeout(context.Background(), detachLimit)
	defer cancel()
	arguments := append([]string{"detach", "--daemon", strconv.Itoa(os.Getpid())}, flags...)
	command := exec.CommandContext(limit, "/proc/self/exe", append(arguments, "--", mountpoint)...)
	command.Dir = "/"
	command.WaitDelay = patience
	// A group of its own: the keys that interrupt a foreground mount must not interrupt its unmounting.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var said bytes.Buffer
	command.Stderr = &said
	err := command.Run()
	var ended *exec.ExitError
	if errors.As(err, &ended) && ended.ExitCode() > 0 {
		return failure(ended.ExitCode(), "%s", strings.TrimPrefix(strings.TrimSpace(said.String()), "shmfs: "))
	}
	if err != nil {
		return fmt.Errorf("starting the process that unmounts %s: %w", mountpoint, err)
	}
	return nil
}
