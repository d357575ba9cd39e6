//go:build crashpoints

package fs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// listener is a client that reads events.
type listener struct {
	world  *crashWorld
	handle uint64
	before uint64 // events that there were when it began
}

// listen has a client read events from now on.
func (w *crashWorld) listen() *listener {
	w.t.Helper()
	body := w.must("opening the events", message{opcode: opOpen, node: infoEvents, body: words(unix.O_RDONLY, 0)})
	return &listener{world: w, handle: le.Uint64(body), before: w.f.journal.Published()}
}

// heard returns the events that the client is told of, sorted, and how many it has missed. Their numbers have no gaps.
func (l *listener) heard() (events []string, missed uint64) {
	w := l.world
	w.t.Helper()
	body := make([]byte, 40)
	le.PutUint64(body, l.handle)
	le.PutUint32(body[16:], 1<<16)
	le.PutUint32(body[32:], unix.O_NONBLOCK)
	errno, text := w.ask(message{opcode: opRead, node: infoEvents, body: body})
	if errno != 0 && errno != -int32(unix.EAGAIN) {
		w.t.Fatalf("reading events: errno %d", -errno)
	}
	next := l.before + 1
	for line := range bytes.Lines(text) {
		var one struct {
			Seq, Count, Units, Inode uint64
			Event, Object, To, Flags string
			Size                     int64
		}
		if err := json.Unmarshal(line, &one); err != nil {
			w.t.Fatalf("%q: %v", line, err)
		}
		if one.Event == "dropped" {
			missed += one.Count
			next += one.Count
			continue
		}
		if one.Seq != next {
			w.t.Errorf("event %d comes in the place of %d", one.Seq, next)
		}
		next++
		events = append(events, fmt.Sprintf("%s of %q to %q: %s %d bytes, %d units", one.Event, one.Object, one.To, one.Flags, one.Size, one.Units))
	}
	if last := w.f.journal.Published(); next != last+1 {
		w.t.Errorf("%d events are told or said to be missed, of %d", next-1-l.before, last-l.before)
	}
	slices.Sort(events)
	return events, missed
}

// require demands that the client has heard of what happened once, or that it has missed it.
func (l *listener) require(point string, want []string) {
	l.world.t.Helper()
	events, missed := l.heard()
	rest := slices.Clone(want)
	for _, event := range events {
		at := slices.Index(rest, event)
		if at < 0 {
			l.world.t.Errorf("dead at %q: told of what has not happened, or twice: %s", point, event)
			continue
		}
		rest = slices.Delete(rest, at, at+1)
	}
	if uint64(len(rest)) != missed {
		l.world.t.Errorf("dead at %q: %d events are said to be missed, and not told are %q", point, missed, rest)
	}
}

// TestCrashReadingEvents has a process die with each piece that it has read of the events and not told, and the next one, too: nothing is cut,
// and what is not told is said to be missed.
func TestCrashReadingEvents(t *testing.T) {
	for _, size := range []uint32{11, 150, 1 << 16} {
		t.Run(fmt.Sprint(size, " bytes"), func(t *testing.T) {
			m := newMortal(t)
			defer m.end()
			handle := le.Uint64(m.must(message{opcode: opOpen, node: infoEvents, body: words(unix.O_RDONLY, noFlags)}))
			var text []byte
			for range 3 {
				m.makeNames(fmt.Sprint("name", len(text)), 2)
				for {
					request, read := m.dieReading(readingEvents(handle, size))
					if !read {
						break
					}
					m.begin()
					errno, piece := m.again(request)
					if errno != 0 {
						t.Fatalf("READ that comes again: errno %d", -errno)
					}
					text = append(text, piece...)
				}
			}
			heard, missed := heardOf(t, text)
			if len(heard)+missed != 6 {
				t.Errorf("heard of %q and missed %d, of 6 events", heard, missed)
			}
			m.release(infoEvents, handle)
			if rows := m.rows(); strings.Contains(rows, "text") {
				t.Errorf("there is left\n%s", rows)
			}
		})
	}
}

// dieReading has two processes die before they have answered a READ. False when there was nothing to read.
func (m *mortal) dieReading(request message) (asked message, read bool) {
	m.t.Helper()
	const point = "fs: a reply is due"
	m.unique += 2
	request.unique = m.unique
	m.write(request)
	if !stopsAtPoint(point, func() { m.step() }) {
		if errno, _ := m.answerTo(request.unique); errno != -int32(unix.EAGAIN) {
			m.t.Fatalf("READ: errno %d", -errno)
		}
		return request, false
	}
	m.bury()
	m.begin()
	again := request
	again.unique |= resent
	m.write(again)
	stopAtPoint(m.t, point, func() { m.step() })
	m.bury()
	return request, true
}
