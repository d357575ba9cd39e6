package fs

import (
	"bytes"
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// dieAndGoOn ends the living process between two requests, and has another go on.
func (m *mortal) dieAndGoOn() {
	m.bury()
	m.leave()
	m.begin()
}

// leave closes what the system would, of a process that does nothing any more.
func (m *mortal) leave() {
	m.f.orphans.stop()
	m.f.orphans.wait()
	closed := map[*opened]bool{}
	var errs []error
	for _, handle := range m.f.handles.all() {
		if handle.quiet != nil {
			errs = append(errs, handle.quiet.Close())
		}
		if handle.listing != nil {
			errs = append(errs, handle.listing.Close())
		}
		if handle.info != nil {
			errs = append(errs, handle.info.close())
		}
		if file := handle.opened; file != nil && !closed[file] {
			closed[file] = true
			errs = append(errs, file.operation.end(), file.object.Close())
		}
	}
	errs = append(errs, m.f.conn.Close(), m.f.tree.Close(), m.f.state.memory.Close())
	if err := errors.Join(errs...); err != nil {
		m.t.Errorf("closing what a dead process had open: %v", err)
	}
}

// openFile makes a file with a text, and returns its node and handle.
func (m *mortal) openFile(name, text string) (node, handle uint64) {
	m.t.Helper()
	errno, body := m.ask(message{opcode: opCreate, node: 1, body: createBody(unix.O_RDWR|unix.O_CREAT, 0o666|unix.S_IFREG, name)})
	if errno != 0 {
		m.t.Fatalf("CREATE: errno %d", -errno)
	}
	node, handle = m.learn(body), le.Uint64(body[entryOutSize:])
	if errno, _ := m.ask(message{opcode: opWrite, node: node, body: writeBody(handle, 0, []byte(text))}); errno != 0 {
		m.t.Fatalf("WRITE: errno %d", -errno)
	}
	return node, handle
}

func (m *mortal) read(node, handle uint64) (int32, []byte) {
	body := make([]byte, 40)
	le.PutUint64(body, handle)
	le.PutUint32(body[16:], 4096)
	return m.ask(message{opcode: opRead, node: node, body: body})
}

func (m *mortal) release(node, handle uint64) {
	m.t.Helper()
	if errno, _ := m.ask(message{opcode: opRelease, node: node, body: append(le.AppendUint64(nil, handle), make([]byte, 16)...)}); errno != 0 {
		m.t.Fatalf("RELEASE: errno %d", -errno)
	}
}

func TestHandlesOutliveTheProcess(t *testing.T) {
	m := newMortal(t)
	defer m.end()
	node, handle := m.openFile("file", "hello")
	if errno, _ := m.ask(message{opcode: opUnlink, node: 1, body: append([]byte("file"), 0)}); errno != 0 {
		t.Fatalf("UNLINK: errno %d", -errno)
	}
	for range 3 {
		m.dieAndGoOn()
		if errno, text := m.read(node, handle); errno != 0 || !bytes.Equal(text, []byte("hello")) {
			t.Fatalf("READ: errno %d, %q", -errno, text)
		}
	}
	m.release(node, handle)
	m.unlearn(node)
	if rows := m.rows(); rows != "" || m.f.tree.Known() != 1 {
		t.Errorf("%d nodes are known, and there is left\n%s", m.f.tree.Known(), rows)
	}
}

// A RELEASE may come again after the handle is gone: its number must not be another's by then.
func TestHandlesAreNumberedOnce(t *testing.T) {
	m := newMortal(t)
	defer m.end()
	node, handle := m.openFile("file", "hello")
	m.release(node, handle)
	m.dieAndGoOn()
	_, other := m.openFile("other", "text")
	if other <= handle {
		t.Errorf("handle %d comes after %d", other, handle)
	}
	m.write(message{opcode: opRelease, unique: m.unique | resent, node: node, body: append(le.AppendUint64(nil, handle), make([]byte, 16)...)})
	m.step()
	if errno, _ := m.answerTo(m.unique | resent); errno != 0 {
		t.Errorf("RELEASE that comes again: errno %d", -errno)
	}
	if _, err := m.f.handles.get(other); err != nil {
		t.Errorf("the other's handle: %v", err)
	}
}

// What nobody has kept is lost, and nothing else.
func TestResumeWithoutWhatIsGone(t *testing.T) {
	m := newMortal(t)
	defer m.end()
	node, handle := m.openFile("file", "hello")
	kept, keptHandle := m.openFile("kept", "hello")
	if errno, _ := m.ask(message{opcode: opUnlink, node: 1, body: append([]byte("file"), 0)}); errno != 0 {
		t.Fatalf("UNLINK: errno %d", -errno)
	}
	m.bury()
	m.keeper.drop(node)
	m.leave()
	m.begin()
	if errno, _ := m.read(node, handle); errno != -int32(unix.EBADF) {
		t.Errorf("READ of what is lost: errno %d", -errno)
	}
	m.release(node, handle)
	if errno, text := m.read(kept, keptHandle); errno != 0 || string(text) != "hello" {
		t.Errorf("READ: errno %d, %q", -errno, text)
	}
}
