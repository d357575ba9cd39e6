package main

import (
	"strconv"

	"github.com/spf13/cobra"
)

func (c *semCommand) newPostCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "post NAME [N]",
		Short: "Add units",
		Long:  "Add N units (default 1) to a semaphore, all or none, and wake who waits for them.",
		Example: "  shmfs sem post jobs\n" +
			"  shmfs sem post jobs 3",
		Args:              nameAnd(0, 1),
		ValidArgsFunction: c.completeName,
		RunE: func(_ *cobra.Command, arguments []string) error {
			units := 1
			if len(arguments) > 1 {
				var err error
				if units, err = number(arguments[1], 1); err != nil {
					return err
				}
			}
			target, err := c.semaphore(arguments[0])
			if err != nil {
				return err
			}
			return target.operate("post " + strconv.Itoa(units))
		},
	}
}
