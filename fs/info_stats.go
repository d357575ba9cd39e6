package fs

import (
	"fmt"
	"os"
	"strings"
	"time"

	"shmfs/fs/greed"

	"golang.org/x/sys/unix"
)

// statsText is what is to be said in figures.
func (f *Filesystem) statsText(asker) ([]byte, error) {
	counted, age, err := f.countAll()
	if err != nil {
		return nil, err
	}
	usage, err := f.tree.Usage()
	if err != nil {
		return nil, err
	}
	charged, limit := f.bytesUsed(&usage)
	options := f.options.Load()
	var text strings.Builder
	line := func(key string, value any) { fmt.Fprintf(&text, "%s: %v\n", key, value) }
	line("mode", f.facts.Mode)
	line("mode-reason", orDash(f.facts.Reason))
	line("protocol", fmt.Sprintf("%d.%d", protocolMajor, f.agreed.minor))
	line("version", BuildVersion())
	line("pid", f.supervisor.Process())
	line("supervisor-pid", f.supervisor.Process())
	line("worker-pid", os.Getpid())
	line("worker-restarts", f.supervisor.Restarts())
	line("uptime-seconds", fmt.Sprintf("%.3f", time.Since(timeAt(f.facts.Started)).Seconds()))
	line("commit", options.Commit)
	line("store", lineOf(options.Store))
	line("objects", counted.Files)
	line("directories", counted.Directories)
	line("semaphores", counted.Names)
	line("bytes-charged", charged)
	line("bytes-resident", counted.Resident)
	line("bytes-limit", limit)
	line("count-age-seconds", fmt.Sprintf("%.3f", age.Seconds()))
	line("inodes-used", usage.Files-usage.Ffree)
	line("inodes-limit", usage.Files)
	line("handles", f.handles.count())
	line("nodes", f.tree.Known())
	line("waiters", f.limits.waiters.Total())
	line("queued", f.limits.turns.Queued())
	f.limits.each(func(name string, count *greed.Count) { line("refused-"+name, count.Refused()) })
	line("event-readers", f.journal.Readers())
	line("events", f.journal.Published())
	line("events-dropped", f.journal.Dropped())
	requests := f.meter.Snapshot()
	return requests.AppendTo([]byte(text.String())), nil
}

// bytesUsed returns what is charged and the limit (0: none), in bytes; under commit=lazy what statfs says.
func (f *Filesystem) bytesUsed(usage *unix.Statfs_t) (charged, limit int64) {
	if charged, limit, strict := f.tree.Charged(); strict {
		return charged, limit
	}
	return int64(usage.Blocks-usage.Bfree) * usage.Bsize, f.options.Load().Size
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// count returns how many handles there are.
func (h *handleTable) count() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.byID)
}
