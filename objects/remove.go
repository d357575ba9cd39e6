package objects

import (
	"errors"
	"fmt"

	"shmfs/mmapcore/crashpoint"

	"golang.org/x/sys/unix"
)

// Unlink removes a name that is not a directory's (EISDIR). What it named lives on while it is referred to, open or mapped.
func (t *Tree) Unlink(parent uint64, name string) error { return t.remove(parent, name, 0) }

// Rmdir removes an empty directory (ENOTEMPTY, ENOTDIR).
func (t *Tree) Rmdir(parent uint64, name string) error {
	return t.remove(parent, name, unix.AT_REMOVEDIR)
}

func (t *Tree) remove(parent uint64, name string, flags int) error {
	if err := checkName(name); err != nil {
		return err
	}
	return t.in(parent, func(directory int) error { return t.removeIn(place{parent, directory, name}, flags) })
}

// removeIn removes a name in a directory that is open.
func (t *Tree) removeIn(at place, flags int) error {
	directory, name := at.directory, at.name
	// Held before the name goes, so that the inode cannot be gone before its node is settled.
	victim, err := openVictim(directory, name)
	if err != nil {
		return fmt.Errorf("removing %q: %w", name, err)
	}
	defer unix.Close(victim)
	// Known, so that its charge can be given back even if nobody has looked it up.
	entry, err := t.adopt(victim)
	if err != nil {
		return fmt.Errorf("removing %q: %w", name, err)
	}
	defer t.Forget(entry.ID, 1)
	crashpoint.Here("objects: what a name to be removed leads to is known")
	t.keepVictim(entry.ID, victim)
	crashpoint.Here("objects: what a name to be removed leads to is kept")
	if err := t.names.changing(func() error { return unix.Unlinkat(directory, name, flags) }, at); err != nil {
		t.settle(victim) // it need not be kept
		return fmt.Errorf("removing %q: %w", name, err)
	}
	crashpoint.Here("objects: a name is removed")
	t.settle(victim)
	crashpoint.Here("objects: a removed name is settled")
	return nil
}

// Rename moves a name, with renameat2(2)'s flags (RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT) and errors. A whiteout
// belongs to the caller.
func (t *Tree) Rename(oldParent uint64, oldName string, newParent uint64, newName string, flags uint, caller Caller) error {
	if err := errors.Join(checkName(oldName), checkName(newName)); err != nil {
		return err
	}
	return t.in(oldParent, func(from int) error {
		return t.in(newParent, func(to int) error {
			return t.rename(place{oldParent, from, oldName}, place{newParent, to, newName}, flags, caller)
		})
	})
}

func (t *Tree) rename(from, to place, flags uint, caller Caller) error {
	oldName, newName := from.name, to.name
	victim, err := openVictim(to.directory, newName)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("renaming %q to %q: %w", oldName, newName, err)
	}
	if err == nil {
		defer unix.Close(victim)
		entry, err := t.adopt(victim)
		if err != nil {
			return fmt.Errorf("renaming %q to %q: %w", oldName, newName, err)
		}
		defer t.Forget(entry.ID, 1)
		if flags&unix.RENAME_EXCHANGE == 0 {
			t.keepVictim(entry.ID, victim)
			crashpoint.Here("objects: what a renaming replaces is kept")
			defer t.settle(victim)
		}
	}
	move := func() error {
		return t.names.changing(func() error {
			return unix.Renameat2(from.directory, oldName, to.directory, newName, flags)
		}, from, to)
	}
	if flags&unix.RENAME_WHITEOUT != 0 {
		call := move
		move = func() error { return t.makeWhiteout(from.directory, oldName, victim, caller, call) }
	}
	if err := move(); err != nil {
		return fmt.Errorf("renaming %q to %q: %w", oldName, newName, err)
	}
	crashpoint.Here("objects: a name is renamed")
	return nil
}

func openVictim(directory int, name string) (int, error) {
	return openName(directory, name, unix.O_PATH)
}
