package fs

import (
	"bytes"
	"testing"

	"shmfs/semfs"

	"bazil.org/fuse"
)

// writeBody is struct fuse_write_in and the data.
func writeBody(handle uint64, flags uint32, data []byte) []byte {
	body := make([]byte, 40, 40+len(data))
	le.PutUint64(body, handle)
	le.PutUint32(body[16:], uint32(len(data)))
	le.PutUint32(body[20:], flags)
	return append(body, data...)
}

func (k *fakeKernel) mustWrite(node, handle uint64, flags uint32, data []byte) {
	k.t.Helper()
	errno, body := k.call(message{opcode: opWrite, unique: 9, node: node, body: writeBody(handle, flags, data)})
	if errno != 0 || int(le.Uint32(body)) != len(data) {
		k.t.Fatalf("WRITE: errno %d, %v", -errno, body)
	}
}

func (k *fakeKernel) size(node uint64) uint64 {
	k.t.Helper()
	errno, body := k.call(message{opcode: opGetattr, unique: 6, node: node, body: make([]byte, 16)})
	if errno != 0 {
		k.t.Fatalf("GETATTR: errno %d", -errno)
	}
	return le.Uint64(body[16+8:])
}

// In cached mode the kernel sends back pages of semaphores, and the file's end as it believes it to be.
func TestSemaphoreStaysAsLongAsItIs(t *testing.T) {
	kernel := newFakeKernel(t)
	node, handle := kernel.create("sem.a")
	kernel.mustWrite(node, handle, 0, []byte("3\n"))
	page, err := semfs.Image(semfs.Glibc, 7)
	if err != nil {
		t.Fatal(err)
	}
	kernel.mustWrite(node, handle, uint32(fuse.WriteCache), append(page, make([]byte, 18)...))
	if size := kernel.size(node); size != semfs.Size {
		t.Errorf("the semaphore has %d bytes", size)
	}
	body := make([]byte, 40)
	le.PutUint64(body, handle)
	le.PutUint32(body[16:], 4096)
	errno, stored := kernel.call(message{opcode: opRead, unique: 7, node: node, body: body}) // for the page cache
	if errno != 0 || !bytes.Equal(stored, page) {
		t.Errorf("errno %d, the page is %x, want %x", -errno, stored, page)
	}
	kernel.mustWrite(node, handle, uint32(fuse.WriteCache), nil)
}

// O_TRUNC leaves a semaphore as it is, truncate(2) does not.
func TestSemaphoreIsNotEmptiedByOpening(t *testing.T) {
	kernel := newFakeKernel(t)
	node, handle := kernel.create("sem.a")
	kernel.mustWrite(node, handle, 0, []byte("3\n"))
	e := &truncation{fakeKernel: kernel, node: node}
	truncate := func() {
		body := make([]byte, 88)
		le.PutUint32(body, uint32(fuse.SetattrSize|fuse.SetattrLockOwner))
		if errno, _ := kernel.call(message{opcode: opSetattr, unique: 7, node: node, pid: oneThread, body: body}); errno != 0 {
			t.Fatalf("SETATTR: errno %d", -errno)
		}
	}
	e.open(oneThread)
	truncate()
	if size := kernel.size(node); size != semfs.Size {
		t.Errorf("after O_TRUNC the semaphore has %d bytes", size)
	}
	e.getattr(oneThread)
	truncate()
	if size := kernel.size(node); size != 0 {
		t.Errorf("after truncate(2) the file has %d bytes", size)
	}
}
