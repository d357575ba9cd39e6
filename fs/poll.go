package fs

import (
	"errors"

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
	events := fuse.PollEvents(fuse.DefaultPollMask)
	switch {
	case handle.semaphore != nil && f.passthru: // else nobody tells when it changes, and it counts as ready
		events = f.pollSemaphore(r, handle)
	case handle.info != nil && handle.info.events != nil:
		events = f.pollEvents(r, handle)
	}
	r.Respond(&fuse.PollResponse{REvents: events})
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
	there, err := operator.Poll(handle.id, tell)
	switch {
	case there: // even if nobody can be told of the next
		return writable | readable
	case err != nil:
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
