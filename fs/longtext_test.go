package fs

import (
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// openLong opens a text that is not kept.
func (m *mortal) openLong() (handle uint64) {
	m.t.Helper()
	m.f.texts.oblige(mostKeptText)
	defer m.f.texts.give(mostKeptText)
	return m.openText(infoObjects)
}

// A text that is not kept is known by what was read of it: what changes behind that does no harm, since who reads on sees the text whole that was
// made last.
func TestLongTextsAreKnownByWhatWasRead(t *testing.T) {
	m := newMortal(t)
	defer m.end()
	m.makeNames("m", 30)
	handle, another := m.openLong(), m.openLong()
	m.makeNames("a", 1)
	m.dieAndGoOn()
	now := m.mustReadText(m.openText(infoObjects), 0, 1<<16)
	if rest := m.mustReadText(handle, 900, 1<<16); rest != now[900:] {
		t.Errorf("who has read nothing and reads at 900 gets %d bytes of %d:\n%.600s\n\nof\n%.600s", len(rest), len(now), rest, now[900:])
	}
	grown := 0
	text, err := m.wholeText(another, 900, func() {
		if grown++; grown <= 3 {
			m.makeNames(fmt.Sprint("z", grown), 1)
		}
		m.dieAndGoOn()
	})
	now = m.mustReadText(m.openText(infoObjects), 0, 1<<16)
	if err != nil || text != now {
		t.Errorf("%v, %d bytes of %d", err, len(text), len(now))
	}
	m.makeNames("zz", 1)
	m.dieAndGoOn()
	if rest, err := m.readText(another, 900, 100); !errors.Is(err, unix.ESTALE) {
		t.Errorf("reading on in a text that was read to its end and has grown: %q, %v", rest, err)
	}
}

// What counts is what is before the last byte that anybody has read, in whatever order.
func TestLongTextsThatChangeInWhatWasRead(t *testing.T) {
	for _, c := range []struct {
		name         string
		first, again uint64 // bytes at 0, bytes at an offset behind them
		at           uint64
		stale        bool
	}{
		{"not read so far", 300, 0, 0, false},
		{"read", 6000, 0, 0, true},
		{"behind what is read first, read then", 300, 300, 5700, true},
		{"skipped", 0, 300, 5700, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMortal(t)
			defer m.end()
			m.makeNames("m", 60)
			handle := m.openLong()
			if c.first > 0 {
				m.mustReadText(handle, 0, uint32(c.first))
			}
			if c.again > 0 {
				m.mustReadText(handle, c.at, uint32(c.again))
				m.mustReadText(handle, 0, 10)
			}
			m.makeNames(fmt.Sprintf("m%0100d", 20), 1) // behind the 20th, some 4,000 bytes from the start
			m.dieAndGoOn()
			now := m.mustReadText(m.openText(infoObjects), 0, 1<<16)
			text, err := m.readText(handle, 300, 1<<16)
			if c.stale != errors.Is(err, unix.ESTALE) || !c.stale && string(text) != now[300:] {
				t.Errorf("reading on: %v, %d bytes of %d", err, len(text), len(now))
			}
		})
	}
}
