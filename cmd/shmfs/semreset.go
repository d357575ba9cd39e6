package main

import (
	"strconv"

	"github.com/spf13/cobra"
)

func (c *semCommand) newResetCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "reset NAME",
		Short: "Make the value what it was at the beginning",
		Long: `Make the value of a semaphore again what it was created with, as after the crash of a program that held units.

Units that somebody holds through shmfs sem run are added to it when they come back.`,
		Example:           "  shmfs sem reset jobs",
		Args:              nameAnd(0, 0),
		ValidArgsFunction: c.completeName,
		RunE: func(_ *cobra.Command, arguments []string) error {
			target, err := c.semaphore(arguments[0])
			if err != nil {
				return err
			}
			return target.reset()
		},
	}
}

func (s semaphore) reset() error {
	initial, err := s.known(func(state semaphoreState) *int { return state.Initial })
	if err != nil {
		return err
	}
	if initial < 0 {
		return failure(exitFailure, "what semaphore %q was created with is unknown, it was not created through the mount: "+
			"give a value with shmfs sem set %s N", s.name, shellName(s.name))
	}
	return s.operate("set " + strconv.Itoa(initial))
}
