package semfs

import "fmt"

// Size is what a sem_t's file has, in bytes.
const Size = 32

// MaxValue is the largest value that a semaphore can have, SEM_VALUE_MAX.
const MaxValue = 0x7fffffff

// maxWaiters is more threads than Linux can have (PID_MAX_LIMIT). A larger count of waiters is none.
const maxWaiters = 1 << 22

// Where the words of a sem_t lie, in bytes.
const (
	wordsOffset   = 0 // the words type; its first half is the futex
	sharingOffset = 8 // 32 bits that tell the layouts apart, and 32 that neither libc uses: the stamp; see noteOffset for the next
)

// words are the first 8 bytes of a sem_t: the value's word in the low half, the count of waiters in the high half.
type words uint64

func makeWords(value, waiters uint32) words { return words(waiters)<<32 | words(value) }

// futex is the value's word, with whatever marks the layout has in it.
func (w words) futex() uint32 { return uint32(w) }

func (w words) waiters() uint32 { return uint32(w >> 32) }

// joined has one waiter more.
func (w words) joined() words { return w + 1<<32 }

// left has one waiter less, if there is one: somebody may have set the count back.
func (w words) left() words {
	if w.waiters() == 0 {
		return w
	}
	return w - 1<<32
}

// Layout is one libc's way to keep a semaphore in memory. Its implementations are values without state, safe for concurrent
// use.
type Layout interface {
	// String is the layout's name, for people.
	String() string

	// sharing is the 32-bit word at sharingOffset of a semaphore that processes share.
	sharing() uint32
	// value is how many units there are. It may be more than MaxValue if the words are impossible.
	value(w words) uint32
	// posted are the words with more units. The sum must not be more than MaxValue.
	posted(w words, units uint32) words
	// taken are the words with fewer units. There must be as many.
	taken(w words, units uint32) words
	// awaited are the words as they must be when a waiter, which is counted in them, goes to sleep. The value must be 0.
	awaited(w words) words
	// with are the words with another value and the same waiters.
	with(w words, value uint32) words
	// wakes is how many sleepers a post of so many units must wake that found these words.
	wakes(w words, units uint32) int
}

// The layouts.
var (
	Glibc Layout = glibc{}           // glibc since 2.21, on 64-bit machines
	Musl  Layout = musl{markUnknown} // musl, on 64-bit machines, of any version
)

// decode tells what the words of a shared semaphore mean. It returns a nil Layout and the reason if they are none.
func decode(w words, sharing uint32) (layout Layout, reason string) {
	switch sharing {
	case Glibc.sharing():
		layout = Glibc
	case Musl.sharing():
		layout = musl{markOf(w)}
	default:
		return nil, fmt.Sprintf("byte 8 begins %#x, neither 0x80 (glibc, shared) nor 0 (musl, shared)", sharing)
	}
	if value := layout.value(w); value > MaxValue {
		return nil, fmt.Sprintf("%v value %d is more than %d", layout, value, MaxValue)
	}
	if waiters := w.waiters(); waiters > maxWaiters {
		return nil, fmt.Sprintf("%v waiters %d are more than Linux has threads", layout, waiters)
	}
	return layout, ""
}

// withoutMark returns a layout as it can be compared, Glibc or Musl.
func withoutMark(layout Layout) Layout {
	if _, ok := layout.(musl); ok {
		return Musl
	}
	return layout
}
