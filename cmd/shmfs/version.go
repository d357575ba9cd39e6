package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"shmfs/fs"
)

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show the version, the commit and the platform of this program",
		Args: func(command *cobra.Command, arguments []string) error {
			if len(arguments) > 0 {
				return failure(exitUsage, "it takes no arguments: see %s --help", command.CommandPath())
			}
			return nil
		},
		RunE: func(command *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(command.OutOrStdout(), "shmfs %s, %s, %s/%s\n",
				fs.BuildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
