package main

import (
	"github.com/spf13/cobra"
)

func (c *quotaCommand) newListCommand() *cobra.Command {
	view := tableView{}
	command := &cobra.Command{
		Use:   "ls [-o COLUMNS] [--sort COLUMN] [--bytes] [--json | --noheadings]",
		Short: "List who holds how much, and may hold how much",
		Long: `List everybody who holds something or has limits of their own: bytes and objects, the limits in force (- for none), and which of
the limits are the user's own.`,
		Example: "  shmfs quota ls\n" +
			"  shmfs quota ls --json",
		Args:              noArguments,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(command *cobra.Command, _ []string) error {
			mount, err := chooseMount(c.mount)
			if err != nil {
				return err
			}
			all, err := readInfoTable(mount, quotaFile)
			if err != nil {
				return err
			}
			return view.show(command.OutOrStdout(), all, usualQuotaColumns...)
		},
	}
	view.addFlags(command)
	return command
}
