package fs

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"shmfs/fs/journal"
	"shmfs/fs/meter"
	"shmfs/fs/pulse"
	"shmfs/mmapcore"
	"shmfs/objects"
	"shmfs/semfs"

	"bazil.org/fuse"
	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"
)

// Filesystem is one mount and the tree it shows.
type Filesystem struct {
	log        hclog.Logger
	tree       *objects.Tree
	conn       *fuse.Conn
	descriptor int  // of /dev/fuse, for replies and ioctls; owned by conn
	passthru   bool // immutable until Close
	agreed     agreement
	facts      facts  // immutable; of the options only those with which the process began
	state      *state // immutable
	keeper     *keeping
	control    string     // prefix of the root's control attributes; immutable
	supervisor Supervisor // immutable once requests are served

	options atomic.Pointer[Options] // replaced whole by a remount
	remount sync.Mutex              // serialises remounts

	handles    handleTable
	openings   openings
	openers    openers
	inflight   inflight
	semaphores semaphoreNodes
	sleepers   *semfs.Sleepers // immutable
	helper     *helper         // maps semaphores in cached mode, where they can be mapped; else nil; immutable
	refusals   refusals
	attempts   attempts
	told       tellings
	late       lateAttempts
	requests   madeHandles
	resending  resending
	settled    settling
	limits     limits
	journal    *journal.Journal     // immutable
	meter      *meter.Meter         // immutable
	metrics    *prometheus.Registry // immutable
	askers     askers
	texts      texts
	quotas     quotas
	census     census
	orphans    orphans
	counting   counting

	handingOver atomic.Bool          // no request is served any more
	kernelKnows func(id uint64) bool // askKernel; immutable but for tests

	pulse   pulse.Pulse
	idle    atomic.Int32   // goroutines that wait for a request
	readers sync.WaitGroup // goroutines that read requests
	broken  atomic.Pointer[error]
}

// ErrPassthroughUnavailable is Connect's error when passthrough is required and cannot be had.
var ErrPassthroughUnavailable = errors.New("kernel passthrough is not available")

// Resume begins, or goes on, serving a connection; Serve must be called at once. No other process may serve it. The descriptors stay
// the caller's. keeper holds what must outlive this process.
func Resume(connection *Connection, keeper Keeper, log hclog.Logger) (*Filesystem, error) {
	unix.Umask(0)
	state, found, err := connection.openRecord()
	if err != nil {
		return nil, err
	}
	if found.Form < RecordForm {
		err = found.store(state.facts)
	}
	var f *Filesystem
	if err == nil {
		f, err = resume(connection, state, found, keeper, log)
	}
	if err != nil {
		return nil, errors.Join(err, state.memory.Close())
	}
	return f, nil
}

func resume(connection *Connection, state *state, found facts, keeper Keeper, log hclog.Logger) (*Filesystem, error) {
	device, err := duplicateFile(connection.Device)
	if err != nil {
		return nil, err
	}
	keeping := &keeping{process: keeper}
	if found.Passthrough {
		keeping.device = int(device.Fd())
	}
	tree, err := connection.openTree(state, found.Options, keeping)
	if err != nil {
		return nil, errors.Join(err, device.Close())
	}
	f := newFilesystem(tree, state, found, log)
	f.keeper = keeping
	if err = f.attach(device, found.agreement()); err == nil {
		err = f.takeUp()
	}
	if err != nil {
		return nil, errors.Join(err, tree.Close(), device.Close())
	}
	if found.Options.Store != StoreTmpfs {
		f.counting.next(time.Now()) // so that there is one when somebody asks
	}
	return f, nil
}

// newFilesystem returns a file system that is not connected to a kernel yet.
func newFilesystem(tree *objects.Tree, state *state, found facts, log hclog.Logger) *Filesystem {
	f := &Filesystem{log: log, tree: tree, state: state, control: controlPrefix(), facts: found, supervisor: unsupervised{}}
	f.options.Store(&found.Options)
	tree.CountNames(func(name string) bool { return isSemaphoreName(objects.RootID, name) })
	f.counting.walk = f.countByWalk
	f.kernelKnows = f.askKernel
	f.census.device = found.Device
	f.journal = journal.Continue(state.numbers.Load(numberEvents), func(last uint64) { state.numbers.Store(numberEvents, last) })
	f.meter = meter.New()
	f.metrics = f.newRegistry()
	f.handles.init(state)
	f.openings.init()
	f.openers.init()
	f.inflight.init()
	f.semaphores.init()
	f.semaphores.state = state
	f.attempts.init(state)
	f.told.init(state)
	f.requests.init()
	f.settled.init()
	f.orphans.init()
	f.limits.init()
	f.setLimits(&found.Options)
	f.sleepers = semfs.NewSleepers(mostSleepers, f.limits.semaphores, f.pulse.Beat)
	return f
}

// attach takes over a device that is past INIT.
func (f *Filesystem) attach(device *os.File, agreed agreement) error {
	conn, err := adopt(device, agreed.flags)
	if err != nil {
		return err
	}
	f.conn, f.descriptor, f.agreed, f.passthru = conn, int(device.Fd()), agreed, agreed.passthrough
	if !f.passthru && f.facts.Mountpoint != "" && agreed.grants(initDirectIOAllowMmap) {
		f.helper = newHelper(f.facts.Mountpoint, f.facts.Device, f.facts.ByHandle, f.log)
	}
	return nil
}

func newStore(options Options) (*mmapcore.Store, error) {
	if options.Store != StoreTmpfs {
		return mmapcore.OpenDirectory(options.Store)
	}
	limits := mmapcore.TmpfsOptions{
		Size: options.Size, Inodes: options.Inodes, Huge: options.Huge,
		Mode: options.Mode, UID: options.UID, GID: options.GID,
	}
	if options.Commit == Strict {
		// The ledger is the limit. A second one in the store could refuse memory that was promised: a huge page reaches
		// beyond what the size of its file charges.
		limits.Size = 0
	}
	store, err := mmapcore.NewTmpfs(limits)
	if errors.Is(err, unix.EPERM) {
		return newUserStore(limits)
	}
	return store, err
}

// Close frees the store and the connection. While the file system is mounted, clients see ENOTCONN from then on. No call of
// Serve may be running.
func (f *Filesystem) Close() error {
	f.counting.stop()
	f.orphans.stop()   // that the daemon goes does not mean that the clients do
	f.passthru = false // the registrations of backing files go with the connection
	for _, handle := range f.handles.drain() {
		f.closeTaken(handle)
	}
	err := f.conn.Close()
	if f.helper != nil {
		f.helper.close() // nothing it does waits for the mount any more
	}
	f.orphans.wait()
	return errors.Join(err, f.tree.Close(), f.state.memory.Close())
}
