package fs

import (
	"errors"
	"sync"
	"time"

	"shmfs/objects"

	"golang.org/x/sys/unix"
)

// counted is how much of what there was at a moment.
type counted struct {
	objects.Count // Names are those of semaphores
	began         time.Time
	ended         time.Time
	err           error
}

// countAll says how much of what there is: where the tree knows it, as it is now. A directory store has to be walked through, which takes
// time with many objects: then it is how it was not long ago.
func (f *Filesystem) countAll() (now objects.Count, age time.Duration, err error) {
	if now, err = f.tree.Count(); err == nil {
		return now, 0, nil
	}
	asked := time.Now()
	last := f.counting.last(asked)
	if last.began.Before(asked) {
		age = time.Since(last.began)
	}
	return last.Count, age, last.err
}

// counting counts by walks, one at a time, whoever asks.
type counting struct {
	walk func() (objects.Count, error) // immutable

	mu      sync.Mutex
	latest  counted       // the last that has ended; guarded by mu
	running chan struct{} // closed when the one that runs ends; nil if none does; guarded by mu
	stopped bool          // guarded by mu
}

const (
	// countPatience is how long one who asks waits for a count that has begun since.
	countPatience = 50 * time.Millisecond

	// countRest is how long nothing is counted after a count that took longer than that, in times of what it took: who asks without pause
	// shall not keep a processor busy.
	countRest = 3
)

// errCountingStopped ends a walk when the file system is closed.
var errCountingStopped = errors.New("the file system is being closed")

// last returns a count that has begun since a moment, if that can be had within countPatience, and the latest otherwise. Whoever asks before
// there is any waits for it.
func (c *counting) last(since time.Time) counted {
	patience := time.NewTimer(countPatience)
	defer patience.Stop()
	for out := false; ; {
		latest, ended := c.next(since)
		if ended == nil || out && !latest.began.IsZero() {
			return latest
		}
		select {
		case <-ended:
		case <-patience.C:
			out = true
		}
	}
}

// next returns the latest count, and unless that has begun since a moment, a channel that is closed when the next one has ended. It begins one
// if none runs; nil when it is not the time for that.
func (c *counting) next(since time.Time) (latest counted, ended <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.latest.began.Before(since) {
		return c.latest, nil
	}
	if c.running != nil {
		return c.latest, c.running
	}
	if c.stopped {
		return counted{err: errCountingStopped}, nil
	}
	if took := c.latest.ended.Sub(c.latest.began); took > countPatience && time.Since(c.latest.ended) < countRest*took {
		return c.latest, nil
	}
	running := make(chan struct{})
	c.running = running
	go c.run(running)
	return c.latest, running
}

func (c *counting) run(running chan struct{}) {
	began := time.Now()
	count, err := c.walk()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.latest, c.running = counted{count, began, time.Now(), err}, nil
	close(running)
}

// isStopped says whether nobody wants a count any more.
func (c *counting) isStopped() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stopped
}

// stop ends the count that runs, if any, and waits for it. There are no others then.
func (c *counting) stop() {
	c.mu.Lock()
	c.stopped = true
	running := c.running
	c.mu.Unlock()
	if running != nil {
		<-running
	}
}

// countByWalk counts every inode once, with the daemon's own rights.
func (f *Filesystem) countByWalk() (objects.Count, error) {
	var count objects.Count
	seen := make(map[uint64]struct{})
	err := f.walkAs(asker{}, func(found *objects.Found) error {
		if f.counting.isStopped() {
			return errCountingStopped
		}
		kind := kindOf(found)
		if kind == "semaphore" {
			count.Names++
		}
		if kind == "directory" {
			count.Directories++
			return nil
		}
		if _, again := seen[found.Stat.Ino]; again || found.Stat.Mode&unix.S_IFMT != unix.S_IFREG {
			return nil
		}
		if found.Stat.Nlink > 1 {
			seen[found.Stat.Ino] = struct{}{}
		}
		count.Files++
		resident, err := found.Resident()
		count.Resident += resident
		return err
	})
	return count, err
}
