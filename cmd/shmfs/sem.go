package main

import (
	"strconv"

	"github.com/spf13/cobra"
)

// mostUnits is the largest value that a semaphore can have.
const mostUnits = 1<<31 - 1

const semHelp = `Work with named semaphores from a shell, in the very memory that programs reach with sem_open.

NAME is a name as sem_open takes it; the slash before it may be left out. The mount is found by itself when there is
only one; otherwise --mount or the environment variable SHMFS_MOUNT names it.

Where passthrough is not in use no command can wait: wait and run fail unless the units are there at once.

Exit codes:
`

// semCommand is what the commands of `shmfs sem` share.
type semCommand struct {
	mount string // as asked for; may be empty
}

func newSemCommand() *cobra.Command {
	c := &semCommand{}
	command := &cobra.Command{
		Use:   "sem",
		Short: "Work with named semaphores",
		Long:  semHelp + exitCodeTable() + runExitCodeTable(),
		Example: "  shmfs sem create jobs 3\n" +
			"  shmfs sem run jobs -- make\n" +
			"  shmfs sem ls",
		Args: requireSubcommand,
		RunE: func(*cobra.Command, []string) error { return nil }, // never reached: requireSubcommand refuses
	}
	flags := command.PersistentFlags()
	flags.StringVar(&c.mount, "mount", "", "directory where the shmfs is mounted")
	_ = command.MarkPersistentFlagDirname("mount")
	command.AddCommand(c.newCreateCommand(), c.newPostCommand(), c.newWaitCommand(), c.newTrywaitCommand(), c.newGetCommand(),
		c.newSetCommand(), c.newResetCommand(), c.newRemoveCommand(), c.newListCommand(), c.newRunCommand())
	return command
}

// semaphore finds the semaphore that an argument names. It need not exist.
func (c *semCommand) semaphore(text string) (semaphore, error) {
	name, err := semaphoreName(text)
	if err != nil {
		return semaphore{}, err
	}
	mount, err := chooseMount(c.mount)
	if err != nil {
		return semaphore{}, err
	}
	return semaphore{name: name, mount: mount}, nil
}

// nameAnd is the argument check of the commands that take a name and as many further arguments.
func nameAnd(least, most int) cobra.PositionalArgs {
	return func(command *cobra.Command, arguments []string) error {
		switch further := len(arguments) - 1; {
		case further < 0:
			return failure(exitUsage, "the name of a semaphore is missing: see %s --help", command.CommandPath())
		case further < least:
			return failure(exitUsage, "an argument is missing behind %q: see %s --help", arguments[0], command.CommandPath())
		case further > most:
			return failure(exitUsage, "%q is an argument too many: see %s --help", arguments[most+1], command.CommandPath())
		}
		return nil
	}
}

// number reads a number of units.
func number(text string, least int) (int, error) {
	value, err := strconv.ParseUint(text, 10, 31)
	if err != nil || int(value) < least {
		return 0, failure(exitUsage, "%q is no number from %d to %d", text, least, mostUnits)
	}
	return int(value), nil
}
