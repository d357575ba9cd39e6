package fs

import (
	"errors"
	"time"

	"shmfs/objects"

	"golang.org/x/sys/unix"
)

// The kernel tells of a closed file a moment before the file is gone. So who is found in use is looked at again, soon at first and ever
// more rarely; where the kernel tells nothing at all, for want of inotify watches, never more rarely than the latter.
const (
	firstPause   = time.Millisecond
	longestPause = 10 * time.Minute
	longestBlind = time.Second
)

// watch is a semaphore that nobody has open but somebody maps.
type watch struct {
	object *objects.Object // open for reading; immutable
	id     int             // of the inotify watch; 0: none could be had; immutable
	pause  time.Duration   // before the next look that nothing prompts; guarded by orphans.mu
	timer  *time.Timer     // guarded by orphans.mu
}

// watches says whether a node is watched.
func (o *orphans) watches(node uint64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.watched[node] != nil
}

// spawn runs what takes its time; false when the end has come.
func (o *orphans) spawn(run func()) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.closed {
		o.running.Go(run)
	}
	return !o.closed
}

// watchUse has a node watched, if it is not yet, and says whether anybody uses it. The gate is closed.
func (f *Filesystem) watchUse(node uint64) (used, watchedBefore bool) {
	watched, watchedBefore, err := f.watch(node)
	if err != nil {
		f.log.Warn("watching a semaphore for the end of its users", "node", node, "reason", err)
		return true, watchedBefore
	}
	alone, err := watched.object.Alone()
	if err != nil {
		f.log.Debug("asking for a lease", "node", node, "reason", err)
		alone = !f.isMapped(node)
	}
	if !alone {
		f.lookLater(node, watched)
	}
	return !alone, watchedBefore
}

// watch returns the watch of a node.
func (f *Filesystem) watch(node uint64) (watched *watch, before bool, err error) {
	f.orphans.mu.Lock()
	watched = f.orphans.watched[node]
	f.orphans.mu.Unlock()
	if watched != nil {
		return watched, true, nil
	}
	object, err := f.tree.Open(node, unix.O_RDONLY)
	if err != nil {
		return nil, false, err
	}
	watched = &watch{object: object, pause: firstPause}
	f.orphans.mu.Lock()
	defer f.orphans.mu.Unlock()
	if f.orphans.closed {
		return nil, false, errors.Join(unix.ESHUTDOWN, object.Close())
	}
	if watched.id, err = f.addNotice(node, object); err != nil {
		f.log.Debug("a semaphore is looked at by the clock", "node", node, "reason", err)
	}
	f.orphans.watched[node] = watched
	return watched, false, nil
}

// unwatch ends a watch, if there is one.
func (o *orphans) unwatch(node uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if watched := o.watched[node]; watched != nil {
		delete(o.watched, node)
		o.end(watched)
	}
}

// end gives back what a watch that is in no table any more holds. The caller holds mu.
func (o *orphans) end(watched *watch) {
	if watched.timer != nil {
		watched.timer.Stop()
	}
	if watched.id != 0 {
		o.notices.remove(watched.id)
	}
	_ = watched.object.Close() // it was only read
}

// lookLater has a node looked at again after its pause.
func (f *Filesystem) lookLater(node uint64, watched *watch) {
	o := &f.orphans
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.watched[node] != watched {
		return
	}
	if watched.timer != nil {
		watched.timer.Stop()
	}
	watched.timer = time.AfterFunc(watched.pause, func() {
		o.spawn(func() { f.settleOrphan(node, false) })
	})
	limit := longestPause
	if watched.id == 0 {
		limit = longestBlind
	}
	watched.pause = min(2*watched.pause, limit)
}
