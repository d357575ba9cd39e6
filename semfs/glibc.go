package semfs

// glibc is the layout of struct new_sem where 64-bit atomics exist. A post wakes one sleeper if any waiter is counted, and
// value and count change together, so nothing has to be marked.
type glibc struct{}

func (glibc) String() string { return "glibc" }

func (glibc) sharing() uint32 { return 0x80 }

func (glibc) value(w words) uint32 { return w.futex() }

func (glibc) posted(w words, units uint32) words { return w + words(units) }

func (glibc) taken(w words, units uint32) words { return w - words(units) }

func (glibc) awaited(w words) words { return w }

func (glibc) with(w words, value uint32) words { return makeWords(value, w.waiters()) }

func (glibc) wakes(w words, units uint32) int { return int(min(w.waiters(), units)) }
