package fs

import (
	"errors"
	"fmt"

	"shmfs/objects"
	"shmfs/semfs"

	"bazil.org/fuse"
	"golang.org/x/sys/unix"
)

// resetOrphan gives a semaphore that nobody uses the value it began with, and no waiters. Errors: EINVAL when it is none, or that value is
// not known.
func (f *Filesystem) resetOrphan(node uint64) error {
	f.awaitSettled()
	object, err := f.tree.Open(node, unix.O_RDWR)
	if err != nil {
		return err
	}
	defer object.Close()
	if err := resetSemaphore(object); err != nil {
		return err
	}
	if !f.agreed.passthrough {
		f.dropPages(fuse.NodeID(node), 0, 0) // the clients' copy
	}
	return nil
}

func resetSemaphore(object *objects.Object) error {
	semaphore, err := semfs.Open(object.Region())
	if err != nil {
		return err
	}
	state, err := semaphore.State()
	if err = errors.Join(err, semaphore.Close()); err != nil {
		return err
	}
	switch {
	case state.Layout == nil:
		return fmt.Errorf("resetting a semaphore: %s: %w", state.Invalid, unix.EINVAL)
	case !state.Noted:
		return fmt.Errorf("resetting a semaphore: its initial value is not known: %w", unix.EINVAL)
	}
	image, err := semfs.Image(state.Layout, state.Initial)
	if err != nil {
		return err
	}
	_, err = object.WriteAt(image, 0)
	return err
}

// forgetNames has the kernel forget what it remembers of names that were removed without its doing: the times of their directories, and
// the names themselves but for those of semaphores, which it never remembers. So in daily use it takes no lock of a directory's, which a
// request may hold that waits for us.
func (f *Filesystem) forgetNames(links []objects.Link) {
	for _, link := range links {
		const attributesOnly = -1
		err := f.conn.InvalidateNode(fuse.NodeID(link.Parent), attributesOnly, 0)
		if !isSemaphoreName(link.Parent, link.Name) {
			err = errors.Join(err, f.conn.InvalidateEntry(fuse.NodeID(link.Parent), link.Name))
		}
		if err != nil && !errors.Is(err, fuse.ErrNotCached) {
			f.log.Debug("forgetting a name", "name", link.Name, "reason", err)
		}
	}
}
