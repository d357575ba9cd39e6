package fs

import (
	"errors"
	"fmt"
	"os"
	"time"

	"shmfs/fs/journal"
	"shmfs/objects"

	"bazil.org/fuse"
	"golang.org/x/sys/unix"
)

func (f *Filesystem) lookup(r *fuse.LookupRequest) {
	entry, err := f.tree.Lookup(uint64(r.Node), r.Name)
	if errors.Is(err, unix.ENOENT) {
		var message [outHeaderSize + entryOutSize]byte
		putAbsent(message[outHeaderSize:], validity(uint64(r.Node), r.Name))
		_ = f.answer(r, message[:])
		return
	}
	f.answerName(r, r.Name, entry, err)
}

// answerName replies with what a name, in the directory of the request, leads to.
func (f *Filesystem) answerName(r fuse.Request, name string, entry objects.Entry, err error) {
	parent := uint64(r.Hdr().Node)
	if err == nil && isSemaphore(parent, name, &entry) {
		entry.ID = f.semaphores.handOut(entry.ID, r.Hdr().Pid, f.passthru)
	}
	f.answerNamed(r, entry, validity(parent, name), err)
}

// answerMade replies with what was just made under a name.
func (f *Filesystem) answerMade(r fuse.Request, name string, entry objects.Entry, err error) {
	if err == nil {
		f.tellCreated(r, name, &entry)
	}
	f.answerName(r, name, entry, err)
}

// validity is how long the kernel may remember what a name leads to.
func validity(parent uint64, name string) time.Duration {
	if isSemaphoreName(parent, name) {
		return semaphoreValid
	}
	return nameValid
}

func (f *Filesystem) link(r *fuse.LinkRequest) {
	node := uint64(f.semaphores.resolve(r.OldNode))
	if f.semaphores.created(node) != nil {
		f.fail(r, fmt.Errorf("linking a semaphore that is not initialised yet: %w", unix.EINVAL))
		return
	}
	if isSemaphoreName(uint64(r.Node), r.NewName) && f.semaphores.find(node) == nil {
		f.noteInitial(node) // before anybody finds it by that name
	}
	old := f.linkedBefore(r)
	if old == "" {
		old = f.pathToTell(node)
	}
	var entry objects.Entry
	what := attempt{kind: attemptLink, parent: uint64(r.Node), name: r.NewName, node: node}
	if len(old) <= 8*nameWords {
		what.newName = old // to be told of, if the request comes again and cannot know which name was the first
	}
	_, again, err := f.once(r, what, func() (_ uint64, err error) {
		entry, err = f.tree.Link(node, uint64(r.Node), r.NewName)
		return node, err
	})
	if again {
		entry, err = f.tree.Entry(node)
	}
	if err == nil {
		f.tellMoved(r, journal.Link, old, f.pathToTellIn(uint64(r.Node), r.NewName), node)
	}
	f.answerName(r, r.NewName, entry, err)
}

// linkedBefore returns the path of which a LINK has made another name before it came again; empty for any other and if it is not known.
func (f *Filesystem) linkedBefore(r *fuse.LinkRequest) string {
	if _, done := f.attempts.outcome(r); !done {
		return ""
	}
	words := make([]uint64, nameWords)
	for i := range words {
		words[i] = f.attempts.load(r, attemptNewName+i)
	}
	return nameFrom(words, f.attempts.load(r, attemptLengths)>>32)
}

func (f *Filesystem) rename(r fuse.Request, oldName string, newParent uint64, newName string, flags uint) error {
	oldParent := uint64(r.Hdr().Node)
	old, to := f.pathToTellIn(oldParent, oldName), f.pathToTellIn(newParent, newName)
	moved := f.attempts.nodeOf(r) // if it was done before the request came again
	if moved == 0 {
		moved = f.nodeToTell(oldParent, oldName)
	}
	if err := f.renameOnce(r, oldName, newParent, newName, flags); err != nil {
		return err
	}
	f.tellMoved(r, journal.Rename, old, to, moved)
	if isSemaphoreName(oldParent, oldName) || isSemaphoreName(newParent, newName) {
		f.renamed(newParent, newName)
		f.renamed(oldParent, oldName) // which may have been exchanged
	}
	return nil
}

func (f *Filesystem) renameOnce(r fuse.Request, oldName string, newParent uint64, newName string, flags uint) error {
	oldParent := uint64(r.Hdr().Node)
	what := attempt{kind: attemptRename, parent: oldParent, name: oldName, newParent: newParent, newName: newName}
	if _, done := f.outcome(r); !done {
		var err error
		if what.node, err = f.tree.Peek(oldParent, oldName); err != nil {
			return err
		}
		if what.other, err = f.tree.Peek(newParent, newName); err == nil && flags&unix.RENAME_NOREPLACE != 0 {
			return fmt.Errorf("renaming %q to %q: %w", oldName, newName, unix.EEXIST)
		}
	}
	_, _, err := f.once(r, what, func() (uint64, error) {
		return 0, f.tree.Rename(oldParent, oldName, newParent, newName, flags, f.creator(r, 0))
	})
	return err
}

func (f *Filesystem) remove(r *fuse.RemoveRequest) {
	removal := f.removalOf(r)
	err := f.removeOnce(r)
	if err == nil {
		f.tellRemoved(r, removal)
	}
	f.answerEmpty(r, err)
}

func (f *Filesystem) removeOnce(r *fuse.RemoveRequest) error {
	what := attempt{kind: attemptRemove, parent: uint64(r.Node), name: r.Name}
	if _, done := f.outcome(r); !done {
		var err error
		if what.node, err = f.tree.Peek(what.parent, what.name); err != nil {
			return err
		}
	}
	_, _, err := f.once(r, what, func() (uint64, error) {
		if r.Dir {
			return 0, f.tree.Rmdir(uint64(r.Node), r.Name)
		}
		return 0, f.tree.Unlink(uint64(r.Node), r.Name)
	})
	return err
}

// creator is who a created file will belong to, with the umask that is still to be applied: none when the kernel has done it.
func (f *Filesystem) creator(request fuse.Request, umask os.FileMode) objects.Caller {
	header := request.Hdr()
	caller := objects.Caller{UID: header.Uid, GID: header.Gid}
	if f.agreed.flags&initDontMask != 0 {
		caller.Umask = uint32(umask.Perm())
	}
	return caller
}

// unixMode undoes bazil's conversion of a mode.
func unixMode(mode os.FileMode) uint32 {
	bits := uint32(mode.Perm())
	for _, flag := range modeFlags {
		if mode&flag.mode != 0 {
			bits |= flag.bit
		}
	}
	switch {
	case mode&os.ModeCharDevice != 0:
		bits |= unix.S_IFCHR
	case mode&os.ModeDevice != 0:
		bits |= unix.S_IFBLK
	case mode.IsRegular():
		bits |= unix.S_IFREG
	}
	return bits
}

var modeFlags = []struct {
	mode os.FileMode
	bit  uint32
}{
	{os.ModeSetuid, unix.S_ISUID},
	{os.ModeSetgid, unix.S_ISGID},
	{os.ModeSticky, unix.S_ISVTX},
	{os.ModeDir, unix.S_IFDIR},
	{os.ModeSymlink, unix.S_IFLNK},
	{os.ModeNamedPipe, unix.S_IFIFO},
	{os.ModeSocket, unix.S_IFSOCK},
}
