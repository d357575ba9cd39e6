package fs

import "bazil.org/fuse"

// nodeOf is the inode of a request that was done before it came again, 0 for any other.
func (a *attempts) nodeOf(request fuse.Request) uint64 {
	if _, done := a.outcome(request); !done {
		return 0
	}
	return a.load(request, attemptNode)
}

// load returns a word of a request's row, 0 if it has none.
func (a *attempts) load(request fuse.Request, word int) uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if row, known := a.byRequest[numberOf(request)]; known {
		return row.Load(word)
	}
	return 0
}

// noteTold notes that an event is told of a request, by its number, of whose text so many bytes are done with. The event is about to get
// its number, which is noted first: whoever goes on finds by it whether it came to that.
func (a *attempts) noteTold(request uint64, progress int, number uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if row, known := a.byRequest[request]; known {
		row.Store(attemptNumber, number)
		row.Store(attemptTold, uint64(progress))
	}
}
