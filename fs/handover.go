package fs

import (
	"time"

	"golang.org/x/sys/unix"
)

// handOverPatience is how long requests may take that are being served when another process is to go on.
const handOverPatience = 5 * time.Second

// HandOver has no further request served, and returns when those are answered that are being served, but for those that wait for
// other clients, or for their turn: they come again. The process must end then; Close must not be called, since another goes on.
func (f *Filesystem) HandOver() {
	f.handingOver.Store(true)
	f.endParks()
	for deadline := time.Now().Add(handOverPatience); f.inflight.busy() && time.Now().Before(deadline); {
		_, _ = unix.Poll(nil, 1)
	}
}

// busy says whether a request is being served that does not wait.
func (i *inflight) busy() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, request := range i.byID {
		if request.interrupted == nil {
			return true
		}
	}
	return false
}
