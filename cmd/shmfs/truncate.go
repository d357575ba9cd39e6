package main

import (
	"errors"
	"math"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// sizeChange is a size to be set, or by how much it is to change: a flag that may be missing. It implements pflag.Value.
type sizeChange struct {
	text  string
	sign  int // 0: bytes is the size itself
	bytes int64
}

// Set reads a size with + or - before it, or without.
func (c *sizeChange) Set(text string) (err error) {
	digits, sign := text, 0
	if text != "" && (text[0] == '+' || text[0] == '-') {
		digits, sign = text[1:], 1
		if text[0] == '-' {
			sign = -1
		}
	}
	bytes, err := parseSize(digits)
	if err != nil {
		return err
	}
	*c = sizeChange{text, sign, bytes}
	return nil
}

func (c *sizeChange) String() string { return c.text }

// Type names the argument in help texts.
func (c *sizeChange) Type() string { return "size" }

// of returns the size that becomes of another.
func (c *sizeChange) of(size int64) (int64, error) {
	switch {
	case c.sign == 0:
		return c.bytes, nil
	case c.sign < 0 && c.bytes > size:
		return 0, errors.New("it has less than that")
	case c.sign < 0:
		return size - c.bytes, nil
	case c.bytes > math.MaxInt64-size:
		return 0, errSizeHuge
	}
	return size + c.bytes, nil
}

func (c *inspectCommand) newTruncateCommand() *cobra.Command {
	change := sizeChange{}
	command := &cobra.Command{
		Use:   "truncate -s [+|-]SIZE NAME",
		Short: "Set the size of an object",
		Long: `Set the size of an object, or with + or - before SIZE make it larger or smaller by that much. What is new is full of zeros.

A process that maps what is cut off gets SIGBUS when it touches it: see who maps the object with shmfs who NAME.`,
		Example: "  shmfs truncate -s 128M frames\n" +
			"  shmfs truncate -s +4K frames",
		Args:              oneObject,
		ValidArgsFunction: c.completeObject,
		RunE: func(command *cobra.Command, arguments []string) error {
			if change.text == "" {
				return failure(exitUsage, "the size is missing: give it with -s SIZE")
			}
			target, err := c.object(arguments[0])
			if err != nil {
				return err
			}
			return target.resize(change)
		},
	}
	command.Flags().VarP(&change, "size", "s", "size in bytes, or with K, M, G or T behind; with + or - before it, by how much")
	return command
}

func (o object) resize(change sizeChange) error {
	if err := o.refuseSemaphore("another size", "set its value with shmfs sem set"); err != nil {
		return err
	}
	descriptor, err := o.open(unix.O_WRONLY)
	if err != nil {
		return err
	}
	defer unix.Close(descriptor)
	var now unix.Stat_t
	if err := unix.Fstat(descriptor, &now); err != nil {
		return o.refusal(err)
	}
	size, err := change.of(now.Size)
	if err != nil {
		return failure(exitUsage, "object %q has %d bytes, which cannot change by %s: %w", o.name, now.Size, change.text, err)
	}
	if err := setSize(descriptor, size); err != nil {
		return o.refusal(err)
	}
	return nil
}
