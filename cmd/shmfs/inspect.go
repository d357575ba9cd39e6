package main

import (
	"github.com/spf13/cobra"
)

// inspectHelp is what the commands that look into a mount say of how it is found.
const inspectHelp = `

The mount is found by itself when there is only one; otherwise --mount or the environment variable SHMFS_MOUNT names it.
Exit codes: shmfs help exit-codes.`

// inspectCommand is what the commands share that look into a mount.
type inspectCommand struct {
	mount string // as asked for; may be empty
}

// inspectCommands are the commands that look into a mount and work on what is in it.
func inspectCommands() []*cobra.Command {
	makers := []func(*inspectCommand) *cobra.Command{
		(*inspectCommand).newListCommand,
		(*inspectCommand).newStatCommand,
		(*inspectCommand).newWhoCommand,
		(*inspectCommand).newCreateCommand,
		(*inspectCommand).newTruncateCommand,
		(*inspectCommand).newRemoveCommand,
		(*inspectCommand).newLoadCommand,
		(*inspectCommand).newCatCommand,
		(*inspectCommand).newDumpCommand,
		(*inspectCommand).newWatchCommand,
		(*inspectCommand).newStatsCommand,
		(*inspectCommand).newCollectCommand,
		(*inspectCommand).newDoctorCommand,
	}
	commands := make([]*cobra.Command, len(makers))
	for i, make := range makers {
		c := &inspectCommand{}
		command := make(c)
		command.Long += inspectHelp
		command.Flags().StringVar(&c.mount, "mount", "", "directory where the shmfs is mounted")
		_ = command.MarkFlagDirname("mount")
		commands[i] = command
	}
	return commands
}

// object finds the object that an argument names. It need not exist.
func (c *inspectCommand) object(text string) (object, error) {
	name, err := objectName(text)
	if err != nil {
		return object{}, err
	}
	mount, err := chooseMount(c.mount)
	if err != nil {
		return object{}, err
	}
	return object{name: name, mount: mount}, nil
}

// oneObject is the argument check of the commands that work on one object.
func oneObject(command *cobra.Command, arguments []string) error {
	switch {
	case len(arguments) == 0:
		return failure(exitUsage, "the name of an object is missing: see %s --help", command.CommandPath())
	case len(arguments) > 1:
		return failure(exitUsage, "%q is an argument too many: see %s --help", arguments[1], command.CommandPath())
	}
	return nil
}

// oneOrNoObject is the argument check of the commands for which an object may be named.
func oneOrNoObject(command *cobra.Command, arguments []string) error {
	if len(arguments) == 0 {
		return nil
	}
	return oneObject(command, arguments)
}

// noArguments is the argument check of the commands that take none.
func noArguments(command *cobra.Command, arguments []string) error {
	if len(arguments) > 0 {
		return failure(exitUsage, "it takes no arguments: see %s --help", command.CommandPath())
	}
	return nil
}
