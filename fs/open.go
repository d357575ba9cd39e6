package fs

import (
	"errors"
	"time"

	"shmfs/mmapcore/crashpoint"
	"shmfs/objects"

	"bazil.org/fuse"
	"golang.org/x/sys/unix"
)

func (f *Filesystem) openRequest(r *fuse.OpenRequest, kernelNode uint64) {
	if handle, replied := f.madeBefore(r); handle != nil {
		f.tellOpenedBefore(r, handle)
		f.answerOpening(r, f.openingOf(handle, replied))
		return
	}
	if r.Dir {
		f.openDirectory(r)
		return
	}
	if node := f.semaphores.find(kernelNode); node != nil && f.semaphoresAreText() {
		f.openSemaphore(r, node)
		return
	}
	var writer *objects.Writer
	if uint32(r.OpenFlags)&openKillPrivileges != 0 {
		writer = writerOf(r)
	}
	handle, flags, err := f.openFile(r, writer)
	if err != nil {
		f.fail(r, err)
		return
	}
	f.noteOpener(r, handle)
	f.handOver(r, handle, uint32(r.Flags), flags)
}

// handOver tells the kernel of a handle that was opened with open(2)'s flags. replied are those of the reply.
func (f *Filesystem) handOver(r *fuse.OpenRequest, handle *handle, flags, replied uint32) {
	if err := f.recordHandle(r, handle, flags, replied); err != nil {
		f.closeHandle(handle.id)
		f.fail(r, err)
		return
	}
	crashpoint.Here("fs: an opened handle is recorded")
	if handle.opener != (opener{}) {
		f.openers.opened(handle)
	}
	if handle.opened != nil {
		f.tellOpened(r, handle, flags)
	}
	f.answerOpening(r, f.openingOf(handle, replied))
}

// answerOpening tells the kernel of a handle that is recorded.
func (f *Filesystem) answerOpening(r *fuse.OpenRequest, opening opening) {
	var message [outHeaderSize + openOutSize]byte
	putOpening(message[outHeaderSize:], opening)
	if f.answer(r, message[:]) != nil {
		f.closeHandle(opening.handle)
	}
}

func (f *Filesystem) openDirectory(r *fuse.OpenRequest) {
	listing, err := f.tree.List(uint64(r.Node), r.Flags&unix.O_NOATIME != 0)
	if err != nil {
		f.fail(r, err)
		return
	}
	handle := &handle{node: uint64(r.Node), kernelNode: uint64(r.Node), listing: listing}
	f.handles.add(handle)
	f.handOver(r, handle, uint32(r.Flags)|unix.O_DIRECTORY, 0)
}

// openFile makes a handle of a regular file. With a writer, opening clears setuid and setgid as that writer's writes do. It returns the
// flags of the reply.
func (f *Filesystem) openFile(r *fuse.OpenRequest, writer *objects.Writer) (*handle, uint32, error) {
	node, flags := uint64(r.Node), uint32(r.Flags)
	access := int(flags & unix.O_ACCMODE)
	if flags&unix.O_TRUNC != 0 && access == unix.O_RDONLY {
		access = unix.O_RDWR
	}
	file, err := f.open(node, access)
	if err != nil {
		return nil, 0, err
	}
	if flags&unix.O_TRUNC != 0 {
		err = f.truncateOnce(r, file.object)
	}
	if err == nil && writer != nil {
		err = f.tree.DropPrivileges(node, *writer)
	}
	if err != nil {
		f.release(file)
		return nil, 0, err
	}
	direct := f.direct(flags)
	handle, err := f.addFileHandle(file, flags, direct)
	if err != nil {
		f.release(file)
		return nil, 0, err
	}
	return handle, f.openFlags(direct), nil
}

// addFileHandle makes a handle of what is open and counted already.
func (f *Filesystem) addFileHandle(file *opened, flags uint32, direct bool) (*handle, error) {
	handle := &handle{node: file.node, kernelNode: file.node, opened: file}
	if flags&unix.O_NOATIME != 0 && (direct || !f.passthru) {
		var err error
		if handle.quiet, err = f.tree.Open(file.node, unix.O_RDONLY|unix.O_NOATIME); err != nil {
			return nil, err
		}
	}
	f.handles.add(handle)
	return handle, nil
}

// direct says whether read(2) and write(2) of a handle must come to the daemon rather than go to the backing file: to charge
// growth, or to append only as long as fcntl(2) says so, which the backing file would never hear of.
func (f *Filesystem) direct(flags uint32) bool {
	if !f.passthru || flags&unix.O_ACCMODE == unix.O_RDONLY {
		return false
	}
	return f.options.Load().Commit == Strict || flags&unix.O_APPEND != 0
}

func (f *Filesystem) openFlags(direct bool) uint32 {
	if !f.passthru {
		return openKeepCache // nobody but this mount's clients changes the store
	}
	if direct {
		return openPassthrough | openDirectIO
	}
	return openPassthrough
}

func (f *Filesystem) openingOf(handle *handle, flags uint32) opening {
	found := opening{handle: handle.id, flags: flags}
	if handle.opened != nil {
		found.backingID = handle.opened.backingID
	}
	return found
}

func (f *Filesystem) create(r *fuse.CreateRequest) {
	if isSemaphoreName(uint64(r.Node), r.Name) && f.semaphoresAreText() {
		f.createSemaphore(r)
		return
	}
	var object *objects.Object
	entry, err := f.makeOnce(r, r.Name, func() (entry objects.Entry, err error) {
		entry, object, err = f.tree.Create(uint64(r.Node), r.Name, unixMode(r.Mode)&0o7777, f.creator(r, r.Umask))
		return entry, err
	})
	if err == nil && object == nil { // it was created before the request came again
		if handle, replied := f.madeBefore(r); handle != nil {
			f.answerMadeFile(r, nameValid, handle, replied)
			return
		}
		object, err = f.tree.Open(entry.ID, unix.O_RDWR)
	}
	if errors.Is(err, unix.EEXIST) && r.Flags&fuse.OpenExclusive == 0 {
		// The kernel thought the name free, so it has not checked the right to open what is there: ESTALE makes it look again.
		err = unix.ESTALE
	}
	if err != nil {
		f.fail(r, err)
		return
	}
	f.tellCreated(r, r.Name, &entry)
	err = f.answerCreated(r, entry, object, uint32(r.Flags), nil)
	if err != nil {
		// The kernel is told that there is no such file, and would go on believing it.
		f.fail(r, errors.Join(err, f.tree.Unlink(uint64(r.Node), r.Name)))
	}
}

// answerMadeFile answers a request that comes again with the file and the handle that it made.
func (f *Filesystem) answerMadeFile(r fuse.Request, valid time.Duration, handle *handle, replied uint32) {
	entry, err := f.tree.Entry(handle.node)
	if err != nil {
		f.closeHandle(handle.id)
		f.fail(r, err)
		return
	}
	f.tellOpenedBefore(r, handle)
	f.answerHandle(r, entry, valid, handle, replied)
}

// answerCreated replies with what was just created and a handle of it, as a semaphore if one is given. When that fails, nothing has
// been answered.
func (f *Filesystem) answerCreated(r fuse.Request, entry objects.Entry, object *objects.Object, flags uint32, semaphore *openSemaphore) error {
	file, err := f.shareCreated(entry.ID, object)
	if err != nil {
		f.forget(entry.ID, 1)
		return err
	}
	handle, replied, err := f.handleOf(file, flags, semaphore)
	if err != nil {
		f.release(file)
		f.forget(entry.ID, 1)
		return err
	}
	if err := f.recordHandle(r, handle, flags, replied); err != nil {
		f.closeHandle(handle.id)
		f.forget(entry.ID, 1)
		return err
	}
	crashpoint.Here("fs: the handle of what was made is recorded")
	f.tellOpened(r, handle, flags)
	valid := nameValid
	if semaphore != nil {
		valid = semaphoreValid
	}
	f.answerHandle(r, entry, valid, handle, replied)
	return nil
}

// answerHandle replies with a node and a handle of it.
func (f *Filesystem) answerHandle(r fuse.Request, entry objects.Entry, valid time.Duration, handle *handle, replied uint32) {
	var message [outHeaderSize + entryOutSize + openOutSize]byte
	putEntry(message[outHeaderSize:], &entry, valid)
	putOpening(message[outHeaderSize+entryOutSize:], f.openingOf(handle, replied))
	if f.answer(r, message[:]) != nil {
		f.closeHandle(handle.id)
		f.forget(entry.ID, 1)
	}
}

// handleOf makes a handle of what is open and counted already, and returns the flags of the reply.
func (f *Filesystem) handleOf(file *opened, flags uint32, semaphore *openSemaphore) (*handle, uint32, error) {
	if semaphore != nil {
		return f.addSemaphoreHandle(file, semaphore), f.semaphoreFlags(), nil
	}
	direct := f.direct(flags)
	handle, err := f.addFileHandle(file, flags, direct)
	return handle, f.openFlags(direct), err
}

func (f *Filesystem) releaseRequest(r *fuse.ReleaseRequest) {
	handle, err := f.handles.get(uint64(r.Handle))
	if err != nil && isResent(r.Hdr()) { // it was closed before the request came again
		f.answerEmpty(r, nil)
		return
	}
	if err == nil {
		handle.releasing = numberOf(r)
		f.tellClosing(handle)
		if handle.opened != nil {
			f.noteRelease(handle.opened, numberOf(r))
		}
	}
	f.closeHandle(uint64(r.Handle))
	f.answerEmpty(r, nil)
}

func (f *Filesystem) closeHandle(id uint64) {
	handle, err := f.handles.take(id)
	if err != nil {
		f.log.Error("closing a handle", "reason", err)
		return
	}
	f.closeTaken(handle)
}

// closeTaken closes a handle that is in no table any more.
func (f *Filesystem) closeTaken(handle *handle) {
	defer f.uncount(handle)
	if handle.semaphore != nil {
		f.closeSemaphore(handle)
		crashpoint.Here("fs: what was held through a handle is given back")
	}
	f.openers.closed(handle)
	removeRow(handle.row) // before its opening's, which nobody needs then
	f.handles.closed(handle.id)
	crashpoint.Here("fs: a handle's record is gone")
	if handle.info != nil {
		if err := handle.info.close(); err != nil {
			f.log.Error("closing a file of "+infoName, "reason", err)
		}
		f.dropText(handle.info.kept)
		f.dropText(handle.info.cut.kept)
		return
	}
	if handle.quiet != nil {
		if err := handle.quiet.Close(); err != nil {
			f.log.Error("closing an object", "node", handle.node, "reason", err)
		}
	}
	if handle.opened != nil {
		f.release(handle.opened)
		return
	}
	if err := handle.listing.Close(); err != nil {
		f.log.Error("closing a directory", "node", handle.node, "reason", err)
	}
}
