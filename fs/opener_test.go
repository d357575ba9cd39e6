package fs

import (
	"testing"
	"time"

	"shmfs/mmapcore"

	"bazil.org/fuse"
	"golang.org/x/sys/unix"
)

const (
	noFlags   = 0
	oneThread = 11
	another   = 12
)

// truncation is a file system on which a file is opened and emptied in the kernel's words.
type truncation struct {
	*fakeKernel
	node, handle uint64
}

// newTruncation makes it on a tmpfs: on other file systems truncate(2) moves the times of an empty file.
func newTruncation(t *testing.T) truncation {
	store, err := mmapcore.NewTmpfs(mmapcore.TmpfsOptions{Mode: 0o755})
	if err != nil {
		t.Fatalf("making a tmpfs (needs root): %v", err)
	}
	kernel := newFakeKernelOn(t, store)
	node, handle := kernel.create("empty")
	kernel.mustRelease(handle)
	return truncation{fakeKernel: kernel, node: node}
}

func (k *fakeKernel) mustRelease(handle uint64) {
	k.t.Helper()
	body := append(le.AppendUint64(nil, handle), make([]byte, 16)...)
	if errno, _ := k.call(message{opcode: opRelease, unique: 8, node: 1, body: body}); errno != 0 {
		k.t.Fatalf("RELEASE: errno %d", -errno)
	}
}

func (e *truncation) open(thread uint32) {
	e.t.Helper()
	errno, body := e.call(message{opcode: opOpen, unique: 5, node: e.node, pid: thread, body: words(unix.O_WRONLY, noFlags)})
	if errno != 0 {
		e.t.Fatalf("OPEN: errno %d", -errno)
	}
	e.handle = le.Uint64(body)
}

func (e *truncation) getattr(thread uint32) (modified time.Time) {
	e.t.Helper()
	errno, body := e.call(message{opcode: opGetattr, unique: 6, node: e.node, pid: thread, body: make([]byte, 16)})
	if errno != 0 {
		e.t.Fatalf("GETATTR: errno %d", -errno)
	}
	return time.Unix(int64(le.Uint64(body[16+32:])), int64(le.Uint32(body[16+52:])))
}

// truncate sends a SETATTR of size 0 and says whether it moved the time of modification.
func (e *truncation) truncate(thread uint32, valid fuse.SetattrValid) bool {
	e.t.Helper()
	const observer = 99
	past := make([]byte, 88)
	le.PutUint32(past, uint32(fuse.SetattrMtime))
	if errno, _ := e.call(message{opcode: opSetattr, unique: 7, node: e.node, pid: observer, body: past}); errno != 0 {
		e.t.Fatalf("SETATTR of the time: errno %d", -errno)
	}
	body := make([]byte, 88)
	le.PutUint32(body, uint32(valid))
	if errno, _ := e.call(message{opcode: opSetattr, unique: 7, node: e.node, pid: thread, body: body}); errno != 0 {
		e.t.Fatalf("SETATTR of the size: errno %d", -errno)
	}
	return !e.getattr(observer).Equal(time.Unix(0, 0))
}

// TestTruncationByOpenOrPath re-enacts what the kernel sends for O_TRUNC and for truncate(2).
func TestTruncationByOpenOrPath(t *testing.T) {
	const size = fuse.SetattrSize | fuse.SetattrLockOwner
	for _, c := range []struct {
		name  string
		first func(*truncation)
		valid fuse.SetattrValid
		moves bool
	}{
		{"O_TRUNC", func(e *truncation) { e.open(oneThread) }, size, true},
		{"O_TRUNC by who has no CAP_FSETID", func(e *truncation) { e.open(oneThread) }, size | setattrKillPrivileges, true},
		{"truncate", func(e *truncation) { e.getattr(oneThread) }, size, false},
		{"truncate after an open", func(e *truncation) { e.open(oneThread); e.getattr(oneThread) }, size, false},
		{"truncate while another thread has opened", func(e *truncation) { e.open(another); e.getattr(oneThread) }, size, false},
		{"O_TRUNC while another thread looks", func(e *truncation) { e.open(oneThread); e.getattr(another) }, size, true},
		{"truncate after closing", func(e *truncation) { e.open(oneThread); e.mustRelease(e.handle) }, size, false},
		{"O_TRUNC twice", func(e *truncation) {
			e.open(oneThread)
			e.truncate(oneThread, size)
			e.getattr(oneThread)
			e.open(oneThread)
		}, size, true},
		{"truncate after O_TRUNC", func(e *truncation) { e.open(oneThread); e.truncate(oneThread, size) }, size, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newTruncation(t)
			c.first(&e)
			if moves := e.truncate(oneThread, c.valid); moves != c.moves {
				t.Errorf("the time of modification moved: %v", moves)
			}
		})
	}
}

// TestOpenersAreForgotten checks that what is known of threads ends with their handles.
func TestOpenersAreForgotten(t *testing.T) {
	e := newTruncation(t)
	e.open(oneThread)
	first := e.handle
	e.open(oneThread)
	second := e.handle
	e.open(another)
	if known := len(e.f.openers.handles); known != 2 {
		t.Errorf("%d threads are known to have opened the file, not 2", known)
	}
	e.mustRelease(first)
	if known := len(e.f.openers.handles); known != 2 {
		t.Errorf("%d threads are known after an older handle was closed, not 2", known)
	}
	e.mustRelease(second)
	e.mustRelease(e.handle)
	if known := len(e.f.openers.handles); known != 0 {
		t.Errorf("%d threads are known without a handle", known)
	}
}
