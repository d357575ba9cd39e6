package fs

import (
	"testing"

	"shmfs/semfs"

	"bazil.org/fuse"
	"golang.org/x/sys/unix"
)

// emptying is the SETATTR of an O_TRUNC or of a truncate(2).
func emptying(node uint64) message {
	body := make([]byte, 88)
	le.PutUint32(body, uint32(fuse.SetattrSize|fuse.SetattrLockOwner))
	return message{opcode: opSetattr, node: node, pid: oneThread, body: body}
}

// must is ask for what has to succeed.
func (m *mortal) must(request message) []byte {
	m.t.Helper()
	errno, body := m.ask(request)
	if errno != 0 {
		m.t.Fatalf("opcode %d: errno %d", request.opcode, -errno)
	}
	return body
}

func (m *mortal) sizeOf(node uint64) uint64 {
	m.t.Helper()
	return le.Uint64(m.must(message{opcode: opGetattr, node: node, body: make([]byte, 16)})[16+8:])
}

// In cached mode O_TRUNC comes as a SETATTR behind the OPEN. Of a semaphore it leaves everything as it is, though the process dies in between,
// or while it serves the SETATTR; truncate(2) of a thread that has a semaphore open does not.
func TestSemaphoreIsNotEmptiedByOpeningAroundADeath(t *testing.T) {
	ask := func(m *mortal, node uint64) {
		m.must(message{opcode: opGetattr, node: node, pid: oneThread, body: make([]byte, 16)})
	}
	for _, c := range []struct {
		name  string
		first func(m *mortal, node uint64) // behind the OPEN
		again bool                         // the SETATTR was served before and comes again
		stays bool
	}{
		{"O_TRUNC", func(m *mortal, node uint64) { m.dieAndGoOn() }, false, true},
		{"O_TRUNC, two deaths later", func(m *mortal, node uint64) { m.dieAndGoOn(); m.dieAndGoOn() }, false, true},
		{"O_TRUNC that comes again", func(m *mortal, node uint64) { m.must(emptying(node)); m.dieAndGoOn() }, true, true},
		{"truncate", func(m *mortal, node uint64) { m.dieAndGoOn(); ask(m, node) }, false, false},
		{"truncate with the death between", func(m *mortal, node uint64) { ask(m, node); m.dieAndGoOn() }, false, false},
		{"truncate after O_TRUNC", func(m *mortal, node uint64) { m.must(emptying(node)); m.dieAndGoOn() }, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMortal(t)
			defer m.end()
			node, created := m.openFile("sem.a", "3\n")
			opened := le.Uint64(m.must(message{opcode: opOpen, node: node, pid: oneThread, body: words(unix.O_WRONLY, noFlags)}))
			c.first(m, node)
			request := emptying(node)
			if request.unique = m.unique + 2; c.again {
				request.unique = m.unique | resent
			}
			m.unique += 2
			m.write(request)
			m.step()
			if errno, _ := m.answerTo(request.unique); errno != 0 {
				t.Fatalf("SETATTR: errno %d", -errno)
			}
			want := uint64(0)
			if c.stays {
				want = semfs.Size
			}
			if size := m.sizeOf(node); size != want {
				t.Errorf("the semaphore has %d bytes, not %d", size, want)
			}
			m.release(node, opened)
			m.release(node, created)
			m.unlearn(node)
			if known := len(m.f.openers.handles); known != 0 {
				t.Errorf("%d threads are known without a handle", known)
			}
		})
	}
}
