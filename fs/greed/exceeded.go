package greed

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Exceeded is the error of a user who has as much of something as a limit allows.
type Exceeded struct {
	UID   uint32
	Held  int64      // how much the user has
	What  string     // of what, in the plural
	Name  string     // of the limit; empty if it cannot be set
	Most  int64      // that it allows
	Errno unix.Errno // that the caller gets
}

// Error says in one line who has reached which limit.
func (e *Exceeded) Error() string {
	if e.Name == "" {
		return fmt.Sprintf("user %d has %d %s, as many as one user may: %v", e.UID, e.Held, e.What, e.Errno)
	}
	return fmt.Sprintf("user %d has %d %s, and %s=%d allows no more: %v", e.UID, e.Held, e.What, e.Name, e.Most, e.Errno)
}

// Unwrap returns the errno.
func (e *Exceeded) Unwrap() error { return e.Errno }
