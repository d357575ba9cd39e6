package meter

import (
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// errnos is how many errors are told apart; Linux's are 1 to 133.
const errnos = 134

const otherErrno = "other" // for all beyond

// Meter counts requests. All methods may be called concurrently.
type Meter struct {
	base     time.Time // when Moments begin; immutable
	underway atomic.Int64
	kinds    [kinds]perKind
}

type perKind struct {
	took   histogram
	errors [errnos]atomic.Uint64 // the first counts those that are not told apart
}

// Moment is when a request began.
type Moment time.Duration

// New returns a meter that has counted nothing.
func New() *Meter { return &Meter{base: time.Now()} }

// Begin counts a request as under way.
func (m *Meter) Begin() Moment {
	m.underway.Add(1)
	return Moment(time.Since(m.base))
}

// Done counts a request that has been answered with an error, or with 0. Each Begin must be followed by it, or by Leave.
func (m *Meter) Done(kind Kind, errno unix.Errno, began Moment) {
	m.underway.Add(-1)
	m.Count(kind, errno, time.Since(m.base)-time.Duration(began))
}

// Leave takes back a Begin: there was no request after all.
func (m *Meter) Leave() { m.underway.Add(-1) }

// Count counts a request that took as long.
func (m *Meter) Count(kind Kind, errno unix.Errno, elapsed time.Duration) {
	per := &m.kinds[KindOf(uint32(kind))]
	per.took.add(elapsed)
	if errno == 0 {
		return
	}
	if errno >= errnos {
		errno = 0
	}
	per.errors[errno].Add(1)
}

func errnoName(errno int) string {
	if name := unix.ErrnoName(unix.Errno(errno)); errno != 0 && name != "" {
		return name
	}
	return otherErrno
}
