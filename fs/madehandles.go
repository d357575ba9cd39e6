package fs

import (
	"sync"

	"bazil.org/fuse"
)

// madeHandles are the handles that a process made which has died, by the request that asked for each: that may not have been answered,
// and comes again.
type madeHandles struct {
	mu        sync.Mutex
	byRequest map[uint64]*handle // guarded by mu
}

func (m *madeHandles) init() { m.byRequest = make(map[uint64]*handle) }

// note is called before anybody is served.
func (m *madeHandles) note(request uint64, handle *handle) { m.byRequest[request] = handle }

// take returns the handle that a request has made, once.
func (m *madeHandles) take(number uint64) *handle {
	m.mu.Lock()
	defer m.mu.Unlock()
	handle := m.byRequest[number]
	delete(m.byRequest, number)
	return handle
}

// keepOnly forgets all but the handles of requests of these numbers.
func (m *madeHandles) keepOnly(numbers map[uint64]bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	made := make(map[uint64]*handle) // what is empty should not stay as large as it was
	for number := range numbers {
		if handle := m.byRequest[number]; handle != nil {
			made[number] = handle
		}
	}
	m.byRequest = made
}

// madeBefore returns the handle that a request has made before it came again, with the flags of the reply; nil if there is none.
func (f *Filesystem) madeBefore(request fuse.Request) (*handle, uint32) {
	if uint64(request.Hdr().ID)&resent == 0 {
		return nil, 0
	}
	made := f.requests.take(numberOf(request))
	if made == nil {
		return nil, 0
	}
	return made, uint32(made.row.Load(handleFlags) >> 32)
}
