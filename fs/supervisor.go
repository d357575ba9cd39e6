package fs

import (
	"fmt"
	"os"

	"shmfs/fs/journal"

	"golang.org/x/sys/unix"
)

// Supervisor is the process that has another serve the mount when this one ends: what the mount tells of it, and asks of it. Its methods
// may be called concurrently.
type Supervisor interface {
	// Process returns its process id.
	Process() int
	// Restarts returns how often a process that served the mount has died and another went on.
	Restarts() uint64
	// Reload asks for this process to be replaced by the program that is on disk now, and does not wait for it. The request is any
	// text, by which Outcome names it. EBUSY when another is under way, or nobody can be asked now.
	Reload(request string) error
	// Outcome tells of the last reloads, in a text that the program that asked understands.
	Outcome() string
}

// Supervise names the mount's supervisor. It must be called before Serve; without it there is none.
func (f *Filesystem) Supervise(by Supervisor) { f.supervisor = by }

// TellRestart publishes that this process goes on in the place of one that has died.
func (f *Filesystem) TellRestart() {
	f.journal.Publish(&journal.Event{Kind: journal.WorkerRestarted, Unattributed: true})
}

// RecordForm is the form of the record that this program writes, and OldestRecordForm the oldest that it reads. Whoever changes what the
// record holds, or what it means, raises the first, and the second unless the older form is read as well: a worker that does not read the
// record of the one before does not replace it. Form 2 has creators, and of long texts what was read.
const (
	RecordForm       = 2
	OldestRecordForm = 1
)

// unsupervised is the supervisor of a mount that ends with its process.
type unsupervised struct{}

func (unsupervised) Process() int     { return os.Getpid() }
func (unsupervised) Restarts() uint64 { return 0 }
func (unsupervised) Outcome() string  { return "" }
func (unsupervised) Reload(string) error {
	return fmt.Errorf("the mount is served by one process alone: %w", unix.EOPNOTSUPP)
}
