package objects

import (
	"errors"
	"fmt"

	"shmfs/mmapcore/crashpoint"

	"golang.org/x/sys/unix"
)

// makeIn runs what makes an inode in a directory and returns its entry. Before that the inode is charged to who will own it: one object,
// and the bytes that it may take by itself, a link for its target. EDQUOT when that user may not hold as much, ENOSPC when there is no
// room for it, unless the name (empty: none) is taken: EEXIST.
func (t *Tree) makeIn(parent uint64, name string, caller Caller, bytes int64, call func(directory int) (Entry, error)) (Entry, error) {
	var entry Entry
	err := t.in(parent, func(directory int) error {
		future := claim{uid: t.caller.owner(caller), Holding: Holding{Bytes: bytes, Objects: 1}}
		if err := t.account.charge(future, t.patience()); err != nil {
			return fmt.Errorf("creating %q: %w", name, t.refusalToMake(directory, name, err))
		}
		crashpoint.Here("objects: what is to be made is charged")
		if bytes > 0 {
			crashpoint.Here("objects: a link's target is charged")
		}
		err := t.patiently(func() error {
			return t.names.changing(func() (err error) {
				entry, err = call(directory)
				return err
			}, place{parent, directory, name})
		})
		if err != nil {
			t.account.refund(future.uid, future.Holding)
			return err
		}
		t.made(future, &entry.Stat)
		crashpoint.Here("objects: what was made is charged what it takes")
		return nil
	})
	return entry, err
}

// refusalToMake puts the error first that tmpfs would give first.
func (t *Tree) refusalToMake(directory int, name string, err error) error {
	var stat unix.Stat_t
	if name != "" && unix.Fstatat(directory, name, &stat, unix.AT_SYMLINK_NOFOLLOW) == nil {
		return unix.EEXIST
	}
	if !errors.Is(err, unix.EDQUOT) {
		return err
	}
	if figures, failed := t.store.Usage(); failed == nil && figures.Files > 0 && figures.Ffree == 0 {
		return unix.ENOSPC
	}
	return err
}

// made gives back what an inode that was just made does not take of its claim. If the store gave it to somebody else (file systems
// without owners do), the charge goes there too.
func (t *Tree) made(future claim, stat *unix.Stat_t) {
	taken := Holding{Bytes: min(future.Bytes, t.standingCharge(stat)), Objects: 1}
	t.account.refund(future.uid, Holding{Bytes: future.Bytes - taken.Bytes})
	if future.Bytes > 0 {
		crashpoint.Here("objects: a link's target is charged what it takes")
	}
	if stat.Uid == future.uid {
		return
	}
	if t.account.charge(claim{uid: stat.Uid, Holding: taken, exempt: true, moved: true}, 0) == nil { // it cannot fail
		t.account.moved(future.uid, taken)
	}
}

// makeWhiteout runs a renaming that leaves a whiteout of the caller's under the old name. victim is open on what had the new name, or
// negative.
func (t *Tree) makeWhiteout(from int, oldName string, victim int, caller Caller, rename func() error) error {
	whiteout := claim{uid: t.caller.owner(caller), Holding: Holding{Objects: 1}}
	if err := t.account.charge(whiteout, t.patience()); err != nil {
		return err
	}
	err := t.patiently(func() error { return t.caller.as(caller, rename) })
	if err != nil || victim >= 0 && leadsTo(from, oldName, victim) { // two names of one inode: nothing happens
		t.account.refund(whiteout.uid, whiteout.Holding)
		return err
	}
	crashpoint.Here("objects: a whiteout is made")
	// Known, so that a process after this one knows it too.
	if entry, err := t.lookupIn(from, oldName); err == nil {
		t.Forget(entry.ID, 1)
	}
	return nil
}

// leadsTo says whether a name in a directory leads to the inode that descriptor is open on.
func leadsTo(directory int, name string, descriptor int) bool {
	var named, opened unix.Stat_t
	return unix.Fstatat(directory, name, &named, unix.AT_SYMLINK_NOFOLLOW) == nil && unix.Fstat(descriptor, &opened) == nil &&
		named.Ino == opened.Ino && named.Dev == opened.Dev
}
