package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

func (c *semCommand) newGetCommand() *cobra.Command {
	var all bool
	command := &cobra.Command{
		Use:   "get [--all] NAME",
		Short: "Show the value",
		Long:  "Show the value of a semaphore; with --all everything its file tells, who holds units for example.",
		Example: "  shmfs sem get jobs\n" +
			"  shmfs sem get --all jobs",
		Args:              nameAnd(0, 0),
		ValidArgsFunction: c.completeName,
		RunE: func(command *cobra.Command, arguments []string) error {
			target, err := c.semaphore(arguments[0])
			if err != nil {
				return err
			}
			if all {
				return target.showAll(command.OutOrStdout())
			}
			return target.showValue(command.OutOrStdout())
		},
	}
	command.Flags().BoolVarP(&all, "all", "a", false, "show everything")
	return command
}

func (s semaphore) showValue(output io.Writer) error {
	value, err := s.known(func(state semaphoreState) *int { return state.Value })
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(output, value)
	return err
}

func (s semaphore) showAll(output io.Writer) error {
	text, err := s.read()
	if err != nil {
		return err
	}
	for line := range strings.Lines(text) {
		if _, err := fmt.Fprintln(output, printable(strings.TrimSuffix(line, "\n"))); err != nil {
			return err
		}
	}
	return nil
}

// known reads a number that the semaphore's file tells unless it is no semaphore, or returns -1 where it is not known.
func (s semaphore) known(which func(semaphoreState) *int) (int, error) {
	state, err := s.state()
	if err != nil {
		return 0, err
	}
	if state.State != validState {
		return 0, failure(exitFailure, "semaphore %q has no value, its state is %s: remove it with shmfs sem rm %s",
			s.name, state.State, shellName(s.name))
	}
	if found := which(state); found != nil {
		return *found, nil
	}
	return -1, nil
}
