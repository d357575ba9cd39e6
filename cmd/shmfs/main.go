package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"shmfs/fs"
)

func main() {
	fs.RunUserStore() // ends the process where it is the one that makes an ordinary user's store
	fs.RunSemaphoreHelper()
	err := newRootCommand().Execute()
	if text := errorLine(err); text != "" {
		fmt.Fprintln(os.Stderr, "shmfs: "+text)
	}
	os.Exit(lastCode(err))
}

// lastCode is the code to exit with. What a service manager has kept it lets go of if the service cannot be started: what this process does not
// come to taking it is to keep until it can.
func lastCode(err error) int {
	if err != nil && handedOver() {
		return exitLeft
	}
	return codeOf(err)
}

// errorLine is what there is to say of an error: one line a failure, so that logs and scripts can take it as it is. It is
// empty where all has been said.
func errorLine(err error) string {
	if err == nil {
		return ""
	}
	return printable(strings.ReplaceAll(err.Error(), "\n", " "))
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "shmfs",
		Short:         "Mount shared memory and named semaphores as files",
		Version:       fs.BuildVersion().String(),
		Args:          requireSubcommand,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(*cobra.Command, []string) error { return nil }, // never reached: requireSubcommand refuses
	}
	root.SetVersionTemplate("shmfs {{.Version}}\n")
	root.SetFlagErrorFunc(func(command *cobra.Command, err error) error {
		return failure(exitUsage, "%w: see %s --help", err, command.CommandPath())
	})
	root.AddCommand(newMountCommand(), newUmountCommand(), newSemCommand(), newQuotaCommand(), newTopCommand(), newVersionCommand(),
		newDetachCommand(), newWorkerCommand(), newSupervisorCommand(), newReloadCommand(),
		newExitCodesTopic())
	root.AddCommand(inspectCommands()...)
	addCompletion(root)
	return root
}

// requireSubcommand refuses what names no subcommand, and suggests the one that was probably meant.
func requireSubcommand(command *cobra.Command, arguments []string) error {
	if len(arguments) == 0 {
		return failure(exitUsage, "a command is missing: see %s --help", command.CommandPath())
	}
	command.SuggestionsMinimumDistance = 2
	if near := command.SuggestionsFor(arguments[0]); len(near) > 0 {
		return failure(exitUsage, "unknown command %q: did you mean %q?", arguments[0], near[0])
	}
	return failure(exitUsage, "unknown command %q: see %s --help", arguments[0], command.CommandPath())
}

// exactlyOne is the argument check of the commands that work on a mountpoint.
func exactlyOne(command *cobra.Command, arguments []string) error {
	if len(arguments) != 1 {
		return failure(exitUsage, "one mountpoint is needed, %d were given: see %s --help", len(arguments), command.CommandPath())
	}
	if arguments[0] == "" {
		return failure(exitUsage, "the mountpoint is empty: see %s --help", command.CommandPath())
	}
	return nil
}

// codeOf returns the exit code that an error asks for.
func codeOf(err error) int {
	if err == nil {
		return exitOK
	}
	var coded *codedError
	if errors.As(err, &coded) {
		return coded.code
	}
	return exitFailure
}
