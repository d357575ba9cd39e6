package fs

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// orphanAttribute says what happens to a semaphore when the last process that mapped it or had it open is gone.
const orphanAttribute = "user.shmfs.on-orphan"

// The values of orphanAttribute.
const (
	orphanKeep   = "keep"   // nothing, as without the attribute
	orphanReset  = "reset"  // its value becomes the initial one again, with no waiters
	orphanRemove = "remove" // all its names are removed
)

// checkOrphanAttribute refuses, and logs, a value of orphanAttribute that means nothing to a semaphore: EINVAL.
func (f *Filesystem) checkOrphanAttribute(node uint64, name string, value []byte) error {
	if name != orphanAttribute || f.semaphores.find(node) == nil {
		return nil
	}
	switch string(value) {
	case orphanKeep, orphanReset, orphanRemove:
		return nil
	}
	err := fmt.Errorf("%s is %q, not %s, %s or %s: %w", orphanAttribute, value[:min(len(value), 60)],
		orphanKeep, orphanReset, orphanRemove, unix.EINVAL)
	if f.refusals.allow(time.Now()) {
		f.log.Warn("attribute refused", "node", node, "reason", err)
	}
	return err
}

// settingOrphanAttribute sets an attribute of a node by a function, on behalf of a request of that number. A semaphore that nobody uses at that
// time waits for its next users. That is noted first, lest the process die in between and the next one act by the new attribute.
func (f *Filesystem) settingOrphanAttribute(node uint64, name string, request uint64, set func() error) error {
	if name != orphanAttribute || f.semaphores.find(node) == nil {
		return set()
	}
	file, before := f.noteAttribute(node, request)
	if file == nil && !f.orphans.watches(node) {
		f.semaphores.noteLeft(node, leftArmed)
	}
	if err := set(); err != nil {
		if file != nil {
			f.noteAttribute(node, before)
		}
		return err
	}
	if file == nil {
		f.lookForOrphan(node, true)
	}
	return nil
}

// noteAttribute notes which request has set orphanAttribute of an open file, nil if it is not open, and returns which did before.
func (f *Filesystem) noteAttribute(node, request uint64) (file *opened, before uint64) {
	f.openings.mu.Lock()
	defer f.openings.mu.Unlock()
	if file = f.openings.byNode[node]; file == nil {
		return nil, 0
	}
	before, file.attributeSet = file.attributeSet, request
	file.row.Store(openingAttribute, request)
	return file, before
}

// noteRelease is to be called for each RELEASE, before its handle is closed, with the request's number. The kernel numbers requests in
// the order in which they are made, but sends RELEASE after close(2) has returned, and it may be served late: so the numbers tell whether
// a semaphore was closed only after its attribute was set.
func (f *Filesystem) noteRelease(file *opened, request uint64) {
	f.openings.mu.Lock()
	defer f.openings.mu.Unlock()
	file.lastRelease = max(file.lastRelease, request)
	file.row.Store(openingReleased, file.lastRelease)
}

// noteLeaving has whoever goes on look for an orphan, if the process dies before it does so itself. It is to be called before the record of
// a file goes that nobody has open any more. The caller holds openings.mu.
func (f *Filesystem) noteLeaving(file *opened) {
	if f.semaphores.find(file.node) == nil {
		return
	}
	if policy, err := f.orphanPolicy(file.node); err != nil || policy != orphanKeep {
		left := leftByAll
		if file.armed() {
			left = leftArmed
		}
		f.semaphores.noteLeft(file.node, left)
	}
}

// noteFoundOut notes that there is nothing to be found out about a semaphore any more. One that the kernel does not know either is forgotten.
func (f *Filesystem) noteFoundOut(node uint64) {
	f.semaphores.noteLeft(node, leftNothing)
	f.dropSemaphore(node)
}

// armed says whether orphanAttribute was set when nobody had the file open any more: then it is for its next users. The caller holds
// openings.mu, or nobody else uses the file.
func (o *opened) armed() bool { return o.lastRelease < o.attributeSet }

// orphanPolicy is the value of orphanAttribute.
func (f *Filesystem) orphanPolicy(node uint64) (string, error) {
	value, err := f.tree.Getxattr(node, orphanAttribute)
	if errors.Is(err, unix.ENODATA) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ESTALE) { // the last: it is gone
		return orphanKeep, nil
	}
	if err != nil {
		return orphanKeep, err
	}
	if policy := string(value); policy == orphanReset || policy == orphanRemove {
		return policy, nil
	}
	return orphanKeep, nil // it was set before the file was a semaphore
}
