package semfs

import "math"

// mark is what musl leaves in the value's word when a waiter goes to sleep on the value 0. Its post reads the count of waiters
// before it swaps the value, and does not look again. Without the mark, which makes the swap fail, a post that had not
// seen the waiter would not wake it.
//
// The mark changed in musl 1.2.4, and neither kind of post understands the other mark. Nothing in the memory tells
// which musl made it, until a waiter of musl's own has marked it.
type mark int

// The marks.
const (
	markUnknown  mark = iota // no mark was seen
	markMinusOne             // musl to 1.2.3: the word is -1
	markTopBit               // musl since 1.2.4: the top bit is set, also beside a value that is not 0
)

const (
	minusOne = math.MaxUint32
	topBit   = 1 << 31
)

// markOf is the mark that these words have in them.
func markOf(w words) mark {
	switch {
	case w.futex() == minusOne:
		return markMinusOne
	case w.futex() >= topBit:
		return markTopBit
	}
	return markUnknown
}

// musl is the layout of musl's sem_t, with the mark that its users are known to make.
type musl struct{ mark mark }

func (musl) String() string { return "musl" }

func (musl) sharing() uint32 { return 0 }

func (musl) value(w words) uint32 {
	if w.futex() == minusOne {
		return 0
	}
	return w.futex() &^ topBit
}

func (l musl) posted(w words, units uint32) words {
	if w.futex() == minusOne || w.waiters() <= 1 {
		return l.with(w, l.value(w)+units)
	}
	return w + words(units) // the top bit stays, should it be there
}

func (l musl) taken(w words, units uint32) words {
	if l.value(w) == units && w.waiters() > 0 && l.mark == markMinusOne {
		return makeWords(minusOne, w.waiters())
	}
	return w - words(units)
}

func (l musl) awaited(w words) words {
	if w.futex() != 0 {
		return w
	}
	switch l.mark {
	case markMinusOne:
		return makeWords(minusOne, w.waiters())
	case markTopBit:
		return makeWords(topBit, w.waiters())
	}
	return w // a wrong mark would be read as units
}

// with keeps the top bit while several wait: musl's post wakes nobody without it.
func (musl) with(w words, value uint32) words {
	if markOf(w) == markTopBit && w.waiters() > 1 {
		value |= topBit
	}
	return makeWords(value, w.waiters())
}

// wakes is everybody when the mark goes: the next post will not see that others sleep.
func (musl) wakes(w words, units uint32) int {
	switch {
	case w.waiters() > 1:
		return int(min(w.waiters(), units))
	case w.waiters() == 1 || markOf(w) != markUnknown:
		return math.MaxInt32
	}
	return 0
}
