package fs

import (
	"errors"
	"fmt"
	"slices"

	"shmfs/mmapcore/record"

	"golang.org/x/sys/unix"
)

// takeUp makes known what the process that served before has left. Nobody is served yet.
func (f *Filesystem) takeUp() error {
	starts := f.state.next(numberStarts)
	if err := f.takeUpQuotas(); err != nil {
		f.log.Error("limits of users are lost", "reason", err)
	}
	f.takeUpSemaphores()
	if starts > 1 {
		f.resending.begin()
		if err := f.closeUnrecorded(); err != nil {
			return err
		}
	}
	openings, err := f.takeUpOpenings()
	if err != nil {
		return err
	}
	texts := f.findTexts()
	for row, words := range f.state.handles.Each {
		if err := f.takeUpHandle(row, words, openings, texts); err != nil {
			f.log.Error("a handle is lost", "node", words[handleNode], "reason", err)
		}
	}
	f.dropFound(texts)
	pending := f.pendingIntents()
	for _, file := range openings {
		f.dropUnused(file)
	}
	pending = slices.DeleteFunc(pending, func(file *opened) bool { return file.count == 0 })
	f.takeUpAttempts()
	if f.helper == nil {
		f.takeUpIntents(pending)
	} else {
		go f.takeUpIntents(pending) // through the mount, when it is served
	}
	if starts > 1 {
		f.log.Info("resumed", "nodes", f.tree.Known(), "handles", len(f.handles.all()))
	}
	return nil
}

// takeUpOpenings opens the files again that are registered, by their openings' numbers.
func (f *Filesystem) takeUpOpenings() (map[uint64]*opened, error) {
	openings := make(map[uint64]*opened)
	for row, words := range f.state.openings.Each {
		flags := words[openingAccess]
		file := &opened{
			node: words[openingNode], access: int(flags & unix.O_ACCMODE), backingID: int32(words[openingBacking]),
			shared: flags&openingShared != 0, referred: flags&openingReferred != 0, row: row,
			lastRelease: words[openingReleased], attributeSet: words[openingAttribute],
		}
		var err error
		file.object, err = f.tree.Open(file.node, file.access)
		if errors.Is(err, unix.ESTALE) { // nobody has kept it
			f.log.Error("an open file is lost", "node", file.node, "reason", err)
			f.dropLost(file)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("opening node %d again: %w", file.node, err)
		}
		if file.shared {
			f.openings.byNode[file.node] = file
		}
		openings[words[openingNumber]] = file
	}
	return openings, nil
}

// dropLost forgets a file that cannot be opened again.
func (f *Filesystem) dropLost(file *opened) {
	if f.passthru {
		_ = closeBacking(f.descriptor, file.backingID)
	}
	file.row.Remove()
	if file.referred {
		f.forget(file.node, 1)
	}
}

// dropUnused closes a file that nobody has open. Of a semaphore's, whoever died before that may have left a sleeper counted in the memory; where
// another process is asked about it there are none.
func (f *Filesystem) dropUnused(file *opened) {
	f.openings.mu.Lock()
	unused := file.count == 0
	if unused {
		file.count = 1
	}
	f.openings.mu.Unlock()
	if !unused {
		return
	}
	if file.operation.intents != nil && f.helper == nil {
		f.takeUpIntent(file)
	}
	f.release(file)
}

// takeUpHandle makes a handle known again.
func (f *Filesystem) takeUpHandle(row record.Row, words []uint64, openings map[uint64]*opened, texts map[uint64]*foundText) error {
	handle := &handle{id: words[handleID], node: words[handleNode], kernelNode: words[handleKernelNode], row: row}
	handle.origin.Store(originOf(words))
	var err error
	switch kind := words[handleKind]; kind & kindMask {
	case kindDirectory:
		handle.listing, err = f.tree.List(handle.node, uint32(words[handleFlags])&unix.O_NOATIME != 0)
	case kindInfo:
		handle.info, err = f.reopenInfo(handle, words, texts[handle.id])
	case kindFile, kindSemaphore:
		err = f.takeUpFile(handle, words, openings[words[handleOpening]])
	default:
		err = fmt.Errorf("handle of kind %d: %w", kind, unix.EUCLEAN)
	}
	if err != nil {
		row.Remove()
		return err
	}
	f.recount(handle)
	f.handles.restore(handle)
	f.takeUpOpener(handle)
	f.requests.note(words[handleRequest], handle)
	return nil
}

// takeUpFile takes up a handle of a regular file.
func (f *Filesystem) takeUpFile(handle *handle, words []uint64, file *opened) error {
	if file == nil {
		return fmt.Errorf("handle %d is of no file: %w", handle.id, unix.EUCLEAN)
	}
	kind, flags := words[handleKind], uint32(words[handleFlags])
	if kind&kindMask == kindFile && flags&unix.O_NOATIME != 0 && (f.direct(flags) || !f.passthru) {
		var err error
		if handle.quiet, err = f.tree.Open(file.node, unix.O_RDONLY|unix.O_NOATIME); err != nil {
			return err
		}
	}
	if kind&kindMask == kindSemaphore {
		node := f.semaphores.findAny(handle.kernelNode)
		if node == nil {
			return fmt.Errorf("handle %d is of no semaphore: %w", handle.id, unix.EUCLEAN)
		}
		handle.semaphore = &openSemaphore{node: node, writes: kind&kindWrites != 0, passing: kind&kindPassing != 0}
		if handle.semaphore.writes {
			f.semaphores.enter(node)
		}
	}
	handle.opened = file
	file.count++
	return nil
}

// reopenInfo opens a file or directory of the daemon's own tree again.
func (f *Filesystem) reopenInfo(handle *handle, words []uint64, kept *foundText) (*openInfo, error) {
	node, from := handle.node, askerOfRow(words)
	if uint32(words[handleFlags])&unix.O_DIRECTORY != 0 {
		directory, err := f.openInfoDirectory(node)
		return &openInfo{directory: directory, user: from.uid}, err
	}
	if node == infoEvents {
		return f.reopenEvents(words, kept, from), nil
	}
	return f.reopenText(handle, words, kept, from)
}

// wakePollers has everybody who polls look again: whom to tell of what died with the process.
func (f *Filesystem) wakePollers() {
	for _, handle := range f.handles.all() {
		if key := handle.row.Load(handlePoll); key != 0 {
			f.wakeKey(key - 1)
		}
	}
}

// notifyResend asks the kernel for all requests again that were read and not answered.
func (f *Filesystem) notifyResend() error {
	const notifyResend = 7
	message := make([]byte, outHeaderSize)
	le.PutUint32(message, outHeaderSize)
	le.PutUint32(message[4:], notifyResend)
	_, err := unix.Write(f.descriptor, message)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENODEV) {
		return nil // a kernel that does not know it, or a mount that is gone
	}
	if err != nil {
		return fmt.Errorf("asking for the requests that are not answered: %w", err)
	}
	return nil
}
