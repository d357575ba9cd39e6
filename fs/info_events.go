package fs

import (
	"errors"
	"fmt"

	"shmfs/fs/journal"

	"shmfs/mmapcore/crashpoint"

	"bazil.org/fuse"
	"golang.org/x/sys/unix"
)

// openEvents opens the stream of what happens from now on.
func (f *Filesystem) openEvents(from asker) *openInfo {
	return &openInfo{events: f.journal.Subscribe(f.eventFilter(from.identified()))} // who opens it may pass it on and end
}

// eventFilter decides what who asks is told of: of others' processes only root, and of what lies in a directory only who may search it.
func (f *Filesystem) eventFilter(from asker) journal.Filter {
	if from.uid == 0 {
		return nil
	}
	sight := f.newSight(from)
	return func(event *journal.Event) (visible, full bool) {
		full = !event.Unattributed && event.UID == from.uid
		return sight.path(event.Object) && sight.path(event.To), full
	}
}

// readEvents answers READ with whole lines, and waits for the first.
func (f *Filesystem) readEvents(r *fuse.ReadRequest, handle *handle) {
	again := isResent(&r.Header) && numberOf(r) == handle.row.Load(handleRead)
	if again {
		handle.info.rewind(handle.row)
	}
	message := make([]byte, outHeaderSize+min(r.Size, maxPages*4096))
	n, err := handle.info.events.Read(message[outHeaderSize:])
	if errors.Is(err, unix.EAGAIN) && r.FileFlags&fuse.OpenNonblock == 0 {
		n, err = f.awaitEvent(r, handle, message[outHeaderSize:])
	}
	if err != nil {
		f.fail(r, fmt.Errorf("reading events: %w", err))
		return
	}
	f.recordRead(r, handle, again)
	crashpoint.Here("fs: what was read of the events is recorded")
	_ = f.answer(r, message[:outHeaderSize+n])
}

// awaitEvent reads when there is something to read. EINTR when the reader does not want to wait any more.
func (f *Filesystem) awaitEvent(r *fuse.ReadRequest, handle *handle, into []byte) (int, error) {
	if err := f.beginWait(&r.Header); err != nil {
		return 0, err
	}
	defer f.endWait(&r.Header)
	interrupted := f.inflight.interruption(r.ID)
	key := ^uint64(r.ID) // as nobody's who polls
	defer handle.info.events.Unpoll(key)
	for {
		there := make(chan struct{}, 1)
		if !handle.info.events.Poll(key, func() { there <- struct{}{} }) {
			select {
			case <-there:
			case <-interrupted:
				return 0, unix.EINTR
			}
		}
		n, err := handle.info.events.Read(into)
		if !errors.Is(err, unix.EAGAIN) {
			return n, err
		}
	}
}

// pollEvents says whether there is something to read.
func (f *Filesystem) pollEvents(r *fuse.PollRequest, handle *handle) fuse.PollEvents {
	var tell func()
	if wakeup, wanted := r.Wakeup(); wanted {
		tell = func() { f.wake(wakeup) }
	}
	if handle.info.events.Poll(handle.id, tell) {
		if tell != nil { // edge-triggered epoll wants to be told of the next event though there is one
			handle.info.events.Remind(handle.id, tell)
		}
		return fuse.PollIn | fuse.PollReadNormal
	}
	return 0
}
