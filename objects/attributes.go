package objects

import (
	"fmt"

	"shmfs/mmapcore/crashpoint"

	"golang.org/x/sys/unix"
)

// Change is a set of attributes to set; nil leaves one as it is.
type Change struct {
	Mode         *uint32 // permission bits, setuid, setgid and sticky
	UID, GID     *uint32
	Size         *int64         // bytes, not negative
	Growing      func() error   // called right before Size makes the file longer, which is not done if that fails; may be nil
	Opening      bool           // Size is 0 and set by opening with O_TRUNC: the times move even if it stays
	Atime, Mtime *unix.Timespec // Nsec may be unix.UTIME_NOW
	Writer       *Writer        // clear what this writer's write would
	Touch        bool           // change the owner to who it is: that clears setuid and moves the change time
	Exempt       bool           // no quota is in the way: it is root's doing
}

// Empty says whether it sets nothing.
func (c *Change) Empty() bool {
	return c.Mode == nil && c.UID == nil && c.GID == nil && c.Size == nil && c.Atime == nil && c.Mtime == nil && c.Writer == nil && !c.Touch
}

// Writer is who writes a file, truncates it or changes its owner: that clears setuid, setgid and file capabilities.
type Writer struct {
	// InGroup says whether the writer is of a group or stands above groups. It is asked only for setgid files that their group
	// may not execute.
	InGroup func(group uint32) bool
}

// Stat returns a node's attributes.
func (t *Tree) Stat(id uint64) (unix.Stat_t, error) {
	var stat unix.Stat_t
	descriptor, err := t.reach(id, unix.O_PATH)
	if err != nil {
		return stat, err
	}
	defer unix.Close(descriptor)
	if err := unix.Fstat(descriptor, &stat); err != nil {
		return stat, fmt.Errorf("reading attributes: %w", err)
	}
	stat.Ino = id
	return stat, nil
}

// Statx returns a node's extended attributes with statx(2)'s mask.
func (t *Tree) Statx(id uint64, mask uint32) (unix.Statx_t, error) {
	var stat unix.Statx_t
	descriptor, err := t.reach(id, unix.O_PATH)
	if err != nil {
		return stat, err
	}
	defer unix.Close(descriptor)
	if err := unix.Statx(descriptor, "", unix.AT_EMPTY_PATH, int(mask), &stat); err != nil {
		return stat, fmt.Errorf("reading attributes: %w", err)
	}
	stat.Ino = id
	return stat, nil
}

// Change sets attributes and returns the node's attributes after it. Permission is the kernel's to check; what remains are
// the store's own refusals, under commit=strict ENOSPC for a size that does not fit, and EDQUOT for a size or an owner.
func (t *Tree) Change(id uint64, change Change) (unix.Stat_t, error) {
	if change.Size != nil {
		if err := t.resize(id, &change); err != nil {
			return unix.Stat_t{}, err
		}
		crashpoint.Here("objects: of several attributes the size is set")
	}
	descriptor, err := t.reach(id, unix.O_PATH)
	if err != nil {
		return unix.Stat_t{}, err
	}
	defer unix.Close(descriptor)
	apply := func() error { return change.apply(descriptor) }
	if change.UID != nil {
		err = t.transfer(id, descriptor, *change.UID, change.Exempt, apply)
	} else {
		err = apply()
	}
	if err != nil {
		return unix.Stat_t{}, err
	}
	var stat unix.Stat_t
	if err := unix.Fstat(descriptor, &stat); err != nil {
		return stat, fmt.Errorf("reading attributes: %w", err)
	}
	stat.Ino = id
	return stat, nil
}

// apply sets everything but the size. What a writer clears is decided by the group before the change. The owner comes before
// the mode, since chown(2) clears mode bits, and the times come last, since everything else moves them.
func (c *Change) apply(descriptor int) error {
	if c.Writer != nil {
		if err := dropPrivileges(descriptor, *c.Writer); err != nil {
			return err
		}
	}
	if c.UID != nil || c.GID != nil || c.Touch {
		if err := unix.Fchownat(descriptor, "", orKeep(c.UID), orKeep(c.GID), unix.AT_EMPTY_PATH); err != nil {
			return fmt.Errorf("changing the owner: %w", err)
		}
		crashpoint.Here("objects: an owner is set")
	}
	if c.Mode != nil {
		if err := unix.Chmod(descriptorPath(descriptor), *c.Mode&0o7777); err != nil {
			return fmt.Errorf("changing the mode: %w", err)
		}
		crashpoint.Here("objects: a mode is set")
	}
	if c.Atime == nil && c.Mtime == nil {
		return nil
	}
	times := []unix.Timespec{orOmit(c.Atime), orOmit(c.Mtime)}
	if err := unix.UtimesNanoAt(descriptor, "", times, unix.AT_EMPTY_PATH); err != nil {
		return fmt.Errorf("changing the times: %w", err)
	}
	crashpoint.Here("objects: times are set")
	return nil
}

// DropPrivileges clears what a write by an ordinary user clears.
func (t *Tree) DropPrivileges(id uint64, writer Writer) error {
	descriptor, err := t.reach(id, unix.O_PATH)
	if err != nil {
		return err
	}
	defer unix.Close(descriptor)
	return dropPrivileges(descriptor, writer)
}

// DropSetgid clears setgid alone, as setting an access control list by somebody outside the file's group does.
func (t *Tree) DropSetgid(id uint64) error {
	stat, err := t.Stat(id)
	if err != nil || stat.Mode&unix.S_ISGID == 0 {
		return err
	}
	mode := stat.Mode & 0o7777 &^ unix.S_ISGID
	_, err = t.Change(id, Change{Mode: &mode})
	return err
}

func dropPrivileges(descriptor int, writer Writer) error {
	var stat unix.Stat_t
	if err := unix.Fstat(descriptor, &stat); err != nil {
		return fmt.Errorf("reading attributes: %w", err)
	}
	if kept := withoutPrivileges(&stat, writer); kept != stat.Mode {
		if err := unix.Chmod(descriptorPath(descriptor), kept&0o7777); err != nil {
			return fmt.Errorf("clearing setuid and setgid: %w", err)
		}
		crashpoint.Here("objects: setuid and setgid are cleared")
	}
	err := unix.Removexattr(descriptorPath(descriptor), "security.capability")
	switch err {
	case nil, unix.ENODATA, unix.EOPNOTSUPP:
		return nil
	case unix.EPERM: // an ordinary user's daemon, whose own writing and truncating makes the kernel clear them
		return nil
	}
	return fmt.Errorf("clearing file capabilities: %w", err)
}

// withoutPrivileges returns a file's mode without setuid, and without setgid where it means privilege: with group execution,
// or set by others than its group. Directories keep theirs. It mirrors setattr_should_drop_suidgid in the kernel's fs/attr.c.
func withoutPrivileges(stat *unix.Stat_t, writer Writer) uint32 {
	mode := stat.Mode
	if mode&unix.S_IFMT == unix.S_IFDIR {
		return mode
	}
	mode &^= unix.S_ISUID
	if mode&unix.S_ISGID != 0 && (mode&unix.S_IXGRP != 0 || !writer.InGroup(stat.Gid)) {
		mode &^= unix.S_ISGID
	}
	return mode
}

func orKeep(id *uint32) int {
	if id == nil {
		return -1
	}
	return int(*id)
}

func orOmit(time *unix.Timespec) unix.Timespec {
	if time == nil {
		return unix.Timespec{Nsec: unix.UTIME_OMIT}
	}
	return *time
}
