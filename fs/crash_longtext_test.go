//go:build crashpoints

package fs

import (
	"strings"
	"testing"
)

// TestCrashReadingLongTexts has a process die at each crash point of each READ of a text that is not kept, and the next ones at those of taking up what it
// has left: who reads gets the text that was opened.
func TestCrashReadingLongTexts(t *testing.T) {
	m := newMortal(t)
	defer m.end()
	m.makeNames("m", 10)
	handle := m.openLong()
	want := m.mustReadText(handle, 0, 1<<16)
	for visit, died := 0, true; died; visit++ {
		died = false
		handle := m.openLong()
		var text strings.Builder
		for {
			errno, piece, point, dead := m.crash(visit, readingText(handle, uint64(text.Len()), 500))
			if errno != 0 {
				t.Fatalf("dead at %q: READ at %d: errno %d", point, text.Len(), -errno)
			}
			if died = died || dead; len(piece) == 0 {
				break
			}
			text.Write(piece)
		}
		if text.String() != want {
			t.Fatalf("with deaths at visit %d there is\n%s\n\nwas\n%s", visit, text.String(), want)
		}
		m.release(infoObjects, handle)
	}
	m.release(infoObjects, handle)
}
