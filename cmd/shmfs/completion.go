package main

import "github.com/spf13/cobra"

// addCompletion adds cobra's command that prints scripts for shells, and makes it refuse a shell that it does not know.
func addCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, command := range root.Commands() {
		if command.Name() == "completion" {
			command.Args = requireSubcommand
			command.RunE = func(*cobra.Command, []string) error { return nil } // never reached: requireSubcommand refuses
		}
	}
}
