package main

import (
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

func (c *semCommand) newWaitCommand() *cobra.Command {
	var limit timeLimit
	command := &cobra.Command{
		Use:   "wait [--timeout D] NAME",
		Short: "Take a unit, and wait for it",
		Long: `Take a unit, waiting until there is one. Nobody gives it back but shmfs sem post; shmfs sem run does so by itself.

With --timeout (seconds, or a duration such as 300ms) it ends with 124 when the time is over. When a signal ends it,
nothing was taken.`,
		Example: "  shmfs sem wait jobs && echo mine\n" +
			"  shmfs sem wait --timeout 2.5 jobs",
		Args:              nameAnd(0, 0),
		ValidArgsFunction: c.completeName,
		RunE: func(_ *cobra.Command, arguments []string) error {
			target, err := c.semaphore(arguments[0])
			if err != nil {
				return err
			}
			return target.wait(limit)
		},
	}
	command.Flags().Var(&limit, "timeout", "how long to wait")
	return command
}

func (s semaphore) wait(limit timeLimit) error {
	file, err := s.openToOperate()
	if err != nil {
		return err
	}
	defer file.close()
	// Signals end the program as they end any, but for one at which Go would print its goroutines.
	signals := notify(unix.SIGQUIT)
	defer signal.Stop(signals)
	return file.takeUnlessEnded("wait", "", limit, signals)
}

// takeUnlessEnded is take, given up when one of the signals comes that end programs. The program has to end then: the
// request is still with the daemon, which drops it when the process is gone.
func (f *semaphoreFile) takeUnlessEnded(verb, arguments string, limit timeLimit, signals <-chan os.Signal) error {
	taken := make(chan error, 1)
	go func() { taken <- f.take(verb, arguments, limit) }()
	for {
		select {
		case err := <-taken:
			return f.takeFailure(err, limit)
		case received := <-signals:
			if endsProgram(received) {
				return endedBy(received)
			}
		}
	}
}

func (s semaphore) takeFailure(err error, limit timeLimit) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ETIMEDOUT):
		return failure(exitTimeout, "semaphore %q: no units within %v: wait longer, or see who has them with shmfs sem get --all %s",
			s.name, limit.duration, shellName(s.name))
	}
	return s.refusal(err)
}

// endsProgram reports whether a signal ends a program that does nothing about it.
func endsProgram(received os.Signal) bool {
	return received != unix.SIGCONT && received != unix.SIGWINCH
}

// endedBy ends the program as a shell tells of one that a signal ended.
func endedBy(received os.Signal) error {
	number, _ := received.(syscall.Signal)
	return failure(exitSignal+int(number), "")
}
