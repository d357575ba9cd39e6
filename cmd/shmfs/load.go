package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

func (c *inspectCommand) newLoadCommand() *cobra.Command {
	mode := fileMode{}
	command := &cobra.Command{
		Use:   "load [-m MODE] NAME < FILE",
		Short: "Fill an object from standard input",
		Long: `Create an object with the contents of standard input, or replace the contents of one that exists: it keeps its owner and
permissions, is written from its beginning on and then gets the new size. Who maps it sees it change.

If FILE does not fit, nothing is written where its size is known before; a new object is not left behind.`,
		Example: "  shmfs load frames < saved\n" +
			"  tar c directory | shmfs load archive",
		Args:              oneObject,
		ValidArgsFunction: c.completeObject,
		RunE: func(command *cobra.Command, arguments []string) error {
			if isTerminal(os.Stdin) {
				return failure(exitUsage, "standard input is a terminal: give the contents with < FILE")
			}
			target, err := c.object(arguments[0])
			if err != nil {
				return err
			}
			bar := newProgress(command.ErrOrStderr(), sizeOf(os.Stdin))
			defer bar.end()
			return target.load(os.Stdin, mode, bar)
		},
	}
	command.Flags().VarP(&mode, "mode", "m", "permissions of a new object, whatever the umask")
	return command
}

// sizeOf returns how much there is to read in a regular file from its position on, or -1 for what is none.
func sizeOf(file *os.File) int64 {
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return -1
	}
	position, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return -1
	}
	return max(info.Size()-position, 0)
}

// load fills the object, which need not exist. The progress knows how much comes, if anybody does.
func (o object) load(input io.Reader, mode fileMode, bar *progress) error {
	if err := o.refuseSemaphore("filling it", "set its value with shmfs sem set"); err != nil {
		return err
	}
	descriptor, created, err := o.openToFill(mode)
	if err != nil {
		return err
	}
	defer unix.Close(descriptor)
	if err = o.fill(descriptor, input, bar); err != nil && created {
		_ = unix.Unlink(o.path())
	}
	return err
}

// openToFill creates the object, or opens the one that exists.
func (o object) openToFill(mode fileMode) (descriptor int, created bool, err error) {
	permissions := uint32(0o666)
	if mode.given {
		permissions = mode.permissions
		unix.Umask(0)
	}
	descriptor, err = openUninterrupted(o.path(), unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY, permissions)
	switch {
	case err == nil:
		return descriptor, true, nil
	case errors.Is(err, unix.EEXIST):
		descriptor, err = o.open(unix.O_WRONLY)
		return descriptor, false, err
	}
	return -1, false, o.creationRefusal(err)
}

// fill writes what the input has and cuts off what stood behind. Room for what is known to come is asked for first.
func (o object) fill(descriptor int, input io.Reader, bar *progress) error {
	var now unix.Stat_t
	if err := unix.Fstat(descriptor, &now); err != nil {
		return o.refusal(err)
	}
	if bar.total > now.Size {
		if err := setSize(descriptor, bar.total); err != nil {
			return o.refusal(err)
		}
	}
	buffer := make([]byte, chunk)
	done := int64(0)
	for {
		count, err := input.Read(buffer)
		if written := o.writeAt(descriptor, buffer[:count], done); written != nil {
			return written
		}
		done += int64(count)
		bar.show(done)
		switch {
		case errors.Is(err, io.EOF):
			return o.endAt(descriptor, done)
		case err != nil:
			return failure(exitFailure, "reading standard input: %w", err)
		}
	}
}

func (o object) endAt(descriptor int, size int64) error {
	if err := setSize(descriptor, size); err != nil {
		return o.refusal(err)
	}
	return nil
}

// writeAt writes everything.
func (o object) writeAt(descriptor int, text []byte, offset int64) error {
	for len(text) > 0 {
		count, err := unix.Pwrite(descriptor, text, offset)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return o.refusal(err)
		case count == 0:
			return o.refusal(fmt.Errorf("writing at %d: nothing is taken", offset))
		}
		text, offset = text[count:], offset+int64(count)
	}
	return nil
}
