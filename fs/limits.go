package fs

import (
	"errors"
	"fmt"
	"os"
	"time"

	"shmfs/fs/greed"

	"bazil.org/fuse"
	"golang.org/x/sys/unix"
)

// mostSleepersOfOne is in how many semaphores one user may wait and poll at once, of mostSleepers.
const mostSleepersOfOne = mostSleepers / 4

// releasePatience is how long an open beyond the limit waits for a descriptor to be closed: the kernel tells of close(2) when that has
// returned, and a program that opens right then has done nothing wrong.
const releasePatience = 20 * time.Millisecond

// limits bound what one user may have of what all share (docs/limits.md).
type limits struct {
	own uint32 // the user who runs the daemon; immutable

	handles    *greed.Count       // open files and directories; immutable
	waiters    *greed.Count       // calls that wait for a semaphore or an event; immutable
	readers    *greed.Count       // open files of the daemon's own tree; immutable
	semaphores *greed.Count       // semaphores in which somebody waits or polls; immutable
	turns      *greed.Turns[turn] // of requests; immutable
	refusals   refusals
}

func (l *limits) init() {
	l.own = uint32(os.Geteuid())
	l.handles = greed.NewCount("open files and directories", "limit-handles", unix.EMFILE, l.exempts)
	l.waiters = greed.NewCount("calls that wait", "limit-waiters", unix.EAGAIN, l.exempts)
	l.readers = greed.NewCount("open files of "+infoName, "limit-readers", unix.EMFILE, l.exempts)
	l.semaphores = greed.NewCount("semaphores in which calls wait or poll", "", unix.EAGAIN, l.exempts)
	l.semaphores.SetLimit(mostSleepersOfOne)
	l.turns = greed.NewTurns[turn]()
}

// exempts says whether a user is refused nothing and never waits: root, who may do to the daemon what it likes, and in whose name the kernel
// asks by itself, for whoever waits for memory; and who runs the daemon, likewise, and whose helper process serves others.
func (l *limits) exempts(uid uint32) bool { return uid == 0 || uid == l.own }

// each calls yield for the counts that have an option.
func (l *limits) each(yield func(option string, count *greed.Count)) {
	yield("handles", l.handles)
	yield("waiters", l.waiters)
	yield("readers", l.readers)
}

// setLimits puts the limits among the options in force.
func (f *Filesystem) setLimits(options *Options) {
	f.limits.handles.SetLimit(options.LimitHandles)
	f.limits.waiters.SetLimit(options.LimitWaiters)
	f.limits.readers.SetLimit(options.LimitReaders)
	for _, now := range f.limits.turns.SetLimit(int(options.LimitRequests)) {
		f.spawnTurns(now)
	}
}

// tellExceeded logs that a user is at a limit. False when that is not what an error says.
func (f *Filesystem) tellExceeded(request fmt.Stringer, err error) bool {
	var exceeded *greed.Exceeded
	if !errors.As(err, &exceeded) {
		return false
	}
	if f.limits.refusals.allow(time.Now()) {
		f.log.Warn("a user is at a limit", "request", request.String(), "errno", exceeded.Errno.Error(), "reason", err)
	}
	return true
}

// reserveHandle counts one more handle for a request that opens something, before it does anything. EMFILE when its user has as many as
// there may be. A request that comes again has opened something already, perhaps: it is not refused any more.
func (f *Filesystem) reserveHandle(request fuse.Request) error {
	header := request.Hdr()
	patience := time.Duration(0)
	switch r := request.(type) {
	case *fuse.OpenRequest:
		patience = releasePatience
	case *fuse.CreateRequest: // the kernel has the directory locked: nobody shall wait
	case *fuse.UnrecognizedRequest:
		if r.Opcode != opcodeTmpfile {
			return nil
		}
	default:
		return nil
	}
	if isResent(header) {
		f.limits.handles.Add(header.Uid)
	} else if err := f.limits.handles.TakeSoon(header.Uid, patience); err != nil {
		return fmt.Errorf("opening: %w", err)
	}
	f.inflight.reserve(header.ID)
	return nil
}

// giveReserved gives back what a request has reserved that opens nothing: before it is answered, since its user may open something else then.
func (f *Filesystem) giveReserved(header *fuse.Header) {
	if f.inflight.spendReserved(header.ID) {
		f.limits.handles.Give(header.Uid)
	}
}

// takeReader counts one more open file of the daemon's own tree.
func (f *Filesystem) takeReader(r *fuse.OpenRequest) error {
	if isResent(&r.Header) {
		f.limits.readers.Add(r.Uid)
		return nil
	}
	if err := f.limits.readers.Take(r.Uid); err != nil {
		return fmt.Errorf("opening: %w", err)
	}
	return nil
}

// recount counts a handle that another process has made.
func (f *Filesystem) recount(handle *handle) {
	if handle.info.isReader() {
		f.limits.readers.Add(handle.info.user)
	}
	if user, known := handle.user(); known {
		f.limits.handles.Add(user)
	}
}

// uncount counts a handle no more that is gone.
func (f *Filesystem) uncount(handle *handle) {
	if handle.info.isReader() {
		f.limits.readers.Give(handle.info.user)
	}
	if user, known := handle.user(); known {
		f.limits.handles.Give(user)
	}
}
