package main

import (
	"strconv"

	"github.com/spf13/cobra"
)

func (c *semCommand) newSetCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "set NAME N",
		Short: "Make the value N",
		Long: `Make the value of a semaphore N, whatever it was, and wake who can go on.

Units that somebody holds through shmfs sem run are added to it when they come back.`,
		Example:           "  shmfs sem set jobs 3",
		Args:              nameAnd(1, 1),
		ValidArgsFunction: c.completeName,
		RunE: func(_ *cobra.Command, arguments []string) error {
			value, err := number(arguments[1], 0)
			if err != nil {
				return err
			}
			target, err := c.semaphore(arguments[0])
			if err != nil {
				return err
			}
			return target.operate("set " + strconv.Itoa(value))
		},
	}
}
