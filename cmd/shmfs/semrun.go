package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

const runHelp = `Take units of a semaphore (default 1), waiting for them, run a command, and give the units back when it
has ended.

The units are tied to an open file of shmfs itself. So they come back however shmfs ends, kill -9 included, even if the
command then goes on; and what the command starts in the background does not keep them. Signals are handed on to the
command. With --timeout (seconds, or a duration such as 300ms) it ends with 124 when the time for waiting is over.

It ends with the status of the command, or 128+N when signal N ended it.
`

// semaphoreRun is one call of `shmfs sem run`.
type semaphoreRun struct {
	semaphore
	units     int
	limit     timeLimit
	arguments []string // the command and its arguments
}

func (c *semCommand) newRunCommand() *cobra.Command {
	run := &semaphoreRun{}
	units := "1"
	command := &cobra.Command{
		Use:   "run NAME [--timeout D] [-n UNITS] -- COMMAND [ARGUMENT...]",
		Short: "Run a command that holds units meanwhile",
		Long:  runHelp,
		Example: "  shmfs sem run build -- make -j8\n" +
			"  shmfs sem run disk --timeout 30s -n 2 -- rsync -a here/ there/",
		Args: requireRunArguments,
		RunE: func(_ *cobra.Command, arguments []string) (err error) {
			if run.units, err = number(units, 1); err != nil {
				return err
			}
			if run.semaphore, err = c.semaphore(arguments[0]); err != nil {
				return err
			}
			run.arguments = arguments[1:]
			return run.run()
		},
	}
	command.ValidArgsFunction = c.completeRun
	command.Flags().Var(&run.limit, "timeout", "how long to wait for the units")
	command.Flags().StringVarP(&units, "units", "n", units, "how many units to take, in one step")
	return command
}

// completeRun completes the name, and then files: the command and its arguments.
func (c *semCommand) completeRun(command *cobra.Command, arguments []string, text string) ([]string, cobra.ShellCompDirective) {
	if len(arguments) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return c.completeName(command, arguments, text)
}

func requireRunArguments(command *cobra.Command, arguments []string) error {
	switch before := command.ArgsLenAtDash(); {
	case before > 1:
		return failure(exitUsage, "%q is an argument too many before --: see %s --help", arguments[1], command.CommandPath())
	case len(arguments) == 0 || before == 0:
		return failure(exitUsage, "the name of a semaphore is missing: see %s --help", command.CommandPath())
	case before < 0 && len(arguments) > 1:
		return failure(exitUsage, "put -- before the command %q: see %s --help", arguments[1], command.CommandPath())
	case len(arguments) == 1:
		return failure(exitUsage, "a command is missing, behind --: see %s --help", command.CommandPath())
	}
	return nil
}

func (r *semaphoreRun) run() error {
	program, err := exec.LookPath(r.arguments[0])
	if err != nil {
		return commandFailure(r.arguments[0], err)
	}
	file, err := r.openToOperate()
	if err != nil {
		return err
	}
	defer file.close() // gives the units back
	signals := notify(relayed...)
	defer signal.Stop(signals)
	if err := file.takeUnlessEnded("acquire", " "+strconv.Itoa(r.units), r.limit, signals); err != nil {
		return err
	}
	// A signal that came while the last unit did: there is no command yet that could have it.
	if received := endingSignal(signals); received != nil {
		return endedBy(received)
	}
	return r.execute(program, signals)
}

// execute runs the command and hands the signals on to it. The command inherits all that shmfs inherited, but not the
// semaphore.
func (r *semaphoreRun) execute(program string, signals <-chan os.Signal) error {
	command := &exec.Cmd{Path: program, Args: r.arguments, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	if err := command.Start(); err != nil {
		return commandFailure(r.arguments[0], err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	for {
		select {
		case err := <-ended:
			return commandStatus(command, err)
		case received := <-signals:
			if !cameFromKeyboard(received) {
				_ = command.Process.Signal(received) // it may have ended just now
			}
		}
	}
}

// commandFailure tells as shells do whether a command was not found or cannot be executed.
func commandFailure(name string, err error) error {
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, unix.ENOENT) {
		return failure(exitNotFound, "command %q is not found: give its path, or add its directory to PATH", name)
	}
	var wrapped *exec.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return failure(exitNotExecutable, "command %q cannot be executed: %w", name, err)
}

// commandStatus ends the program as the command ended.
func commandStatus(command *exec.Cmd, err error) error {
	var exited *exec.ExitError
	if err != nil && !errors.As(err, &exited) {
		return fmt.Errorf("waiting for the command %q: %w", command.Path, err)
	}
	status, _ := command.ProcessState.Sys().(syscall.WaitStatus)
	switch {
	case status.Signaled():
		return endedBy(status.Signal())
	case status.ExitStatus() != 0:
		return failure(status.ExitStatus(), "")
	}
	return nil
}
