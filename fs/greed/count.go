package greed

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Count counts what each user has of one thing, up to a limit that is the same for all.
type Count struct {
	what   string                // immutable
	name   string                // of the limit; immutable
	errno  unix.Errno            // beyond it; immutable
	exempt func(uid uint32) bool // immutable

	limit   atomic.Int64 // 0: none
	refused atomic.Uint64

	mu    sync.Mutex
	held  map[uint32]int64         // without users who have nothing; guarded by mu
	total int64                    // of all users; guarded by mu
	given map[uint32]chan struct{} // closed when a user, for whom somebody waits, gives something back; guarded by mu
}

// NewCount returns a count of something without a limit, whose name may be empty. What is refused fails with errno; those who are exempt are
// counted and never refused.
func NewCount(what, name string, errno unix.Errno, exempt func(uid uint32) bool) *Count {
	return &Count{what: what, name: name, errno: errno, exempt: exempt, held: make(map[uint32]int64), given: make(map[uint32]chan struct{})}
}

// SetLimit sets how much a user may have; 0 is no limit. Who has more already keeps it.
func (c *Count) SetLimit(most int64) { c.limit.Store(most) }

// Take counts one more, unless the user has as much as there may be: then it is an *Exceeded. Give must follow.
func (c *Count) Take(uid uint32) error { return c.TakeSoon(uid, 0) }

// TakeSoon is Take that waits so long for the user to give something back.
func (c *Count) TakeSoon(uid uint32, patience time.Duration) error {
	given, refusal := c.try(uid, patience > 0)
	if refusal != nil && patience > 0 {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		for expired := false; refusal != nil && !expired; {
			select {
			case <-given:
			case <-timer.C:
				expired = true
			}
			given, refusal = c.try(uid, !expired)
		}
	}
	if refusal == nil {
		return nil
	}
	c.refused.Add(1)
	return refusal
}

// try counts one more if there may be. Else it returns, if that is wanted, what is closed when the user gives something back.
func (c *Count) try(uid uint32, wanted bool) (given <-chan struct{}, refusal *Exceeded) {
	most := c.limit.Load()
	unlimited := most == 0 || c.exempt(uid)
	c.mu.Lock()
	defer c.mu.Unlock()
	held := c.held[uid]
	if held < most || unlimited {
		c.add(uid)
		return nil, nil
	}
	if wanted && c.given[uid] == nil {
		c.given[uid] = make(chan struct{})
	}
	return c.given[uid], &Exceeded{UID: uid, Held: held, What: c.what, Name: c.name, Most: most, Errno: c.errno}
}

// Add counts one more that is there already, whatever the limit. Give must follow.
func (c *Count) Add(uid uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(uid)
}

// add counts one more. The caller holds mu.
func (c *Count) add(uid uint32) {
	c.held[uid]++
	c.total++
}

// Give counts one less. It does nothing when the user has none.
func (c *Count) Give(uid uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	held := c.held[uid]
	if held == 0 {
		return
	}
	c.held[uid] = held - 1
	if held == 1 {
		delete(c.held, uid) // one user may have any number of ids
	}
	c.total--
	if given := c.given[uid]; given != nil {
		close(given)
		delete(c.given, uid)
	}
}

// Held returns how much a user has.
func (c *Count) Held(uid uint32) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held[uid]
}

// All returns how much each user has who has something.
func (c *Count) All() map[uint32]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.held)
}

// Total returns how much all users have together.
func (c *Count) Total() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.total
}

// Refused returns how often somebody was refused.
func (c *Count) Refused() uint64 { return c.refused.Load() }
