package main

import (
	"errors"
	"io"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// chunk is how much is read or written at once: as much as one request to the daemon carries, so that signals end it soon.
const chunk = 128 << 10

func (c *inspectCommand) newCatCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "cat NAME",
		Short:             "Write an object's contents to standard output",
		Long:              "Write an object's contents to standard output as they are. Of a semaphore that is its text.",
		Example:           "  shmfs cat frames > saved",
		Args:              oneObject,
		ValidArgsFunction: c.completeObject,
		RunE: func(command *cobra.Command, arguments []string) error {
			target, err := c.object(arguments[0])
			if err != nil {
				return err
			}
			return target.copyTo(command.OutOrStdout())
		},
	}
}

func (o object) copyTo(output io.Writer) error {
	descriptor, err := o.open(unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer unix.Close(descriptor)
	buffer := make([]byte, chunk)
	for {
		count, err := descriptorReader(descriptor).Read(buffer)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return o.refusal(err)
		}
		if _, err := output.Write(buffer[:count]); err != nil {
			return err
		}
	}
}
