package record

import (
	"fmt"
	"unsafe"
)

// Row is a row of a table. It is a pointer to memory that never moves, can be copied and compared, and is the same row for as
// long as the row is used. The zero Row is none.
//
// Load and Store may be called concurrently; who removes a row sees to it that nobody uses it any more, since it may be another's
// at once.
type Row struct {
	table *Table
	state *uint64 // its state word, in the memory; the values follow
}

// Load returns one of the row's words. It panics for a word that the row does not have.
func (r Row) Load(word int) uint64 { return load(r.word(word)) }

// Store sets one of the row's words, atomically and by itself. A Change that sets the same word must not be under way. It panics
// for a word that the row does not have.
func (r Row) Store(word int, value uint64) { store(r.word(word), value) }

// Remove frees the row, in one step. It does nothing if the row is free already.
func (r Row) Remove() {
	if replace(r.state, stateUsed, stateFree) {
		r.table.release(r)
	}
}

func (r Row) word(word int) *uint64 {
	if uint(word) >= uint(r.table.width) {
		r.outOfRange(word)
	}
	return (*uint64)(unsafe.Add(unsafe.Pointer(r.state), wordSize+wordSize*word))
}

func (r Row) has(word int) bool { return word >= 0 && word < r.table.width }

//go:noinline
func (r Row) outOfRange(word int) {
	panic(fmt.Sprintf("record: word %d of a row of %d", word, r.table.width))
}
