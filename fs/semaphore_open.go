package fs

import (
	"fmt"

	"bazil.org/fuse"
	"golang.org/x/sys/unix"
)

// openSemaphore opens a semaphore by one of its nodes. O_TRUNC leaves it as it is: that is how a shell opens what it writes to.
func (f *Filesystem) openSemaphore(r *fuse.OpenRequest, node *kernelNode) {
	semaphore := &openSemaphore{node: node, writes: f.passthru && waitsInWrites(uint32(r.Flags))}
	if semaphore.writes && !f.semaphores.admit(node, r.Pid, numberOf(r)) {
		// The kernel looks the name up again, and is told of a node apart.
		f.fail(r, fmt.Errorf("others use node %#x: %w", node.id, errLookAgain))
		return
	}
	if !semaphore.writes {
		f.semaphores.opened(r.Pid)
	}
	file, err := f.open(uint64(r.Node), int(uint32(r.Flags)&unix.O_ACCMODE))
	if err != nil {
		if semaphore.writes {
			f.semaphores.leave(node)
		}
		f.fail(r, err)
		return
	}
	handle := f.addSemaphoreHandle(file, semaphore)
	f.noteOpener(r, handle)
	f.handOver(r, handle, uint32(r.Flags), f.semaphoreFlags())
}

// waitsInWrites says whether who opens a file so may wait in a write. sem_open, which opens with O_NOFOLLOW, never writes to a
// semaphore that is there: it shares the semaphore's own node, so that its mappings keep their path.
func waitsInWrites(flags uint32) bool {
	return flags&unix.O_ACCMODE != unix.O_RDONLY && flags&unix.O_NOFOLLOW == 0
}

func (f *Filesystem) addSemaphoreHandle(file *opened, semaphore *openSemaphore) *handle {
	handle := &handle{node: file.node, kernelNode: semaphore.node.id, opened: file, semaphore: semaphore}
	f.handles.add(handle)
	return handle
}
