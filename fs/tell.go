package fs

import (
	"strings"
	"time"

	"shmfs/fs/journal"
	"shmfs/mmapcore/crashpoint"
	"shmfs/objects"
	"shmfs/semfs"

	"bazil.org/fuse"
	"golang.org/x/sys/unix"
)

// What happens is told before it is answered, so that whoever acts upon the answer is told of later. While nobody reads events it costs
// no more than a number: what there is to say is found out only when somebody does.

// tell publishes what a request has caused.
func (f *Filesystem) tell(request fuse.Request, event journal.Event) {
	header := request.Hdr()
	event.UID = header.Uid
	event.PID, event.Command = f.askers.who(header.Pid)
	f.tellOnce(numberOf(request), &event)
}

// tellNode tells of something by its node.
func (f *Filesystem) tellNode(request fuse.Request, kind journal.Kind, node uint64, event journal.Event) {
	event.Kind, event.Inode = kind, node
	event.Object, _ = f.pathOf(node) // what has no name has none
	f.tell(request, event)
}

// pathIn returns the path of a name in a directory, below the root.
func (f *Filesystem) pathIn(parent uint64, name string) string {
	directory, err := f.pathOf(parent)
	if err != nil || directory == "" {
		return name
	}
	return directory + "/" + name
}

// pathOf returns a node's path below the root; empty for the root itself. ENOENT when it has none.
func (f *Filesystem) pathOf(node uint64) (string, error) {
	path, err := f.tree.Path(node)
	if err != nil {
		return "", err
	}
	return strings.TrimPrefix(path, "."), nil
}

// tellCreated tells of a new name.
func (f *Filesystem) tellCreated(request fuse.Request, name string, entry *objects.Entry) {
	f.noteCreator(entry.Stat.Ino, request.Hdr().Pid)
	if f.journal.Pass() {
		return
	}
	found := objects.Found{Path: f.pathIn(uint64(request.Hdr().Node), name), Stat: entry.Stat}
	f.tell(request, journal.Event{Kind: journal.Create, Object: found.Path, Inode: entry.Stat.Ino, Type: kindOf(&found)})
}

// origin is who opened something, and how.
type origin struct {
	thread uint32
	uid    uint32
	flags  uint32 // open(2)'s
	since  time.Time
}

// tellOpened tells of a handle more.
func (f *Filesystem) tellOpened(request fuse.Request, handle *handle, flags uint32) {
	if f.journal.Pass() {
		return
	}
	f.tellNode(request, journal.Open, handle.node, journal.Event{Flags: flagWords(flags), Opens: f.openings.count(handle.opened)})
}

// tellOpenedBefore tells of a handle that was made before its request came again, unless that was told.
func (f *Filesystem) tellOpenedBefore(request fuse.Request, handle *handle) {
	if handle.opened != nil {
		f.tellOpened(request, handle, handle.origin.Load().flags)
	}
}

// tellClosing tells of a handle less, before it is gone: who sees that it is has been told.
func (f *Filesystem) tellClosing(handle *handle) {
	from := handle.origin.Load()
	if handle.opened == nil || from == nil || f.journal.Pass() {
		return
	}
	event := journal.Event{Kind: journal.Close, Inode: handle.node, Flags: flagWords(from.flags), UID: from.uid}
	event.Object, _ = f.pathOf(handle.node)
	event.Opens = f.openings.count(handle.opened) - 1
	event.PID, event.Command = f.askers.who(from.thread)
	f.tellOnce(handle.releasing, &event)
}

// tellResized tells of a size.
func (f *Filesystem) tellResized(request fuse.Request, node uint64, size int64) {
	if !f.journal.Pass() {
		f.tellNode(request, journal.Resize, node, journal.Event{Size: size})
	}
}

// tellFull tells of what did not fit, into the mount or into what a user may hold.
func (f *Filesystem) tellFull(request fuse.Request, errno unix.Errno) {
	kind := journal.NoSpace
	if errno == unix.EDQUOT {
		kind = journal.Quota
	}
	if errno != unix.ENOSPC && errno != unix.EDQUOT || f.journal.Pass() {
		return
	}
	var wanted int64
	switch r := request.(type) {
	case *fuse.WriteRequest:
		wanted = int64(len(r.Data))
	case *fuse.SetattrRequest:
		wanted = int64(r.Size)
	case *fuse.FAllocateRequest:
		wanted = int64(r.Length)
	}
	f.tellNode(request, kind, uint64(request.Hdr().Node), journal.Event{Wanted: wanted})
}

// count returns how many handles a file has.
func (o *openings) count(file *opened) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return file.count
}

// flagWords says how a file was opened.
func flagWords(flags uint32) string {
	words := []string{"read"}
	switch flags & unix.O_ACCMODE {
	case unix.O_WRONLY:
		words = []string{"write"}
	case unix.O_RDWR:
		words = []string{"read", "write"}
	}
	for _, known := range []struct {
		flag uint32
		word string
	}{
		{unix.O_APPEND, "append"}, {unix.O_NONBLOCK, "nonblock"}, {unix.O_DSYNC, "sync"}, {unix.O_DIRECT, "direct"},
		{unix.O_DIRECTORY, "directory"}, {unix.O_NOFOLLOW, "nofollow"}, {unix.O_NOATIME, "noatime"}, {unix.O_TRUNC, "truncate"},
	} {
		if flags&known.flag != 0 {
			words = append(words, known.word)
		}
	}
	return strings.Join(words, ",")
}

// tellChanged tells of what a SETATTR has set.
func (f *Filesystem) tellChanged(r *fuse.SetattrRequest, stat *unix.Stat_t) {
	if r.Valid.Size() {
		f.tellResized(r, stat.Ino, stat.Size)
	}
	if !r.Valid.Mode() && !r.Valid.Uid() && !r.Valid.Gid() || f.journal.Pass() {
		return
	}
	f.tellNode(r, journal.Chmod, stat.Ino, journal.Event{Mode: stat.Mode & 0o7777, Owner: stat.Uid, Group: stat.Gid})
}

// tellAllocated tells of a file that fallocate may have made longer.
func (f *Filesystem) tellAllocated(r *fuse.FAllocateRequest, handle *handle) {
	end := int64(r.Offset + r.Length)
	if r.Mode&unix.FALLOC_FL_KEEP_SIZE != 0 || f.journal.Pass() {
		return
	}
	if size, err := handle.opened.object.Region().Size(); err == nil && size == end {
		f.tellNode(r, journal.Resize, handle.node, journal.Event{Size: size})
	}
}

// pathToTell returns a node's path if anybody wants to know.
func (f *Filesystem) pathToTell(node uint64) string {
	if f.journal.Readers() == 0 {
		return ""
	}
	path, _ := f.pathOf(node)
	return path
}

// pathToTellIn returns the path of a name if anybody wants to know.
func (f *Filesystem) pathToTellIn(parent uint64, name string) string {
	if f.journal.Readers() == 0 {
		return ""
	}
	return f.pathIn(parent, name)
}

// nodeToTell returns the node that a name leads to, if anybody wants to know; 0 if there is none.
func (f *Filesystem) nodeToTell(parent uint64, name string) uint64 {
	if f.journal.Readers() == 0 {
		return 0
	}
	entry, err := f.tree.Lookup(parent, name)
	if err != nil {
		return 0
	}
	f.forget(entry.ID, 1)
	return entry.ID
}

// tellMoved tells of a name that leads to what another leads or led to.
func (f *Filesystem) tellMoved(r fuse.Request, kind journal.Kind, old, to string, node uint64) {
	if !f.journal.Pass() {
		f.tell(r, journal.Event{Kind: kind, Object: old, To: to, Inode: node})
	}
}

// tellerOf returns what tells of the units that a command moves. The request may be gone by then.
func (f *Filesystem) tellerOf(header fuse.Header, handle *handle) func(moved semfs.Moved) {
	request := uint64(header.ID) &^ resent
	return func(moved semfs.Moved) {
		if f.journal.Pass() {
			f.attempts.noteTold(request, moved.Progress, 0)
			return
		}
		kind := journal.SemaphoreWait
		if moved.Posted {
			kind = journal.SemaphorePost
		}
		event := journal.Event{Kind: kind, Units: uint64(moved.Units), Value: -1, Inode: handle.node, UID: header.Uid}
		if value, known := moved.Value(); known {
			event.Value = int64(value)
		}
		event.Object, _ = f.pathOf(handle.node)
		event.PID, event.Command = f.askers.who(header.Pid)
		f.journal.PublishAs(&event, func(number uint64) { f.attempts.noteTold(request, moved.Progress, number) })
		crashpoint.Here("fs: a command's event is told")
	}
}

// tellDied tells of units that came back because who held them has gone.
func (f *Filesystem) tellDied(handle *handle, units uint64) {
	from := handle.origin.Load()
	if units == 0 || from == nil || f.journal.Pass() {
		return
	}
	event := journal.Event{Kind: journal.HolderDied, Units: units, Inode: handle.node, UID: from.uid}
	event.Object, _ = f.pathOf(handle.node)
	event.PID, event.Command = f.askers.who(from.thread)
	f.tellOnce(handle.releasing, &event)
}

// maySee says whether who asks may know of a path: whether its directory can be searched by them.
func (f *Filesystem) maySee(from asker, path string) bool {
	directory := directoryOf(path)
	if directory == "" {
		return true
	}
	return f.as(from, func() error { return f.tree.Searchable(directory) }) == nil
}

// directoryOf returns the directory that a path leads through; empty for the root.
func directoryOf(path string) string { return path[:max(strings.LastIndexByte(path, '/'), 0)] }
