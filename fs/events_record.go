package fs

import (
	"sync"

	"shmfs/mmapcore/record"

	"bazil.org/fuse"
)

// cutLine is a line of the events of which a reader got only a part, for want of room, as it outlives the process: the event itself does not.
type cutLine struct {
	mu   sync.Mutex
	text []byte    // the part that was left when it was cut; empty: there is none; guarded by mu
	kept *keptText // where that is kept, nil: nowhere; guarded by mu
}

// last returns so many bytes of the end.
func (c *cutLine) last(bytes uint64) []byte {
	return c.text[len(c.text)-int(min(bytes, uint64(len(c.text)))):]
}

// The halves of handleRest: as many bytes of the cut line as were left before the request that read last, and after it.
func restBefore(rest uint64) uint64 { return rest & 0xffffffff }
func restAfter(rest uint64) uint64  { return rest >> 32 }

// rewind has reading go on where it did before the request that read last, which was not answered.
func (o *openInfo) rewind(row record.Row) {
	o.cut.mu.Lock()
	defer o.cut.mu.Unlock()
	o.events.Rewind(row.Load(handleBefore), o.cut.last(restBefore(row.Load(handleRest))))
}

// recordRead notes where reading goes on, and where it went on before this request, should that not have been answered. again says that it was read
// for before.
func (f *Filesystem) recordRead(r *fuse.ReadRequest, handle *handle, again bool) {
	row, info := handle.row, handle.info
	info.cut.mu.Lock()
	defer info.cut.mu.Unlock()
	position, rest := row.Load(handleAfter), restAfter(row.Load(handleRest))
	if again {
		position, rest = row.Load(handleBefore), restBefore(row.Load(handleRest))
	}
	left := info.events.Rest()
	change := f.state.memory.Change()
	var dropped *keptText
	if rest == 0 { // else what is left is of the same line
		dropped = info.cut.kept
		f.keepCutLine(change, handle, left)
	}
	change.Set(row, handleRead, numberOf(r))
	change.Set(row, handleBefore, position)
	change.Set(row, handleAfter, info.events.Position())
	change.Set(row, handleRest, rest|uint64(len(left))<<32)
	if err := change.Commit(); err != nil {
		f.log.Warn("recording what was read of "+infoName+"/events", "reason", err)
		if rest == 0 && info.cut.kept != nil { // its rows are none
			f.texts.give(info.cut.kept.bytes)
			info.cut.text, info.cut.kept = nil, nil
		}
	}
	if dropped != nil {
		f.texts.give(dropped.bytes)
	}
}

// keepCutLine keeps what is left of a line in place of another. The caller holds cutLine.mu.
func (f *Filesystem) keepCutLine(change *record.Change, handle *handle, left []byte) {
	cut := &handle.info.cut
	if cut.kept != nil {
		for _, row := range cut.kept.rows {
			change.Remove(row)
		}
	}
	cut.text, cut.kept = nil, nil
	length := uint64(0)
	if len(left) > 0 && f.texts.take(len(left)) {
		cut.text, cut.kept = left, &keptText{bytes: len(left)}
		for _, words := range piecesOf(handle.id, left) {
			cut.kept.rows = append(cut.kept.rows, change.Add(f.state.texts, words...))
		}
		length = uint64(len(left)) + 1
	}
	change.Set(handle.row, handleText, length)
}

// reopenEvents has a reader of another process go on.
func (f *Filesystem) reopenEvents(words []uint64, found *foundText, from asker) *openInfo {
	info := &openInfo{events: f.journal.SubscribeFrom(f.eventFilter(from), words[handleAfter]), user: from.uid}
	if words[handleText] == 0 {
		return info
	}
	if text, kept, whole := found.whole(int(min(words[handleText]-1, mostKept+1))); whole {
		info.cut.text, info.cut.kept = text, kept
		f.texts.oblige(kept.bytes)
		info.events.Rewind(words[handleAfter], info.cut.last(restAfter(words[handleRest])))
	}
	return info
}
