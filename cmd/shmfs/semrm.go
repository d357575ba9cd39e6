package main

import (
	"errors"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

func (c *semCommand) newRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "rm NAME",
		Short:             "Remove a semaphore",
		Long:              "Remove a semaphore's name. Who has it open or mapped can go on using it.",
		Example:           "  shmfs sem rm jobs",
		Args:              nameAnd(0, 0),
		ValidArgsFunction: c.completeName,
		RunE: func(_ *cobra.Command, arguments []string) error {
			target, err := c.semaphore(arguments[0])
			if err != nil {
				return err
			}
			return target.remove()
		},
	}
}

func (s semaphore) remove() error {
	switch err := unix.Unlink(s.path()); {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENOENT):
		return failure(exitFailure, "semaphore %q does not exist: see which do with shmfs sem ls", s.name)
	case errors.Is(err, unix.EISDIR):
		return failure(exitFailure, "%s is no semaphore but a directory: remove it with rmdir", s.path())
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return failure(exitPermission, "removing semaphore %q: %w: use sudo, or its owner", s.name, err)
	default:
		return s.refusal(err)
	}
}
