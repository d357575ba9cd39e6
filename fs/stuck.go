package fs

import (
	"context"
	"errors"
	"sync"
	"time"

	"shmfs/fs/mappers"
	"shmfs/semfs"

	"golang.org/x/sys/unix"
)

// longestScan bounds how long a look through all processes may take. It takes milliseconds where all of them answer.
const longestScan = 5 * time.Second

// census is who maps files of this mount, as far as /proc tells.
type census struct {
	device uint64     // the mount's st_dev; 0 if it is not known; immutable once requests are served
	mu     sync.Mutex // lets one look through the processes at a time: many who read at once must not take every processor
}

// ofNode returns who maps a node of the tree, in whatever mount namespace; complete is false if some process could not be looked at.
func (c *census) ofNode(ctx context.Context, node uint64) (found []mappers.Mapper, complete bool, err error) {
	if c.device == 0 {
		return nil, false, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return mappers.Scan(ctx, mappers.File{Device: c.device, Inode: node})
}

// stuck says whether nobody is left who could post to a semaphore: "yes", "no" or "unknown". It is "yes" when there are no units,
// somebody waits, nobody holds units that would come back, and of the processes that map the semaphore each has a thread that waits in
// it. It is "unknown" when a process could not be looked at that might decide it. Without waiters no process is looked at.
//
// No lock of the mount's may be held.
func (f *Filesystem) stuck(node uint64, report semfs.Report) string {
	if report.Layout == nil || report.Value > 0 || report.Waiters == 0 || len(report.Holders) > 0 {
		return "no"
	}
	ctx, cancel := context.WithTimeout(context.Background(), longestScan)
	defer cancel()
	found, certain, err := f.census.ofNode(ctx, node)
	if err != nil {
		f.log.Warn("looking for those who map a semaphore", "node", node, "reason", err)
		certain = false
	}
	for _, mapper := range found {
		if f.helper != nil && f.helper.has(uint32(mapper.Process)) {
			continue // it maps what it is asked about
		}
		waits, err := mappers.WaitsIn(ctx, mapper.Process, mapper.Ranges)
		switch {
		case errors.Is(err, unix.ESRCH): // it has ended
		case err != nil:
			certain = false
		case !waits:
			return "no"
		}
	}
	if !certain {
		return "unknown"
	}
	return "yes"
}
