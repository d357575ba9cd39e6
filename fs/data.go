package fs

import (
	"errors"
	"io"

	"shmfs/fs/journal"

	"bazil.org/fuse"
	"golang.org/x/sys/unix"
)

func (f *Filesystem) readRequest(r *fuse.ReadRequest) {
	if handle := f.infoHandle(r.Handle); handle != nil {
		f.readInfo(r, handle)
		return
	}
	if r.Dir {
		f.readDirectory(r)
		return
	}
	handle, err := f.handles.file(uint64(r.Handle))
	if err != nil {
		f.fail(r, err)
		return
	}
	if handle.semaphore != nil && r.Flags&fuse.ReadLockOwner != 0 {
		f.readSemaphore(r, handle)
		return
	}
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	size := min(r.Size, len(*buffer)-outHeaderSize)
	message := (*buffer)[:outHeaderSize+size]
	n, err := handle.reader().ReadAt(message[outHeaderSize:], r.Offset)
	if err != nil && n == 0 && !errors.Is(err, io.EOF) {
		f.fail(r, err)
		return
	}
	node, offset, filled := fuse.NodeID(handle.kernelNode), r.Offset, f.fillsPageCache(r)
	_ = f.answer(r, message[:outHeaderSize+n])
	if filled {
		f.dropPages(node, offset, int64(size))
	}
}

// fillsPageCache says whether a read in passthrough mode is for the mount's own page cache: splice(2) and sendfile(2) on a
// handle whose reads come to the daemon go through it. Such a read, unlike read(2)'s, is nobody's.
func (f *Filesystem) fillsPageCache(r *fuse.ReadRequest) bool {
	return f.passthru && r.Flags&fuse.ReadLockOwner == 0
}

// dropPages takes what a read brought into the mount's page cache out again: stores through mappings go to the backing file's
// pages and would leave it stale.
func (f *Filesystem) dropPages(node fuse.NodeID, offset, length int64) {
	if err := f.conn.InvalidateNode(node, offset, length); err != nil && !errors.Is(err, fuse.ErrNotCached) {
		f.log.Debug("dropping pages", "node", uint64(node), "reason", err)
	}
}

func (f *Filesystem) write(r *fuse.WriteRequest) {
	handle, err := f.handles.file(uint64(r.Handle))
	if err == nil && handle.semaphore != nil {
		if r.Flags&fuse.WriteCache == 0 {
			f.writeSemaphore(r, handle)
		} else {
			f.writeBackSemaphore(r, handle)
		}
		return
	}
	if err == nil && r.Flags&writeKillPrivileges != 0 {
		err = f.tree.DropPrivileges(handle.node, *writerOf(r))
	}
	if err != nil {
		f.fail(r, err)
		return
	}
	n, err := f.writeAt(r, handle)
	if err == nil && r.FileFlags&(unix.O_SYNC|unix.O_DSYNC) != 0 {
		// O_SYNC is O_DSYNC and a bit of its own.
		if err = handle.opened.object.Region().Sync(r.FileFlags&unix.O_SYNC != unix.O_SYNC); err != nil {
			n = 0
		}
	}
	if err != nil && n == 0 {
		f.fail(r, err)
		return
	}
	f.answerWord(r, uint32(n))
}

// writeAt writes, and tells if that made the file longer. Of a write that comes again and ends where the file does it cannot be known.
func (f *Filesystem) writeAt(r *fuse.WriteRequest, handle *handle) (int, error) {
	object := objectFor(r, handle.opened)
	if f.journal.Pass() {
		return object.WriteAt(r.Data, r.Offset)
	}
	before, err := object.Region().Size()
	if err != nil {
		return 0, err
	}
	n, err := object.WriteAt(r.Data, r.Offset)
	if end := r.Offset + int64(n); n > 0 && (end > before || end == before && isResent(&r.Header)) {
		f.tellNode(r, journal.Resize, handle.node, journal.Event{Size: end})
	}
	return n, err
}

func (f *Filesystem) fsync(r *fuse.FsyncRequest) {
	if r.Dir {
		handle, err := f.handles.directory(uint64(r.Handle))
		if err == nil {
			err = handle.listing.Sync()
		}
		f.answerEmpty(r, err)
		return
	}
	handle, err := f.handles.file(uint64(r.Handle))
	if err == nil {
		err = handle.opened.object.Region().Sync(r.Flags&fsyncDataOnly != 0)
	}
	f.answerEmpty(r, err)
}

func (f *Filesystem) allocate(r *fuse.FAllocateRequest) {
	handle, err := f.handles.file(uint64(r.Handle))
	if err == nil && r.Mode&unix.FALLOC_FL_KEEP_SIZE == 0 && !f.passthru {
		err = f.clearTail(handle.node, int64(r.Offset+r.Length))
	}
	if err == nil {
		err = objectFor(r, handle.opened).Allocate(uint32(r.Mode), int64(r.Offset), int64(r.Length))
	}
	if err == nil && r.Uid != 0 { // no flag of the request says whether the caller may keep them
		err = f.tree.DropPrivileges(handle.node, *writerOf(r))
	}
	if err == nil {
		f.tellAllocated(r, handle)
	}
	f.answerEmpty(r, err)
}
