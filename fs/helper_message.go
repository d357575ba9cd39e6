package fs

import (
	"fmt"

	"shmfs/semfs"

	"golang.org/x/sys/unix"
)

// What the daemon and its helper process say to one another, one message each way for an operation. Both are the same program, so
// that the form may change freely.

// Operations on a semaphore.
const (
	helperState  = iota // looks at it
	helperChange        // makes a change
	helperSettle        // finds out whether a change was made
)

// helperTarget says which semaphore is meant.
type helperTarget struct {
	node       uint64 // its id, which is st_ino in the mount
	generation uint32 // of the node
	path       string // a name of it, relative to the mount's root; empty: it is to be opened by its file handle
}

// helperRequest asks for one operation.
type helperRequest struct {
	number    uint64 // comes back with the answer
	operation uint16
	kind      semfs.Kind // of the change
	stamping  bool       // the change is made with stamp, or not at all
	value     uint32     // units, or the value to set
	stamp     uint32     // of the change that is to be made, or may have been
	target    helperTarget
}

const (
	helperRequestSize = 32 // without the path
	helperAnswerSize  = 40 // without the text
	helperMessageSize = helperRequestSize + unix.PathMax
	helperTextSize    = helperMessageSize - helperAnswerSize
)

func (r *helperRequest) encode() []byte {
	data := make([]byte, helperRequestSize, helperRequestSize+len(r.target.path))
	le.PutUint64(data[0:], r.number)
	le.PutUint64(data[8:], r.target.node)
	le.PutUint32(data[16:], r.target.generation)
	le.PutUint16(data[20:], r.operation)
	data[22] = byte(r.kind)
	data[23] = flagByte(r.stamping)
	le.PutUint32(data[24:], r.value)
	le.PutUint32(data[28:], r.stamp)
	return append(data, r.target.path...)
}

func parseHelperRequest(data []byte) (r helperRequest, err error) {
	if len(data) < helperRequestSize {
		return r, tooShort("request to the helper", data)
	}
	return helperRequest{
		number:    le.Uint64(data[0:]),
		operation: le.Uint16(data[20:]),
		kind:      semfs.Kind(data[22]),
		stamping:  data[23] != 0,
		value:     le.Uint32(data[24:]),
		stamp:     le.Uint32(data[28:]),
		target: helperTarget{
			node: le.Uint64(data[8:]), generation: le.Uint32(data[16:]), path: string(data[helperRequestSize:]),
		},
	}, nil
}

// helperAnswer is what came of an operation.
type helperAnswer struct {
	number uint64
	errno  unix.Errno // 0 if it was done
	text   string     // what failed
	state  semfs.State
	done   bool   // the change was made; else, if a stamp was given, the memory would have to get another one, which is stamp
	moved  uint32 // units, by a change
	stamp  uint32
}

// err is why the operation failed, or nil.
func (a *helperAnswer) err() error {
	if a.errno == 0 {
		return nil
	}
	return &helperError{text: a.text, errno: a.errno}
}

// helperError is an error of the helper process as it was there.
type helperError struct {
	text  string
	errno unix.Errno
}

func (e *helperError) Error() string { return e.text }
func (e *helperError) Unwrap() error { return e.errno }

// The layouts as they are sent.
const (
	helperNoLayout = iota
	helperGlibc
	helperMusl
)

// encode cuts a text that is too long.
func (a *helperAnswer) encode() []byte {
	text := a.text
	if a.errno == 0 {
		text = a.state.Invalid
	}
	text = text[:min(len(text), helperTextSize)]
	layout := uint16(helperNoLayout)
	switch a.state.Layout {
	case semfs.Glibc:
		layout = helperGlibc
	case semfs.Musl:
		layout = helperMusl
	}
	data := make([]byte, helperAnswerSize, helperAnswerSize+len(text))
	le.PutUint64(data[0:], a.number)
	le.PutUint32(data[8:], uint32(a.errno))
	le.PutUint16(data[12:], layout)
	data[14] = flagByte(a.state.Noted)
	data[15] = flagByte(a.done)
	le.PutUint32(data[16:], a.state.Value)
	le.PutUint32(data[20:], a.state.Waiters)
	le.PutUint32(data[24:], a.state.Initial)
	le.PutUint32(data[28:], a.moved)
	le.PutUint32(data[32:], a.stamp)
	return append(data, text...)
}

func parseHelperAnswer(data []byte) (a helperAnswer, err error) {
	if len(data) < helperAnswerSize {
		return a, tooShort("answer of the helper", data)
	}
	a = helperAnswer{number: le.Uint64(data), errno: unix.Errno(le.Uint32(data[8:]))}
	text := string(data[helperAnswerSize:])
	if a.errno != 0 {
		a.text = text
		return a, nil
	}
	a.state = semfs.State{
		Value: le.Uint32(data[16:]), Waiters: le.Uint32(data[20:]),
		Initial: le.Uint32(data[24:]), Noted: data[14] != 0,
		Invalid: text,
	}
	a.done, a.moved, a.stamp = data[15] != 0, le.Uint32(data[28:]), le.Uint32(data[32:])
	switch layout := le.Uint16(data[12:]); layout {
	case helperNoLayout:
	case helperGlibc:
		a.state.Layout = semfs.Glibc
	case helperMusl:
		a.state.Layout = semfs.Musl
	default:
		return a, fmt.Errorf("answer of the helper with layout %d: %w", layout, unix.EPROTO)
	}
	return a, nil
}

func flagByte(set bool) byte {
	if set {
		return 1
	}
	return 0
}
