package fs

import (
	"shmfs/fs/journal"
	"shmfs/objects"

	"bazil.org/fuse"
)

// tellMade tells of a semaphore that has got its name.
func (f *Filesystem) tellMade(r fuse.Request, name *createdName, entry *objects.Entry) {
	f.noteCreator(entry.Stat.Ino, r.Hdr().Pid)
	if !f.journal.Pass() {
		f.tell(r, journal.Event{Kind: journal.Create, Object: f.pathIn(name.parent, name.name), Inode: entry.Stat.Ino, Type: "semaphore"})
	}
}

// tellMadeBefore tells of a semaphore that has got its name from a process that has died before it told of it, perhaps.
func (f *Filesystem) tellMadeBefore(r fuse.Request, id uint64) error {
	name := f.semaphores.takeUntold(id)
	if name == nil {
		return nil
	}
	defer f.semaphores.record(id)
	if !isResent(r.Hdr()) {
		return nil
	}
	entry, err := f.tree.Entry(id)
	if err == nil {
		f.tellMade(r, name, &entry)
	}
	return err
}

// takeUntold returns the name of a semaphore of which it may have to be told that it was made, once; nil if there is none.
func (s *semaphoreNodes) takeUntold(id uint64) *createdName {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.byID[id]
	if known == nil {
		return nil
	}
	name := known.untold
	known.untold = nil
	return name
}
