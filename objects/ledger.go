package objects

import (
	"fmt"
	"math"
	"sync"

	"golang.org/x/sys/unix"
)

// pageSize is the unit in which sizes are charged, in bytes: the memory a byte takes at least.
var pageSize = int64(unix.Getpagesize())

// Ledger counts the bytes promised under commit=strict against a limit. What is charged can be touched at any time without
// SIGBUS, so the sum never exceeds the limit except where a lowered limit would break a promise, which SetLimit refuses.
//
// Its methods may be called concurrently.
type Ledger struct {
	mu    sync.Mutex
	limit int64 // bytes; 0: no limit; guarded by mu
	used  int64 // bytes; guarded by mu
}

// NewLedger returns an empty ledger; limit is in bytes, rounded up to whole pages as tmpfs does, 0 for none.
func NewLedger(limit int64) *Ledger { return &Ledger{limit: pages(limit)} }

// Start sets what is charged already, before anything else is charged.
func (l *Ledger) Start(used int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.used = used
}

// Charge takes bytes (not negative) out of what is left, or fails with ENOSPC and takes nothing.
func (l *Ledger) Charge(bytes int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if bytes > l.left() {
		return fmt.Errorf("charging %d bytes: %w", bytes, unix.ENOSPC)
	}
	l.used += bytes
	return nil
}

// Oblige takes bytes whether or not they are left: they were charged by a process that has died.
func (l *Ledger) Oblige(bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.used += bytes
}

// fits says whether so many bytes could be charged now.
func (l *Ledger) fits(bytes int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes <= l.left()
}

// left is what may still be charged, negative where more is charged than the limit. Without a limit the sum must remain a number. The caller
// holds mu.
func (l *Ledger) left() int64 {
	if l.limit == 0 {
		return math.MaxInt64 - l.used
	}
	return l.limit - l.used
}

// ChargeUpTo takes as much of bytes as is left in whole pages and returns what it took.
func (l *Ledger) ChargeUpTo(bytes int64) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	bytes = min(bytes, max(0, l.left())/pageSize*pageSize)
	l.used += bytes
	return bytes
}

// Refund gives charged bytes back.
func (l *Ledger) Refund(bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.used -= bytes
}

// SetLimit changes the limit; EINVAL when more than that is charged already.
func (l *Ledger) SetLimit(limit int64) error {
	limit = pages(limit)
	l.mu.Lock()
	defer l.mu.Unlock()
	if limit != 0 && l.used > limit {
		return fmt.Errorf("limit of %d bytes with %d charged: %w", limit, l.used, unix.EINVAL)
	}
	l.limit = limit
	return nil
}

// Figures returns the limit (0: none) and what is charged, in bytes.
func (l *Ledger) Figures() (limit, used int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.limit, l.used
}

// pages rounds a size up to whole pages, in bytes. Sizes near the largest are cut down to whole pages instead.
func pages(size int64) int64 {
	const largest = 1<<63 - 1
	if size > largest-pageSize {
		return largest / pageSize * pageSize
	}
	return (size + pageSize - 1) / pageSize * pageSize
}
