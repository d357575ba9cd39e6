package objects

import (
	"errors"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// patience is how long who finds the store full waits when inodes without a name are about to go: the kernel tells of the last close and
	// the last munmap only afterwards, where tmpfs has freed them when the call returns.
	patience = 50 * time.Millisecond

	// recheck is how often the store is asked again meanwhile: an inode may go a moment after what it was charged.
	recheck = 2 * time.Millisecond

	// vainRest is how long nobody waits for an inode after somebody has in vain. Who waits has the directory locked in the kernel: one who
	// keeps a file without a name open for good, and goes on making names, would hold up everybody else's.
	vainRest = time.Second
)

// patience is none where nothing is about to go.
func (t *Tree) patience() time.Duration {
	if t.orphans.Load() == 0 {
		return 0
	}
	return patience
}

// letGo notes that the keeper was told to let an inode go. It may do so a moment later.
func (t *Tree) letGo() { t.lastLetGo.Store(time.Now().UnixNano()) }

// inodePatience is patience for an inode of the store's, which the keeper may still hold when nobody else does any more.
func (t *Tree) inodePatience() time.Duration {
	if isWithin(&t.lastVain, vainRest) {
		return 0
	}
	if isWithin(&t.lastLetGo, patience) {
		return patience
	}
	return t.patience()
}

// isWithin says whether a moment, in nanoseconds since 1970 or 0 for none, is less than so long ago.
func isWithin(moment *atomic.Int64, length time.Duration) bool {
	at := moment.Load()
	return at != 0 && time.Since(time.Unix(0, at)) < length
}

// patiently runs what takes an inode of the store's, again and again while it has none left (ENOSPC) and some are about to go.
func (t *Tree) patiently(take func() error) error {
	limit := t.inodePatience() // before it is tried: what is about to go then may be gone right behind
	err := take()
	if !errors.Is(err, unix.ENOSPC) || limit == 0 {
		return err
	}
	timeout := time.After(limit)
	for {
		relieved := t.account.relief()
		if err = take(); !errors.Is(err, unix.ENOSPC) {
			return err
		}
		select {
		case <-relieved:
		case <-time.After(recheck):
		case <-timeout:
			if err = take(); errors.Is(err, unix.ENOSPC) {
				t.lastVain.Store(time.Now().UnixNano())
			}
			return err
		}
	}
}
