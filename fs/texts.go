package fs

import (
	"fmt"
	"iter"
	"sync"

	"shmfs/mmapcore/crashpoint"
	"shmfs/mmapcore/record"

	"golang.org/x/sys/unix"
)

// What a file of the daemon's own tree held when it was opened outlives the process, so that who reads on does not read the beginning of one
// text and the end of another. Texts that are too long for that are made again: see longText.

// The words of a row that keeps a piece of such a text.
const (
	textHandle = iota // its id
	textPiece         // 0, 1, …
	textBegin         // of the bytes
	textWords  = 255
)

const (
	pieceBytes   = 8 * (textWords - textBegin)
	mostKept     = 1 << 20  // bytes of one text: some 10,000 lines
	mostKeptText = 16 << 20 // bytes of all texts
)

// texts bounds what is kept.
type texts struct {
	mu   sync.Mutex
	kept int // bytes; guarded by mu
}

// take counts bytes, if there is room for them.
func (t *texts) take(bytes int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if bytes > mostKept || bytes > mostKeptText-t.kept {
		return false
	}
	t.kept += bytes
	return true
}

// oblige counts bytes that another process has kept.
func (t *texts) oblige(bytes int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept += bytes
}

func (t *texts) give(bytes int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept -= bytes
}

// keptText is where a text is kept.
type keptText struct {
	bytes int
	rows  []record.Row
}

// keepText keeps a handle's text, before the handle has its row. Nil when there is no room.
func (f *Filesystem) keepText(handle uint64, text []byte) *keptText {
	if !f.texts.take(len(text)) {
		return nil
	}
	kept := &keptText{bytes: len(text)}
	for _, words := range piecesOf(handle, text) {
		row, err := f.state.texts.Add(words...)
		if err != nil {
			f.dropText(kept)
			return nil
		}
		kept.rows = append(kept.rows, row)
	}
	crashpoint.Here("fs: a text is kept")
	return kept
}

// piecesOf yields the words of the rows that keep a handle's text, with their places. They are overwritten by the next row's.
func piecesOf(handle uint64, text []byte) iter.Seq2[int, []uint64] {
	return func(yield func(int, []uint64) bool) {
		words := make([]uint64, textWords)
		for place, start := 0, 0; start < len(text); place, start = place+1, start+pieceBytes {
			words[textHandle], words[textPiece] = handle, uint64(place)
			piece := text[start:min(start+pieceBytes, len(text))]
			count := textBegin
			for ; len(piece) > 0; count++ {
				var bytes [8]byte
				piece = piece[copy(bytes[:], piece):]
				words[count] = le.Uint64(bytes[:])
			}
			if !yield(place, words[:count]) {
				return
			}
		}
	}
}

// recordOpenText has the text of a handle outlive the process, as far as there is room.
func (f *Filesystem) recordOpenText(handle *handle, words []uint64) {
	info := handle.info
	words[handleText] = uint64(len(info.text)) + 1
	if info.kept = f.keepText(handle.id, info.text); info.kept != nil {
		return
	}
	words[handleRest], words[handleDigest] = uint64(len(info.text)), sumOfNothing
	info.long, info.text = newLongText(handle, info.text), nil
}

// dropText keeps a text no more, when its handle has no row any more; nil is none.
func (f *Filesystem) dropText(kept *keptText) {
	if kept == nil {
		return
	}
	for _, row := range kept.rows {
		row.Remove()
	}
	f.texts.give(kept.bytes)
}

// foundText is a text that another process has kept.
type foundText struct {
	rows   map[uint64]record.Row
	pieces map[uint64][]byte
}

// findTexts returns the texts that another process has kept, by their handles' ids.
func (f *Filesystem) findTexts() map[uint64]*foundText {
	found := make(map[uint64]*foundText)
	for row, words := range f.state.texts.Each {
		of := found[words[textHandle]]
		if of == nil {
			of = &foundText{rows: make(map[uint64]record.Row), pieces: make(map[uint64][]byte)}
			found[words[textHandle]] = of
		}
		bytes := make([]byte, 0, pieceBytes)
		for _, word := range words[textBegin:] {
			bytes = le.AppendUint64(bytes, word)
		}
		of.rows[words[textPiece]], of.pieces[words[textPiece]] = row, bytes
	}
	return found
}

// whole puts a text of so many bytes together; false when it is not all there.
func (t *foundText) whole(length int) (text []byte, kept *keptText, found bool) {
	if t == nil && length > 0 || length > mostKept {
		return nil, nil, false
	}
	kept = &keptText{bytes: length}
	for piece := uint64(0); len(text) < length; piece++ {
		bytes, there := t.pieces[piece]
		if !there {
			return nil, nil, false
		}
		text = append(text, bytes...)
		kept.rows = append(kept.rows, t.rows[piece])
	}
	return text[:length], kept, true
}

// reopenText opens a text again that another process has opened.
func (f *Filesystem) reopenText(handle *handle, words []uint64, found *foundText, from asker) (*openInfo, error) {
	info := &openInfo{user: from.uid}
	length := int64(words[handleText]) - 1
	if length < 0 {
		return nil, fmt.Errorf("handle %d is of no text: %w", handle.id, unix.EUCLEAN)
	}
	if words[handleDigest] == 0 {
		var whole bool
		if info.text, info.kept, whole = found.whole(int(min(length, mostKept+1))); whole {
			f.texts.oblige(int(length))
			return info, nil
		}
	}
	var err error
	info.long, err = f.reopenLong(handle, words, from)
	return info, err
}

// dropFound keeps those texts no more whose handles are not there: it was about to be made or closed when the process died.
func (f *Filesystem) dropFound(found map[uint64]*foundText) {
	for id, text := range found {
		if handle := f.handles.recorded(id); handle != nil && handle.info != nil && handle.info.keeps() {
			continue
		}
		for _, row := range text.rows {
			row.Remove()
		}
	}
}
