package fs

import (
	"shmfs/mmapcore/record"
	"shmfs/semfs"
)

// The words of an intent's row in the record, one for each semaphore that is operated: the change that is about to be made to its memory.
// What follows from a change is stored only after it was made, each word by itself, as the intent says it will be: so it can be stored again.
const (
	intentNode  = iota
	intentState // intentPending, or 0
	intentKind  // semfs.Kind below, the stamp above
	intentUnits
	intentRequest
	intentProgress
	intentClient
	intentHeld
	intentHolder
	intentCommand // two words
	_
	intentJoined // 1: a sleeper is counted in the memory
	intentWords
)

const intentPending = 1

// commandWords hold the name of a command: at most 15 bytes, and their number.
const commandWords = 2

// intents is where one semaphore's operator says what it is about to change (semfs.Recorder).
type intents struct {
	filesystem *Filesystem
	row        record.Row
}

// newIntents begins the record of a semaphore's changes.
func (f *Filesystem) newIntents(node uint64) (*intents, error) {
	row, err := f.state.intents.Add(node)
	if err != nil {
		return nil, err
	}
	return &intents{f, row}, nil
}

// Intend notes a change that is about to be made.
func (i *intents) Intend(intent semfs.Intent) error {
	i.row.Store(intentState, 0)
	i.row.Store(intentKind, uint64(intent.Kind)|uint64(intent.Stamp)<<32)
	i.row.Store(intentUnits, uint64(intent.Units))
	i.row.Store(intentRequest, intent.Request)
	i.row.Store(intentProgress, uint64(intent.Progress))
	i.row.Store(intentClient, intent.Client)
	i.row.Store(intentHeld, intent.Held)
	i.row.Store(intentHolder, uint64(intent.Holder.Process))
	if intent.Kind == semfs.Acquire {
		putCommand(i.row, intentCommand, intent.Holder.Command)
	}
	i.row.Store(intentState, intentPending)
	return nil
}

// Done stores what follows from a change that was made.
func (i *intents) Done(intent semfs.Intent) {
	if intent.Request != 0 {
		i.filesystem.attempts.progress(intent.Request, intent.Progress)
	}
	if intent.Client != 0 {
		i.holds(intent)
	}
	switch intent.Kind {
	case semfs.Join:
		i.row.Store(intentJoined, 1)
	case semfs.Leave:
		i.row.Store(intentJoined, 0)
	}
	i.row.Store(intentState, 0)
}

// holds notes what a handle holds from now on. That goes for one that is being closed, too: until its row is gone the process may die, and
// the next one gives back what the row says.
func (i *intents) holds(intent semfs.Intent) {
	handle := i.filesystem.handles.recorded(intent.Client)
	if handle == nil {
		return
	}
	if intent.Kind == semfs.Acquire {
		handle.row.Store(handleHolder, uint64(intent.Holder.Process))
		putCommand(handle.row, handleCommand, intent.Holder.Command)
	}
	if intent.Kind == semfs.Return {
		handle.row.Store(handleDied, uint64(intent.Units))
	}
	handle.row.Store(handleHeld, intent.Held)
}

// Abandon notes that nothing was changed.
func (i *intents) Abandon() { i.row.Store(intentState, 0) }

// putCommand writes the name of a command.
func putCommand(row record.Row, word int, command string) {
	var bytes [8 * commandWords]byte
	bytes[0] = byte(copy(bytes[1:], command))
	for i := range commandWords {
		row.Store(word+i, le.Uint64(bytes[8*i:]))
	}
}

// commandFrom reads what putCommand wrote.
func commandFrom(words []uint64) string {
	var bytes [8 * commandWords]byte
	for i := range commandWords {
		le.PutUint64(bytes[8*i:], words[i])
	}
	return string(bytes[1 : 1+min(int(bytes[0]), len(bytes)-1)])
}

// intentFrom reads an intent.
func intentFrom(words []uint64) semfs.Intent {
	return semfs.Intent{
		Stamp: uint32(words[intentKind] >> 32), Kind: semfs.Kind(words[intentKind]), Units: uint32(words[intentUnits]),
		Request: words[intentRequest], Progress: int(words[intentProgress]), Client: words[intentClient], Held: words[intentHeld],
		Holder: semfs.Holder{Process: int(words[intentHolder]), Command: commandFrom(words[intentCommand:])},
	}
}

// settling lasts until it is decided which changes were made that were about to be when a process died.
//
// In cached mode that takes a process that uses the mount, and so happens while it is served.
type settling struct{ done chan struct{} }

func (s *settling) init() { s.done = make(chan struct{}) }

// awaitSettled waits for that.
func (f *Filesystem) awaitSettled() { <-f.settled.done }

// pendingIntents ties the semaphores' rows to their open files, before anybody is served.
func (f *Filesystem) pendingIntents() []*opened {
	var pending []*opened
	for row, words := range f.state.intents.Each {
		file := f.openings.byNode[words[intentNode]]
		if file == nil {
			row.Remove()
			continue
		}
		file.operation.intents = &intents{f, row}
		pending = append(pending, file)
	}
	return pending
}

// takeUpIntents finds out which changes of semaphores were made that were about to be, and gives handles what they hold.
func (f *Filesystem) takeUpIntents(pending []*opened) {
	defer close(f.settled.done)
	for _, file := range pending {
		f.takeUpIntent(file)
	}
	for _, handle := range f.handles.all() {
		if handle.semaphore != nil && handle.row.Load(handleHeld) > 0 {
			f.restoreHolding(handle)
		}
	}
}

// takeUpIntent makes the operator of a semaphore that was operated.
func (f *Filesystem) takeUpIntent(file *opened) {
	row := file.operation.intents.row
	words := make([]uint64, intentWords)
	for i := range words {
		words[i] = row.Load(i)
	}
	operator, err := f.operatorOf(file)
	if err == nil && words[intentState] == intentPending {
		_, err = operator.Settle(intentFrom(words))
	}
	if err == nil && row.Load(intentJoined) != 0 {
		if err := operator.LeaveForDead(); err != nil { // on memory that is no semaphore any more
			f.log.Warn("the waiter of the process that died", "node", file.node, "reason", err)
		}
		row.Store(intentJoined, 0)
	}
	if err != nil {
		f.log.Error("a semaphore's last change cannot be found out", "node", file.node, "reason", err)
	}
}

// restoreHolding gives a handle what it holds.
func (f *Filesystem) restoreHolding(handle *handle) {
	operator, err := f.operatorOf(handle.opened)
	if err != nil {
		f.log.Error("units that were held are lost", "node", handle.node, "reason", err)
		return
	}
	words := []uint64{handle.row.Load(handleCommand), handle.row.Load(handleCommand + 1)}
	holder := semfs.Holder{Process: int(handle.row.Load(handleHolder)), Command: commandFrom(words)}
	s := handle.semaphore
	s.mu.Lock()
	defer s.mu.Unlock()
	s.client = operator.Restore(handle.id, handle.row.Load(handleHeld), holder)
	f.countWriter(handle)
}
