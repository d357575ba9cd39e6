package main

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"shmfs/fs"
)

// remount changes a live mount. Limits and huge pages go to its daemon; ro and noexec are the kernel's to enforce.
func remount(path, text string) error {
	found, err := requireShmfs(path)
	if err != nil {
		return err
	}
	if err := requireOwner(found); err != nil {
		return err
	}
	if err := requireLive(found); err != nil {
		return err
	}
	name, told, err := readControl(found.path, controlOptions)
	if err != nil {
		return err
	}
	current, err := fs.ParseOptions(told)
	if err != nil {
		return fmt.Errorf("the shmfs on %s, which may be of another version, names its options as %q: %w", found.path, told, err)
	}
	// The kernel's word counts: others can remount too.
	current.ReadOnly, current.NoExec = found.readOnly(), slices.Contains(found.mount.options, "noexec")
	wanted, err := fs.ParseRemount(text, current)
	if err != nil {
		return failure(exitUsage, "%w", err)
	}
	return (&change{found: found, attribute: name, current: current, wanted: wanted}).apply()
}

// requireLive refuses a mount that cannot answer.
func requireLive(found mountpoint) error {
	state, err := found.life()
	switch {
	case err != nil:
		return err
	case state == dead:
		return failure(exitNotMounted, "the daemon of the shmfs on %s has died: mount it again, without remount", found.path)
	case state == silent:
		return fmt.Errorf("the shmfs on %s does not answer within %v", found.path, patience)
	}
	return nil
}

// readOnly reports whether the mount or the file system under it refuses changes.
func (m mountpoint) readOnly() bool {
	return slices.Contains(m.mount.options, "ro") || m.superReadOnly()
}

// superReadOnly reports whether the file system itself does.
func (m mountpoint) superReadOnly() bool {
	return slices.Contains(m.mount.super, "ro")
}

// change is a step from the options in force to others, undone as a whole when a part of it is refused.
type change struct {
	found     mountpoint
	attribute string
	current   fs.Options
	wanted    fs.Options
}

func (c *change) apply() error {
	if c.wanted == c.current {
		return nil
	}
	flagsChange := c.wanted.ReadOnly != c.current.ReadOnly || c.wanted.NoExec != c.current.NoExec
	if flagsChange && os.Geteuid() != 0 {
		return failure(exitPermission, "changing ro or noexec of a live mount takes root: use sudo, or unmount and mount anew")
	}
	if err := c.tell(c.wanted); err != nil {
		return c.refusal(err)
	}
	if !flagsChange {
		return nil
	}
	if err := c.setFlags(); err != nil {
		return errors.Join(c.flagsRefusal(err), c.tell(c.current))
	}
	return nil
}

// tell sets the daemon's options.
func (c *change) tell(options fs.Options) error {
	return writeControl(c.found, c.attribute, options.String(), c.current.ReadOnly)
}

// setFlags has the kernel enforce ro and noexec, and keeps every other flag of the mount.
func (c *change) setFlags() error {
	flags := uintptr(unix.MS_REMOUNT | unix.MS_NOSUID | unix.MS_NODEV)
	kept := map[string]uintptr{
		"noatime": unix.MS_NOATIME, "nodiratime": unix.MS_NODIRATIME, "relatime": unix.MS_RELATIME, "nosymfollow": unix.MS_NOSYMFOLLOW,
	}
	for _, option := range c.found.mount.options {
		flags |= kept[option]
	}
	if flags&(unix.MS_NOATIME|unix.MS_RELATIME) == 0 {
		flags |= unix.MS_STRICTATIME
	}
	if c.wanted.ReadOnly {
		flags |= unix.MS_RDONLY
	}
	if c.wanted.NoExec {
		flags |= unix.MS_NOEXEC
	}
	_, err := within(func() (struct{}, error) {
		return struct{}{}, unix.Mount("", c.found.path, "", flags, "")
	})
	return err
}

// refusal says why the daemon did not take the new options.
func (c *change) refusal(err error) error {
	switch {
	case errors.Is(err, unix.EINVAL) && (c.wanted.Size != c.current.Size || c.wanted.Inodes != c.current.Inodes):
		return failure(exitFailure, "the shmfs on %s refuses size=%d,nr_inodes=%d: %w: more is in use (see df and df -i), "+
			"or the limit is out of range: remove objects or give a larger limit", c.found.path, c.wanted.Size, c.wanted.Inodes, err)
	case errors.Is(err, unix.EROFS):
		return failure(exitPermission, "the shmfs on %s is mounted read-only: changing it takes root: use sudo", c.found.path)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return failure(exitPermission, "the shmfs on %s refuses: %w: use sudo, or the user who mounted it", c.found.path, err)
	}
	return failure(exitFailure, "the shmfs on %s refuses the new options: %w", c.found.path, err)
}

func (c *change) flagsRefusal(err error) error {
	switch {
	case errors.Is(err, unix.EBUSY):
		return failure(exitBusy, "%s cannot become read-only while files are open for writing: see which with fuser -vm %s (or lsof %s)",
			c.found.path, c.found.path, c.found.path)
	case errors.Is(err, unix.EPERM):
		return failure(exitPermission, "remounting %s: %w: use sudo", c.found.path, err)
	}
	return failure(exitFailure, "remounting %s: %w", c.found.path, err)
}
