package semfs

import (
	"fmt"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Sleepers bounds how many operators may sleep for their clients at once, since each sleeps in an operating system thread.
type Sleepers struct {
	most  int64
	count atomic.Int64
	awake func() // immutable
}

// NewSleepers returns a bound of most threads. awake is called whenever a sleeper has begun or was woken, before it does anything.
func NewSleepers(most int, awake func()) *Sleepers { return &Sleepers{most: int64(most), awake: awake} }

// begin counts one more. Error: EAGAIN when there are too many.
func (s *Sleepers) begin() error {
	if s.count.Add(1) > s.most {
		s.count.Add(-1)
		return fmt.Errorf("clients wait for %d semaphores already: %w", s.most, unix.EAGAIN)
	}
	return nil
}

func (s *Sleepers) end() { s.count.Add(-1) }
