package fs

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// readingEvents is a READ of up to so many bytes of the events, that does not wait.
func readingEvents(handle uint64, size uint32) message {
	body := make([]byte, 40)
	le.PutUint64(body, handle)
	le.PutUint32(body[16:], size)
	le.PutUint32(body[32:], unix.O_NONBLOCK)
	return message{opcode: opRead, node: infoEvents, body: body}
}

// heardOf are the lines of events, which must be whole: what happened, or "dropped".
func heardOf(t *testing.T, text []byte) (heard []string, missed int) {
	t.Helper()
	if !bytes.HasSuffix(text, []byte("\n")) {
		t.Errorf("%q are no whole lines", text)
	}
	for line := range bytes.Lines(text) {
		var one struct {
			Event, Object string
			Count         int
		}
		if err := json.Unmarshal(line, &one); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		if one.Event == "dropped" {
			missed += one.Count
			continue
		}
		heard = append(heard, one.Event+" "+one.Object)
	}
	return heard, missed
}

// The read builtin of a shell reads byte by byte. The line that it is in is whole, whoever dies meanwhile.
func TestLinesOfEventsAreWholeThoughProcessesDie(t *testing.T) {
	m := newMortal(t)
	defer m.end()
	handle := le.Uint64(m.must(message{opcode: opOpen, node: infoEvents, body: words(unix.O_RDONLY, noFlags)}))
	var text []byte
	for _, name := range []string{"a", "b", "c" + strings.Repeat("x", 150)} {
		m.makeNames(name, 1)
		m.makeNames("another "+name[:1], 1)
		for reads := 0; ; reads++ {
			errno, piece := m.ask(readingEvents(handle, 7))
			if errno == -int32(unix.EAGAIN) {
				break
			}
			if errno != 0 {
				t.Fatalf("READ: errno %d", -errno)
			}
			text = append(text, piece...)
			if reads%3 == 0 {
				m.dieAndGoOn()
			}
		}
	}
	heard, missed := heardOf(t, text)
	if len(heard)+missed != 6 || len(heard) < 3 {
		t.Errorf("heard of %q and missed %d, of 6 events", heard, missed)
	}
	m.release(infoEvents, handle)
	for range m.f.state.texts.Each {
		t.Fatal("a line is kept that nobody reads")
	}
	if m.f.texts.kept != 0 {
		t.Errorf("%d bytes are counted as kept", m.f.texts.kept)
	}
}
