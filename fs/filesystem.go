package fs

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"shmfs/fs/journal"
	"shmfs/fs/meter"
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
	mode       mode          // immutable after mounting
	control    string        // prefix of the root's control attributes; immutable
	started    unix.Timespec // immutable

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
	journal    *journal.Journal     // immutable
	meter      *meter.Meter         // immutable
	metrics    *prometheus.Registry // immutable
	askers     askers
	census     census
	orphans    orphans

	pulse   pulse
	idle    atomic.Int32   // goroutines that wait for a request
	readers sync.WaitGroup // goroutines that read requests
	broken  atomic.Pointer[error]
}

// ErrPassthroughUnavailable is Mount's error when passthrough is required and cannot be had.
var ErrPassthroughUnavailable = errors.New("kernel passthrough is not available")

// Mount makes the store, mounts, and has answered the kernel's INIT when it returns; Serve must be called at once, since
// whoever touches the mount waits for it. mountpoint must be absolute.
//
// Root mounts by itself. Anybody else mounts through fusermount3 and gets cached mode. Errors wrap the errno of the call that
// failed; ErrPassthroughUnavailable says what is missing.
func Mount(mountpoint string, options Options, log hclog.Logger) (*Filesystem, error) {
	unix.Umask(0) // the kernel has applied the caller's
	tree, err := newTree(options)
	if err != nil {
		return nil, err
	}
	f := newFilesystem(tree, options, log)
	if err := f.connect(mountpoint, options); err != nil {
		return nil, errors.Join(err, tree.Close())
	}
	if f.census.device, err = mountedDevice(mountpoint); err != nil {
		f.log.Warn("who maps semaphores cannot be found out", "reason", err)
	}
	return f, nil
}

// newFilesystem returns a file system that is not connected to a kernel yet.
func newFilesystem(tree *objects.Tree, options Options, log hclog.Logger) *Filesystem {
	f := &Filesystem{log: log, tree: tree, control: controlPrefix(), started: unix.NsecToTimespec(time.Now().UnixNano())}
	f.options.Store(&options)
	f.journal, f.meter = journal.New(), meter.New()
	f.metrics = f.newRegistry()
	f.handles.init()
	f.openings.init()
	f.openers.init()
	f.inflight.init()
	f.semaphores.init()
	f.orphans.init()
	f.sleepers = semfs.NewSleepers(mostSleepers, f.pulse.beat)
	return f
}

// attach takes over a device that is past INIT.
func (f *Filesystem) attach(device int, agreed agreement) error {
	conn, err := adopt(os.NewFile(uintptr(device), "/dev/fuse"), agreed.flags)
	if err != nil {
		return err
	}
	f.conn, f.descriptor, f.agreed, f.passthru = conn, device, agreed, agreed.passthrough
	return nil
}

func newTree(options Options) (*objects.Tree, error) {
	store, err := newStore(options)
	if err != nil {
		return nil, err
	}
	var ledger *objects.Ledger
	if options.Commit == Strict {
		ledger = objects.NewLedger(options.Size)
	}
	tree, err := objects.New(store, ledger)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return tree, nil
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
	return errors.Join(err, f.tree.Close())
}
