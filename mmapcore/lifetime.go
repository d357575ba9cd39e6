package mmapcore

import (
	"fmt"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// ErrClosed is what a Region answers after Close and a Mapping after Unmap. It wraps EBADF.
var ErrClosed = fmt.Errorf("closed: %w", unix.EBADF)

// lifetime counts who is using a resource, so that the resource is given back once, when nobody is. It is not a read-write
// lock: somebody who waits for the end does not keep out others who are let in already, and a use may last as long as it likes.
type lifetime struct {
	state atomic.Int64  // the number of users, plus lifetimeEnded once end was called
	idle  chan struct{} // closed when it has ended and the last user has left
}

const lifetimeEnded = 1 << 62

func newLifetime() lifetime { return lifetime{idle: make(chan struct{})} }

// enter reports whether the resource may be used; if so, leave must follow.
func (l *lifetime) enter() bool {
	for {
		state := l.state.Load()
		if state&lifetimeEnded != 0 {
			return false
		}
		if l.state.CompareAndSwap(state, state+1) {
			return true
		}
	}
}

func (l *lifetime) leave() {
	if l.state.Add(-1) == lifetimeEnded {
		close(l.idle)
	}
}

func (l *lifetime) ended() bool { return l.state.Load()&lifetimeEnded != 0 }

// end lets nobody in any more, and returns when everybody has left. It may be called any number of times.
func (l *lifetime) end() {
	if before := l.state.Or(lifetimeEnded); before == 0 {
		close(l.idle)
	}
	<-l.idle
}
