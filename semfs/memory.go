package semfs

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// Memory is a semaphore wherever this process can get at it. A Semaphore is one that it maps itself; another process may be asked
// to. Its methods may be called concurrently, but for Change and Settle if it matters which changes were made.
type Memory interface {
	// State looks at the semaphore.
	State() (State, error)
	// Change makes a change, all of it or nothing, and wakes whom it must. In the same step it stamps the memory. intend, unless nil, is told the
	// stamp before it can be there, and again if it must be another; its error ends the change with nothing done. Change
	// returns how many units it moved. Errors: EAGAIN when there are not enough units to be taken; EOVERFLOW when there would be more than
	// MaxValue, of Return when there is no room for one; EINVAL for no units, or a value of more than MaxValue.
	Change(kind Kind, units uint32, intend func(stamp uint32) error) (moved uint32, err error)
	// Settle tells whether the last change, which was to have that stamp, was made. It cannot be any more if it was not.
	Settle(stamp uint32) (done bool, err error)
}

// noteOffset is where, in bytes, the value that a semaphore began with is noted, in noteSize bytes that neither libc uses. glibc leaves
// zeros there, and musl what was on its stack.
const (
	noteOffset = 16
	noteSize   = 8
)

// noteCheck keeps what happens to stand there from being read as a note: its upper half is the value, changed by this.
const noteCheck = 0x5eed2bad

func noteOf(value uint32) uint64 { return uint64(value^noteCheck)<<32 | uint64(value) }

// parseNote returns the value that was noted, if one was.
func parseNote(note uint64) (initial uint32, noted bool) {
	initial = uint32(note)
	if initial > MaxValue || note != noteOf(initial) {
		return 0, false
	}
	return initial, true
}

// Image returns a semaphore's memory with value units (at most MaxValue) and no waiters, and notes that it began with them.
func Image(layout Layout, value uint32) ([]byte, error) {
	if layout == nil || value > MaxValue {
		return nil, fmt.Errorf("a semaphore of layout %v with %d units: %w", layout, value, unix.EINVAL)
	}
	image := make([]byte, Size)
	binary.LittleEndian.PutUint32(image[wordsOffset:], value)
	binary.LittleEndian.PutUint32(image[sharingOffset:], layout.sharing())
	binary.LittleEndian.PutUint64(image[noteOffset:], noteOf(value))
	return image, nil
}

// NoteInitial notes in the Size bytes with which libc initialises a semaphore that it begins with the value they have. What is no
// semaphore stays as it is.
func NoteInitial(image []byte) {
	if len(image) != Size {
		return
	}
	w := words(binary.LittleEndian.Uint64(image[wordsOffset:]))
	layout, _ := decode(w, binary.LittleEndian.Uint32(image[sharingOffset:]))
	if layout != nil {
		binary.LittleEndian.PutUint64(image[noteOffset:], noteOf(layout.value(w)))
	}
}

// InitialNote returns what NoteInitial would write and where, in bytes from the beginning of a semaphore's memory; nil if the memory is
// no semaphore. What stands there already means nothing.
func InitialNote(image []byte) (note []byte, offset int64) {
	if StateOf(image).Layout == nil {
		return nil, 0
	}
	NoteInitial(image)
	return image[noteOffset : noteOffset+noteSize], noteOffset
}

// StateOf is the state of a semaphore whose memory was read, all of it.
func StateOf(image []byte) State {
	if len(image) != Size {
		return State{Invalid: fmt.Sprintf("the file has not %d bytes", Size)}
	}
	w := words(binary.LittleEndian.Uint64(image[wordsOffset:]))
	layout, reason := decode(w, binary.LittleEndian.Uint32(image[sharingOffset:]))
	if layout == nil {
		return State{Invalid: reason}
	}
	state := State{Layout: withoutMark(layout), Value: layout.value(w), Waiters: w.waiters()}
	state.Initial, state.Noted = parseNote(binary.LittleEndian.Uint64(image[noteOffset:]))
	return state
}
