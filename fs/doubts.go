package fs

import (
	"errors"

	"shmfs/mmapcore/crashpoint"

	"golang.org/x/sys/unix"
)

// takeUpAttempts finds out what of that which was begun when a process died was done. Nobody is served yet, and whoever changes a name
// holds the kernel's lock of its directory until the answer: what is found is what was left.
func (f *Filesystem) takeUpAttempts() {
	f.told.takeUp()
	a := &f.attempts
	a.start = f.state.numbers.Load(numberStarts)
	for row, words := range f.state.attempts.Each {
		number := words[attemptRequest]
		if number == 0 {
			a.free = append(a.free, row)
			continue
		}
		if words[attemptNumber] > f.state.numbers.Load(numberEvents) { // it was not told
			row.Store(attemptTold, 0)
			row.Store(attemptNumber, 0)
		}
		what := attemptFrom(words)
		if words[attemptState]&0xff == attemptBegun && what.kind != attemptCommand {
			if !f.wasDone(&what) {
				f.mayBeLate(number, &what)
				row.Store(attemptRequest, 0)
				a.free = append(a.free, row)
				continue
			}
			markDone(row, what.result)
		}
		a.byRequest[number] = row
		a.underway.Add(1)
	}
}

// attemptFrom reads an attempt's row.
func attemptFrom(words []uint64) attempt {
	lengths := words[attemptLengths]
	return attempt{
		kind: attemptKind(words[attemptState] >> 8), parent: words[attemptParent], newParent: words[attemptNewParent],
		node: words[attemptNode], other: words[attemptOther], result: words[attemptResult],
		name:    nameFrom(words[attemptName:attemptName+nameWords], lengths&0xffffffff),
		newName: nameFrom(words[attemptNewName:attemptNewName+nameWords], lengths>>32),
	}
}

// wasDone decides an attempt by what the store has, and completes what belongs to it.
func (f *Filesystem) wasDone(what *attempt) bool {
	switch what.kind {
	case attemptMake:
		return f.wasMade(what)
	case attemptLink:
		return f.wasLinked(what)
	case attemptRemove:
		there, err := f.tree.Peek(what.parent, what.name)
		f.tree.Settle(what.node)
		return errors.Is(err, unix.ENOENT) || err == nil && there != what.node
	case attemptRename:
		return f.wasRenamed(what)
	case attemptSetAttribute:
		_, err := f.tree.Getxattr(what.node, what.name)
		return err == nil
	case attemptRemoveAttribute:
		_, err := f.tree.Getxattr(what.node, what.name)
		return errors.Is(err, unix.ENODATA)
	case attemptInitialise:
		return f.wasInitialised(what)
	case attemptTruncate: // which is noted as done before anybody's write that comes to the daemon can make the file longer
		stat, err := f.tree.Stat(what.node)
		return err == nil && stat.Size == 0 && what.other != 0
	case attemptGrow:
		stat, err := f.tree.Stat(what.node)
		return err == nil && uint64(stat.Size) == what.other
	}
	return false
}

// wasMade says whether a name that was free leads to an inode: it was made by this attempt, since the kernel has the directory locked.
// Only a semaphore that is initialised gets its name without that.
func (f *Filesystem) wasMade(what *attempt) bool {
	node, err := f.tree.Peek(what.parent, what.name)
	if err != nil || f.semaphores.knows(node) {
		return false
	}
	entry, err := f.tree.LookupMade(what.parent, what.name, what.late)
	crashpoint.Here("fs: what a dead process has made is adopted")
	what.result = entry.ID
	return err == nil
}

// wasLinked says whether a name leads to the inode that was to get it.
func (f *Filesystem) wasLinked(what *attempt) bool {
	node, err := f.tree.Peek(what.parent, what.name)
	if err != nil || node != what.node {
		return false
	}
	f.tree.Settle(node)
	what.result = node
	return f.tree.Refer(node)
}

// wasRenamed says whether the new name leads to what the old one led to.
func (f *Filesystem) wasRenamed(what *attempt) bool {
	if what.other != 0 {
		defer f.tree.Settle(what.other)
	}
	defer f.tree.Settle(what.node)
	if what.node == what.other { // two names of one inode: renaming does nothing
		return true
	}
	node, err := f.tree.Peek(what.newParent, what.newName)
	if err != nil || node != what.node {
		return false
	}
	if whiteout, err := f.tree.LookupMade(what.parent, what.name, what.late); err == nil { // or what was exchanged
		f.tree.Forget(whiteout.ID, 1)
	}
	return true
}

// wasInitialised says whether a semaphore has its name. If not, what was written to it is taken back.
func (f *Filesystem) wasInitialised(what *attempt) bool {
	stat, err := f.tree.Stat(what.node)
	if err != nil || stat.Size == 0 {
		return false
	}
	if f.semaphores.created(what.node) == nil {
		return true
	}
	object, err := f.tree.Open(what.node, unix.O_RDWR)
	if err != nil {
		return false
	}
	if err := errors.Join(object.Resize(0), object.Close()); err != nil {
		f.log.Error("taking back what was written to a semaphore", "node", what.node, "reason", err)
	}
	return false
}
