package main

import (
	"errors"
	"time"

	"github.com/spf13/cobra"

	"shmfs/cmd/shmfs/top"
)

// The least and the most time between two samples of the live view.
const (
	shortestInterval = 100 * time.Millisecond
	longestInterval  = time.Hour
)

const topHelp = `Show what is in a mount and who uses it, live: totals, objects, semaphores, and in detail the object that is selected.
h shows the keys. No key ends a process; u unlinks a name, after asking.

The mount is found by itself when there is only one; otherwise --mount or the environment variable SHMFS_MOUNT names it.
NO_COLOR turns colours off.`

// topView is one call of `shmfs top`.
type topView struct {
	mount    string // as asked for; may be empty
	interval timeLimit
	once     bool
}

func newTopCommand() *cobra.Command {
	view := topView{interval: timeLimit{given: true, duration: time.Second}}
	command := &cobra.Command{
		Use:   "top [--mount DIR] [--interval TIME] [--once]",
		Short: "Show objects and semaphores live",
		Long:  topHelp,
		Example: "  shmfs top\n" +
			"  shmfs top --interval 5\n" +
			"  shmfs top --once",
		Args: func(command *cobra.Command, arguments []string) error {
			if len(arguments) > 0 {
				return failure(exitUsage, "it takes no arguments: see %s --help", command.CommandPath())
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(command *cobra.Command, _ []string) error { return view.show(command) },
	}
	flags := command.Flags()
	flags.StringVar(&view.mount, "mount", "", "directory where the shmfs is mounted")
	_ = command.MarkFlagDirname("mount")
	flags.Var(&view.interval, "interval", "time between samples: seconds, or a duration such as 300ms")
	flags.BoolVar(&view.once, "once", false, "print everything once, as plain text")
	return command
}

func (v topView) show(command *cobra.Command) error {
	if interval := v.interval.duration; interval < shortestInterval || interval > longestInterval {
		return failure(exitUsage, "--interval %v: give a time from %v to %v", interval, shortestInterval, longestInterval)
	}
	mount, err := chooseMount(v.mount)
	if err != nil {
		return err
	}
	if v.once {
		err = top.Once(mount, command.OutOrStdout())
	} else {
		err = top.Run(mount, v.interval.duration)
	}
	switch {
	case errors.Is(err, top.ErrGone):
		return failure(exitNotMounted, "%w", err)
	case errors.Is(err, top.ErrNoTerminal):
		return failure(exitUsage, "%w", err)
	}
	return err
}
