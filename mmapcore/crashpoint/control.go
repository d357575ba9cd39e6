package crashpoint

import (
	"fmt"
	"hash/fnv"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// slots is how many points there can be.
const slots = 4096

// Control says which points kill, and counts visits. It may be used by several processes and goroutines at once. The zero
// Control is one of this process alone.
type Control struct {
	table  *[slots]slot
	own    [slots]slot
	shared []byte // the mapping of a file, or nil
}

// slot is one point's. It is free while it has no name.
type slot struct {
	name   atomic.Uint64 // its hash
	visits atomic.Uint64
	armed  atomic.Uint64 // how many more visits until it kills; 0 when it does not
	_      uint64
}

// OpenControl opens the control in a file, which it makes if there is none. Errors are those of open(2), ftruncate(2) and mmap(2).
func OpenControl(path string) (*Control, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the control of crash points: %w", err)
	}
	defer file.Close()
	size := int(unsafe.Sizeof([slots]slot{}))
	if err := file.Truncate(int64(size)); err != nil {
		return nil, fmt.Errorf("making the control of crash points: %w", err)
	}
	shared, err := unix.Mmap(int(file.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mapping the control of crash points: %w", err)
	}
	return &Control{table: (*[slots]slot)(unsafe.Pointer(unsafe.SliceData(shared))), shared: shared}, nil
}

// Close unmaps a control that OpenControl has opened. It must not be used any more. Points stay armed.
func (c *Control) Close() error {
	if err := unix.Munmap(c.shared); err != nil {
		return fmt.Errorf("closing the control of crash points: %w", err)
	}
	return nil
}

// Arm makes the visit of that number from now on kill whoever makes it; the first is 1. The point is not armed any more then. With 0 it
// is disarmed.
func (c *Control) Arm(name string, visit uint64) { c.slot(name).armed.Store(visit) }

// Armed is how many visits there will be until the one that kills, with that one; 0 when the point is not armed or has killed.
func (c *Control) Armed(name string) uint64 { return c.slot(name).armed.Load() }

// Visits is how often the point was visited by all processes, with the visits that killed.
func (c *Control) Visits(name string) uint64 { return c.slot(name).visits.Load() }

// visit counts a visit and says whether it kills.
func (c *Control) visit(name string) bool {
	s := c.slot(name)
	s.visits.Add(1)
	for {
		left := s.armed.Load()
		if left == 0 {
			return false
		}
		if s.armed.CompareAndSwap(left, left-1) {
			return left == 1
		}
	}
}

// slot finds the point's, or takes a free one for it. It panics when there are too many points.
func (c *Control) slot(name string) *slot {
	table := c.table
	if table == nil {
		table = &c.own
	}
	sum := fnv.New64a()
	sum.Write([]byte(name))
	hash := max(sum.Sum64(), 1)
	for i := range uint64(slots) {
		s := &table[(hash+i)%slots]
		if found := s.name.Load(); found == hash || found == 0 && s.name.CompareAndSwap(0, hash) || s.name.Load() == hash {
			return s
		}
	}
	panic(fmt.Sprintf("crashpoint: more than %d points", slots))
}
