package fs

import (
	"fmt"
	"sync"
	"sync/atomic"

	"shmfs/mmapcore/record"
	"shmfs/objects"

	"golang.org/x/sys/unix"
)

// handle is one open(2) of a client: of a regular file or of a directory.
type handle struct {
	id         uint64                 // immutable
	node       uint64                 // in the tree; immutable
	kernelNode uint64                 // what the kernel calls it; immutable
	opener     opener                 // whose O_TRUNC may follow its OPEN as a SETATTR; else zero; immutable
	opened     *opened                // of a regular file, else nil; immutable
	listing    *objects.Listing       // of a directory, else nil; immutable
	quiet      *objects.Object        // what a handle opened with O_NOATIME reads by if its reads come here, else nil; immutable
	semaphore  *openSemaphore         // of a semaphore that is read and written as text, else nil; immutable
	info       *openInfo              // of the daemon's own tree, else nil; immutable
	origin     atomic.Pointer[origin] // who opened it; set before the kernel knows of it
	row        record.Row             // what outlives the process; set before the kernel knows of it
	releasing  uint64                 // number of the RELEASE; set before it is taken
}

// user is whose it is; false for one that the kernel was never told of.
func (h *handle) user() (uid uint32, known bool) {
	if of := h.origin.Load(); of != nil {
		return of.uid, true
	}
	return 0, false
}

// died is how many units have come back because the handle is being closed.
func (h *handle) died() uint64 {
	if h.row == (record.Row{}) {
		return 0
	}
	return h.row.Load(handleDied)
}

// reader is what the handle of a regular file reads by.
func (h *handle) reader() *objects.Object {
	if h.quiet != nil {
		return h.quiet
	}
	return h.opened.object
}

// handleTable finds handles by the id the kernel knows them by.
type handleTable struct {
	state *state // immutable

	mu      sync.RWMutex
	next    uint64             // guarded by mu
	byID    map[uint64]*handle // guarded by mu
	closing map[uint64]*handle // that were taken and have a row still; guarded by mu
}

// init begins behind the ids that were given before: a RELEASE of one may still be to come, or to come again.
func (h *handleTable) init(state *state) {
	h.state, h.next, h.byID = state, state.numbers.Load(numberHandle), make(map[uint64]*handle)
	h.closing = make(map[uint64]*handle)
}

// restore adds a handle that has its id.
func (h *handleTable) restore(handle *handle) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.byID[handle.id] = handle
}

// add gives a handle its id.
func (h *handleTable) add(handle *handle) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.next++
	h.state.numbers.Store(numberHandle, h.next)
	handle.id = h.next
	h.byID[handle.id] = handle
}

func (h *handleTable) get(id uint64) (*handle, error) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	handle := h.byID[id]
	if handle == nil {
		return nil, fmt.Errorf("handle %d: %w", id, unix.EBADF)
	}
	return handle, nil
}

// file returns the handle of a regular file.
func (h *handleTable) file(id uint64) (*handle, error) {
	handle, err := h.get(id)
	if err == nil && handle.opened == nil {
		return nil, fmt.Errorf("handle %d is no object's: %w", id, unix.EISDIR)
	}
	return handle, err
}

// directory returns the handle of a directory.
func (h *handleTable) directory(id uint64) (*handle, error) {
	handle, err := h.get(id)
	if err == nil && handle.listing == nil {
		return nil, fmt.Errorf("handle %d is not a directory's: %w", id, unix.ENOTDIR)
	}
	return handle, err
}

// recorded returns a handle that has a row, even if it is being closed; nil when there is none.
func (h *handleTable) recorded(id uint64) *handle {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if handle := h.byID[id]; handle != nil {
		return handle
	}
	return h.closing[id]
}

// take removes a handle and returns it. closed is to be called when its row is gone.
func (h *handleTable) take(id uint64) (*handle, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	handle := h.byID[id]
	if handle == nil {
		return nil, fmt.Errorf("handle %d: %w", id, unix.EBADF)
	}
	delete(h.byID, id)
	h.closing[id] = handle
	return handle, nil
}

// closed forgets a handle that was taken.
func (h *handleTable) closed(id uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.closing, id)
}

// drain removes every handle and returns them.
func (h *handleTable) drain() []*handle {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []*handle
	for _, handle := range h.byID {
		all = append(all, handle)
	}
	clear(h.byID)
	return all
}
