package fs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// infoObjects is the node of the table of objects.
const infoObjects = infoFirstFile + 2

// openText opens a file of the daemon's own tree.
func (m *mortal) openText(node uint64) (handle uint64) {
	m.t.Helper()
	return le.Uint64(m.must(message{opcode: opOpen, node: node, body: words(unix.O_RDONLY, noFlags)}))
}

// readingText asks for up to so many bytes of it.
func readingText(handle, offset uint64, size uint32) message {
	body := make([]byte, 40)
	le.PutUint64(body, handle)
	le.PutUint64(body[8:], offset)
	le.PutUint32(body[16:], size)
	return message{opcode: opRead, node: infoObjects, body: body}
}

// readText reads up to so many bytes of it.
func (m *mortal) readText(handle, offset uint64, size uint32) ([]byte, error) {
	m.t.Helper()
	errno, text := m.ask(readingText(handle, offset, size))
	if errno != 0 {
		return nil, unix.Errno(-errno)
	}
	return text, nil
}

// mustReadText is readText for what has to succeed.
func (m *mortal) mustReadText(handle, offset uint64, size uint32) string {
	m.t.Helper()
	text, err := m.readText(handle, offset, size)
	if err != nil {
		m.t.Fatalf("READ at %d: %v", offset, err)
	}
	return string(text)
}

// wholeText reads a text to its end, in pieces of so many bytes; between is called behind each.
func (m *mortal) wholeText(handle uint64, size uint32, between func()) (string, error) {
	m.t.Helper()
	var text bytes.Buffer
	for {
		piece, err := m.readText(handle, uint64(text.Len()), size)
		if err != nil || len(piece) == 0 {
			return text.String(), err
		}
		text.Write(piece)
		between()
	}
}

// makeNames makes so many files with long names.
func (m *mortal) makeNames(prefix string, count int) {
	m.t.Helper()
	for i := range count {
		name := append(fmt.Appendf(nil, "%s%0100d", prefix, i), 0)
		m.learn(m.must(message{opcode: opMknod, node: 1, body: append(words(unix.S_IFREG|0o600, 0, 0, 0), name...)}))
	}
}

// A text that is read while processes die and what it is about changes is the one that was opened.
func TestTextsOutliveTheProcess(t *testing.T) {
	m := newMortal(t)
	defer m.end()
	m.makeNames("a", 30)
	handle, another := m.openText(infoObjects), m.openText(infoObjects)
	want := m.mustReadText(handle, 0, 1<<16)
	if len(want) < 2*pieceBytes {
		t.Fatalf("the text has %d bytes only", len(want))
	}
	deaths := 0
	text, err := m.wholeText(handle, 900, func() {
		m.dieAndGoOn()
		m.makeNames(fmt.Sprint("b", deaths), 1)
		deaths++
	})
	if err != nil || text != want {
		t.Errorf("after %d deaths: %v\n%s\n\nwas\n%s", deaths, err, text, want)
	}
	if again := m.mustReadText(another, 0, 1<<16); again != want {
		t.Errorf("who begins to read after the deaths gets\n%s\n\nwas\n%s", again, want)
	}
	m.release(infoObjects, handle)
	m.dieAndGoOn()
	m.release(infoObjects, another)
	if m.f.texts.kept != 0 {
		t.Errorf("%d bytes are counted as kept", m.f.texts.kept)
	}
	for range m.f.state.texts.Each {
		t.Fatal("a text is kept that nobody has open")
	}
}

// The same, of a text that there is no room for: who reads on gets what is behind it if it has not changed, else an error; who begins gets all of
// what it is now.
func TestTextsThatAreNotKept(t *testing.T) {
	m := newMortal(t)
	defer m.end()
	m.makeNames("a", 30)
	m.f.texts.oblige(mostKeptText)
	handle := m.openText(infoObjects)
	want := m.mustReadText(handle, 0, 1<<16)
	text, err := m.wholeText(handle, 900, m.dieAndGoOn)
	if err != nil || text != want {
		t.Errorf("%v\n%s\n\nwas\n%s", err, text, want)
	}
	m.makeNames("b", 3)
	m.dieAndGoOn()
	if text := m.mustReadText(handle, uint64(len(want)), 100); text != "" {
		t.Errorf("behind the end there is %q", text)
	}
	if text, err := m.readText(handle, 900, 100); !errors.Is(err, unix.ESTALE) {
		t.Errorf("reading on in a text that has changed: %q, %v", text, err)
	}
	now := m.mustReadText(handle, 0, 1<<16)
	if now == want || len(now) <= len(want) {
		t.Errorf("who begins anew gets\n%s", now)
	}
	if text, err := m.wholeText(handle, 900, m.dieAndGoOn); err != nil || text != now {
		t.Errorf("%v\n%s\n\nwas\n%s", err, text, now)
	}
	m.makeNames("c", 1)
	m.dieAndGoOn()
	if text, err := m.readText(handle, 900, 100); !errors.Is(err, unix.ESTALE) {
		t.Errorf("reading on in a text that has changed: %q, %v", text, err)
	}
	m.release(infoObjects, handle)
}

func TestTextsThatAreTooLong(t *testing.T) {
	m := newMortal(t)
	defer m.end()
	for _, c := range []struct {
		bytes int
		kept  bool
	}{{0, true}, {1, true}, {pieceBytes, true}, {pieceBytes + 1, true}, {mostKept, true}, {mostKept + 1, false}} {
		text := bytes.Repeat([]byte("text"), c.bytes/4+1)[:c.bytes]
		kept := m.f.keepText(1, text)
		if (kept != nil) != c.kept {
			t.Fatalf("a text of %d bytes is kept: %v", c.bytes, kept != nil)
		}
		found, again, whole := m.f.findTexts()[1].whole(c.bytes)
		if whole != c.kept || whole && (!bytes.Equal(found, text) || len(again.rows) != len(kept.rows)) {
			t.Errorf("a text of %d bytes is found: %v, %d bytes in %d rows", c.bytes, whole, len(found), len(again.rows))
		}
		m.f.dropText(kept)
	}
	m.f.texts.oblige(mostKeptText - os.Getpagesize())
	if m.f.keepText(1, make([]byte, os.Getpagesize()+1)) != nil {
		t.Error("more is kept than there is room for")
	}
}
