//go:build crashpoints

package fs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

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
