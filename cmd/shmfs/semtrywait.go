package main

import (
	"errors"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

func (c *semCommand) newTrywaitCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "trywait NAME",
		Short:             "Take a unit if there is one",
		Long:              "Take a unit if there is one, and end with 1 if there is none.",
		Example:           "  shmfs sem trywait jobs || echo busy",
		Args:              nameAnd(0, 0),
		ValidArgsFunction: c.completeName,
		RunE: func(_ *cobra.Command, arguments []string) error {
			target, err := c.semaphore(arguments[0])
			if err != nil {
				return err
			}
			return target.tryWait()
		},
	}
}

func (s semaphore) tryWait() error {
	file, err := s.openToOperate()
	if err != nil {
		return err
	}
	defer file.close()
	switch err := file.command("trywait"); {
	case err == nil:
		return nil
	case errors.Is(err, unix.EAGAIN):
		return failure(exitFailure, "semaphore %q has no unit free: wait for one with shmfs sem wait %s", s.name, shellName(s.name))
	default:
		return s.refusal(err)
	}
}
