package main

import (
	"errors"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// newObject is one call of `shmfs create`.
type newObject struct {
	size byteCount
	mode fileMode
}

func (c *inspectCommand) newCreateCommand() *cobra.Command {
	made := newObject{}
	command := &cobra.Command{
		Use:   "create -s SIZE [-m MODE] NAME",
		Short: "Create an object",
		Long: `Create an object of a size, full of zeros. It fails if the name exists, and leaves nothing if the size does not fit.

SIZE is in bytes, with K, M, G or T behind for a unit. Without --mode the permissions are those the umask leaves of 0666.`,
		Example: "  shmfs create -s 64M frames\n" +
			"  shmfs create -s 4K -m 600 secret",
		Args:              oneObject,
		ValidArgsFunction: c.completeObject,
		RunE: func(command *cobra.Command, arguments []string) error {
			if !made.size.given {
				return failure(exitUsage, "the size is missing: give it with -s SIZE")
			}
			target, err := c.object(arguments[0])
			if err != nil {
				return err
			}
			return made.create(target)
		},
	}
	command.Flags().VarP(&made.size, "size", "s", "size in bytes, or with K, M, G or T behind")
	command.Flags().VarP(&made.mode, "mode", "m", "permissions, whatever the umask")
	return command
}

func (n newObject) create(target object) error {
	if err := target.refuseSemaphore("making a plain object of it", "use shmfs sem create"); err != nil {
		return err
	}
	permissions := uint32(0o666)
	if n.mode.given {
		permissions = n.mode.permissions
		unix.Umask(0)
	}
	descriptor, err := openUninterrupted(target.path(), unix.O_CREAT|unix.O_EXCL|unix.O_RDWR, permissions)
	if err != nil {
		return target.creationRefusal(err)
	}
	defer unix.Close(descriptor)
	if err := setSize(descriptor, n.size.bytes); err != nil {
		_ = unix.Unlink(target.path())
		return target.refusal(err)
	}
	return nil
}

// creationRefusal is refusal where the name need not exist, but the directory.
func (o object) creationRefusal(err error) error {
	switch {
	case errors.Is(err, unix.ENOENT):
		return failure(exitFailure, "object %q: its directory does not exist: make it with mkdir -p", o.name)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return failure(exitPermission, "creating %q: %w: use sudo, or have the owner of its directory allow it with chmod", o.name, err)
	}
	return o.refusal(err)
}

// setSize is ftruncate(2) to the end.
func setSize(descriptor int, size int64) error {
	for {
		if err := unix.Ftruncate(descriptor, size); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
