package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

func (c *inspectCommand) newRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "rm NAME...",
		Short: "Remove objects and semaphores",
		Long: `Remove the names of objects, and of semaphores (sem.NAME). Who has one open or mapped can go on using it, and what it takes is
freed when the last of them is done. All names are tried; the exit code is that of the first that failed.`,
		Example:           "  shmfs rm frames sem.jobs",
		ValidArgsFunction: c.completeObject,
		Args: func(command *cobra.Command, arguments []string) error {
			if len(arguments) == 0 {
				return oneObject(command, arguments)
			}
			return nil
		},
		RunE: func(command *cobra.Command, arguments []string) error {
			names, err := objectNames(arguments)
			if err != nil {
				return err
			}
			mount, err := chooseMount(c.mount)
			if err != nil {
				return err
			}
			var failures []error
			for _, name := range names {
				if err := (object{name: name, mount: mount}).remove(); err != nil {
					failures = append(failures, err)
				}
			}
			return allFailures(command.ErrOrStderr(), failures)
		},
	}
}

func (o object) remove() error {
	switch err := unix.Unlink(o.path()); {
	case err == nil:
		return nil
	case errors.Is(err, unix.EISDIR):
		return failure(exitFailure, "%q is a directory: remove it with rmdir", o.name)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return failure(exitPermission, "removing %q: %w: use sudo, or its owner", o.name, err)
	default:
		return o.refusal(err)
	}
}

// allFailures tells of several failures a line each, and returns one that stands for all with nothing more to say.
func allFailures(output io.Writer, failures []error) error {
	if len(failures) < 2 {
		return errors.Join(failures...)
	}
	for _, err := range failures {
		fmt.Fprintln(output, "shmfs: "+errorLine(err))
	}
	return failure(codeOf(failures[0]), "")
}
