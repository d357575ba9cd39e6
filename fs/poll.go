package fs

import (
	"errors"

	"shmfs/mmapcore/record"

	"bazil.org/fuse"
	"golang.org/x/sys/unix"
)

// poll answers POLL. Whatever is no semaphore and no stream of events is always ready, as on any file system. So are semaphores in cached
// mode.
func (f *Filesystem) poll(r *fuse.PollRequest) {
	handle, err := f.handles.get(uint64(r.Handle))
	if err != nil {
		f.fail(r, err)
		return
	}
	f.recordPoll(r, handle)
	events := fuse.PollEvents(fuse.DefaultPollMask)
	switch {
	case handle.semaphore != nil && f.passthru: // else nobody tells when it changes, and it counts as ready
		events = f.pollSemaphore(r, handle)
	case handle.info != nil && handle.info.events != nil:
		events = f.pollEvents(r, handle)
	}
	f.answerWord(r, uint32(events))
}

// recordPoll notes what wakes those who poll a handle, should this process die. It is the same for each poll of a handle.
func (f *Filesystem) recordPoll(r *fuse.PollRequest, handle *handle) {
	if _, wanted := r.Wakeup(); !wanted || handle.row == (record.Row{}) || handle.row.Load(handlePoll) != 0 {
		return
	}
	key, err := pollKey(r)
	if err != nil {
		f.log.Error("polling", "reason", err)
		return
	}
	handle.row.Store(handlePoll, key+1)
}

// wakeKey makes the kernel ask again for those who poll by a key of another process.
func (f *Filesystem) wakeKey(key uint64) {
	const notifyPoll = 1
	message := make([]byte, outHeaderSize+8) // struct fuse_notify_poll_wakeup_out
	le.PutUint32(message, uint32(len(message)))
	le.PutUint32(message[4:], notifyPoll)
	le.PutUint64(message[outHeaderSize:], key)
	if _, err := unix.Write(f.descriptor, message); err != nil && err != unix.ENOENT && err != unix.ENODEV {
		f.log.Warn("waking pollers", "reason", err)
	}
}

// pollSemaphore says what could be done without waiting, and has the kernel told when a unit comes.
func (f *Filesystem) pollSemaphore(r *fuse.PollRequest, handle *handle) fuse.PollEvents {
	const writable, readable = fuse.PollOut | fuse.PollWriteNormal, fuse.PollIn | fuse.PollReadNormal
	operator, err := f.operatorOf(handle.opened)
	if err != nil {
		f.log.Warn("polling a semaphore", "node", handle.node, "reason", err)
		return writable | fuse.PollError
	}
	var tell func()
	if wakeup, wanted := r.Wakeup(); wanted {
		tell = func() { f.wake(wakeup) }
	}
	there, err := operator.Poll(r.Uid, handle.id, tell)
	switch {
	case there: // even if nobody can be told of the next
		return writable | readable
	case err != nil:
		f.tellExceeded(r, err)
		return writable | fuse.PollError
	}
	return writable
}

// wake makes the kernel ask again for those who poll.
func (f *Filesystem) wake(wakeup fuse.PollWakeup) {
	err := f.conn.NotifyPollWakeup(wakeup)
	if err != nil && !errors.Is(err, fuse.ErrNotCached) && !errors.Is(err, unix.ENODEV) {
		f.log.Debug("waking pollers", "reason", err)
	}
}
