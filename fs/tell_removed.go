package fs

import (
	"shmfs/fs/journal"

	"bazil.org/fuse"
	"golang.org/x/sys/unix"
)

// removal is a name that is about to go.
type removal struct {
	path string
	stat unix.Stat_t
}

// removalOf looks at a name that is about to go, if anybody wants to know.
func (f *Filesystem) removalOf(r *fuse.RemoveRequest) removal {
	if f.journal.Readers() == 0 {
		return removal{}
	}
	going := removal{path: f.pathIn(uint64(r.Node), r.Name)}
	if node := f.attempts.nodeOf(r); node != 0 { // it has gone before the request came again
		going.stat = unix.Stat_t{Ino: node}
		if stat, err := f.tree.Stat(node); err == nil {
			going.stat = stat
			going.stat.Nlink++
		}
	} else if entry, err := f.tree.Lookup(uint64(r.Node), r.Name); err == nil {
		going.stat = entry.Stat
		f.forget(entry.ID, 1)
	}
	return going
}

func (f *Filesystem) tellRemoved(r *fuse.RemoveRequest, gone removal) {
	if f.journal.Pass() {
		return
	}
	links := uint32(gone.stat.Nlink) - 1
	if r.Dir || gone.stat.Nlink == 0 {
		links = 0
	}
	f.tell(r, journal.Event{Kind: journal.Unlink, Object: gone.path, Inode: gone.stat.Ino, Links: links})
}
