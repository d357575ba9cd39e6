package fs

import (
	"sync"
	"sync/atomic"

	"shmfs/mmapcore/crashpoint"
	"shmfs/mmapcore/record"
	"shmfs/objects"

	"bazil.org/fuse"
)

// The words of the row of an attempt: a request that changes names or attributes, from before it is done until it is answered.
const (
	attemptRequest = iota // 0: the row is not in use
	attemptState          // attemptBegun or attemptDone below, the kind above
	attemptParent
	attemptNewParent // of a renaming
	attemptNode      // the inode that is linked, removed, renamed, truncated or grows, or has the attribute
	attemptOther     // the inode that a renaming replaces or exchanges, 0: none; the size before a truncation, or behind a growth
	attemptResult    // the node that was made
	attemptTold      // of a command: as many bytes of the text as were done with when an event was told last
	attemptNumber    // and that event's number, 0: nobody reads
	attemptLengths   // of the names, the new one's above
	attemptName
	attemptNewName = attemptName + nameWords
	attemptWords   = attemptNewName + nameWords
)

const (
	attemptBegun = 1 + iota
	attemptDone
)

// attemptKind is what is attempted, and so how it is found out whether it was done (docs/recovery.md).
type attemptKind uint64

const (
	attemptMake attemptKind = 1 + iota
	attemptLink
	attemptRemove
	attemptRename
	attemptSetAttribute    // that is not there yet
	attemptRemoveAttribute // that is there
	attemptInitialise      // a semaphore
	attemptCommand         // of a semaphore; what was done of it, its operator finds out
	attemptTruncate        // by an open
	attemptGrow            // to a size that is set
)

// attempt is what a request is about to do.
type attempt struct {
	kind              attemptKind
	parent, newParent uint64
	name, newName     string
	node, other       uint64
	result            uint64
	late              bool // a dead process may do it after this one has begun
}

// attempts knows what is being done, and what a process that has died had done and not answered.
//
// A process may die between an answer and the end of the row, so rows are taken up whose requests never come again. They are dropped when all have
// come that do (see resending), which is before any other request begins a row: so there are never more than requests were served
// at a time, however many processes die. Nor is a later request taken for an earlier one: the kernel counts them in 62 bits (fuse_get_unique),
// from the beginning of a mount, as long as the record is there.
type attempts struct {
	state *state // immutable
	start uint64 // number of this process; immutable

	// underway counts byRequest, so that other requests pay nothing.
	underway atomic.Int64

	mu        sync.Mutex
	byRequest map[uint64]record.Row // by the request's number; guarded by mu
	free      []record.Row          // that are not in use; guarded by mu
}

func (a *attempts) init(state *state) {
	a.state = state
	a.byRequest = make(map[uint64]record.Row)
}

// begin notes what a request is about to do. It is not done if that is impossible.
func (a *attempts) begin(request fuse.Request, what *attempt) error {
	row, err := a.row()
	if err != nil {
		return err
	}
	row.Store(attemptState, attemptBegun|uint64(what.kind)<<8)
	row.Store(attemptParent, what.parent)
	row.Store(attemptNewParent, what.newParent)
	row.Store(attemptNode, what.node)
	row.Store(attemptOther, what.other)
	row.Store(attemptResult, what.result)
	row.Store(attemptTold, 0)
	row.Store(attemptNumber, 0)
	row.Store(attemptLengths, uint64(len(what.name))|uint64(len(what.newName))<<32)
	putName(row, attemptName, what.name)
	putName(row, attemptNewName, what.newName)
	number := numberOf(request)
	crashpoint.Here("fs: an attempt is written down")
	row.Store(attemptRequest, number) // last: now it counts
	crashpoint.Here("fs: an attempt counts")
	a.mu.Lock()
	defer a.mu.Unlock()
	if before, known := a.byRequest[number]; known { // of a process that has not come to do it
		before.Store(attemptRequest, 0)
		a.free = append(a.free, before)
		a.underway.Add(-1)
	}
	a.byRequest[number] = row
	a.underway.Add(1)
	return nil
}

// row returns one that is not in use.
func (a *attempts) row() (record.Row, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if last := len(a.free) - 1; last >= 0 {
		row := a.free[last]
		a.free = a.free[:last]
		return row, nil
	}
	return a.state.attempts.Add()
}

// settle notes that a request has done what it attempted, or not.
func (a *attempts) settle(request fuse.Request, result uint64, err error) {
	a.mu.Lock()
	row, known := a.byRequest[numberOf(request)]
	a.mu.Unlock()
	switch {
	case !known:
	case err != nil:
		a.end(request.Hdr().ID)
	default:
		markDone(row, result)
	}
}

func markDone(row record.Row, result uint64) {
	row.Store(attemptResult, result)
	crashpoint.Here("fs: an attempt's result is written down")
	row.Store(attemptState, row.Load(attemptState)&^0xff|attemptDone)
	crashpoint.Here("fs: an attempt is noted as done")
}

// end forgets a request that was answered.
func (a *attempts) end(id fuse.RequestID) {
	if a.underway.Load() == 0 {
		return
	}
	number := uint64(id) &^ resent
	a.mu.Lock()
	defer a.mu.Unlock()
	row, known := a.byRequest[number]
	if !known {
		return
	}
	delete(a.byRequest, number)
	a.underway.Add(-1)
	row.Store(attemptRequest, 0)
	crashpoint.Here("fs: an attempt counts no more")
	a.free = append(a.free, row)
}

// keepOnly forgets all but requests of these numbers.
func (a *attempts) keepOnly(numbers map[uint64]bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for number, row := range a.byRequest {
		if numbers[number] {
			continue
		}
		row.Store(attemptRequest, 0)
		crashpoint.Here("fs: an attempt that was answered counts no more")
		delete(a.byRequest, number)
		a.underway.Add(-1)
		a.free = append(a.free, row)
	}
}

// outcome is the result of a request that was done before it came again.
func (a *attempts) outcome(request fuse.Request) (result uint64, done bool) {
	if uint64(request.Hdr().ID)&resent == 0 {
		return 0, false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	row, known := a.byRequest[numberOf(request)]
	if !known || row.Load(attemptState)&0xff != attemptDone {
		return 0, false
	}
	return row.Load(attemptResult), true
}

// progress notes how much of a request's text is done with.
func (a *attempts) progress(number uint64, bytes int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if row, known := a.byRequest[number]; known {
		markDone(row, uint64(bytes))
	}
}

// is says whether a request was noted as an attempt of a kind.
func (a *attempts) is(request fuse.Request, kind attemptKind) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	row, known := a.byRequest[numberOf(request)]
	return known && attemptKind(row.Load(attemptState)>>8) == kind
}

// once has a request do something, unless it was done before.
func (f *Filesystem) once(r fuse.Request, what attempt, do func() (result uint64, err error)) (result uint64, again bool, err error) {
	if result, done := f.outcome(r); done {
		return result, true, nil
	}
	if err := f.attempts.begin(r, &what); err != nil {
		return 0, false, err
	}
	result, err = do()
	crashpoint.Here("fs: what was attempted is done, or has failed")
	if err != nil {
		if result, done := f.outcome(r); done { // that is why it has failed
			return result, true, nil
		}
	}
	f.attempts.settle(r, result, err)
	return result, false, err
}

// makeOnce makes something under a name in the directory of a request. A name that is taken is no attempt: what is there after one that
// was begun was made by it.
func (f *Filesystem) makeOnce(r fuse.Request, name string, make func() (objects.Entry, error)) (entry objects.Entry, err error) {
	what := attempt{kind: attemptMake, parent: uint64(r.Hdr().Node), name: name}
	if _, done := f.outcome(r); !done {
		if err := f.tree.Free(what.parent, name); err != nil {
			return entry, err
		}
	}
	node, again, err := f.once(r, what, func() (uint64, error) {
		entry, err = make()
		return entry.ID, err
	})
	if again {
		return f.tree.Entry(node)
	}
	return entry, err
}
