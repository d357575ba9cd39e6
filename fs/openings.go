package fs

import (
	"errors"
	"fmt"
	"sync"

	"shmfs/mmapcore/crashpoint"
	"shmfs/mmapcore/record"
	"shmfs/objects"

	"golang.org/x/sys/unix"
)

// opened is a regular file that some handle is open on. All handles of an inode share one, since the kernel wants one backing
// id for as long as the inode is open anywhere.
type opened struct {
	node      uint64          // immutable
	object    *objects.Object // immutable
	access    int             // O_RDONLY, O_WRONLY or O_RDWR: what the region is open for; immutable
	backingID int32           // in passthrough mode, else 0; immutable
	shared    bool            // stands in openings.byNode; immutable
	count     int             // handles; guarded by openings.mu
	referred  bool            // holds a reference to the node, so that the tree knows it until all is closed; guarded by openings.mu
	row       record.Row      // what outlives the process; immutable
	operation operation       // of a semaphore

	// Numbers of requests, both guarded by openings.mu: the latest RELEASE, and the SETXATTR that set orphanAttribute last. They are in the row, too.
	lastRelease, attributeSet uint64
}

// openings holds what is open now.
type openings struct {
	// mu guards byNode and every count, and is held while a file is opened and registered, so that an inode never gets two
	// backing ids.
	mu     sync.Mutex
	byNode map[uint64]*opened
	gates  map[uint64]*gate // closed ones, by node: whoever opens a node waits for them; guarded by mu
}

func (o *openings) init() { o.byNode, o.gates = make(map[uint64]*opened), make(map[uint64]*gate) }

// serves says whether a handle that wants access may share what is open.
func (o *opened) serves(access int) bool { return o.access == unix.O_RDWR || o.access == access }

// writable says whether the region may be written.
func (o *opened) writable() bool { return o.access != unix.O_RDONLY }

// open counts one more handle of a regular file, opening it at the first. access is O_RDONLY, O_WRONLY or O_RDWR.
func (f *Filesystem) open(node uint64, access int) (*opened, error) {
	f.openings.mu.Lock()
	defer f.openings.mu.Unlock()
	if err := f.pass(node); err != nil {
		return nil, err
	}
	known := f.openings.byNode[node]
	if known != nil && known.serves(access) {
		known.count++
		return known, nil
	}
	file, err := f.openFirst(node, access)
	if err != nil {
		return nil, err
	}
	file.shared = known == nil
	if err := f.enlist(file); err != nil {
		return nil, err
	}
	return file, nil
}

// reopen counts one more user of a file that is open for everything; nil when none is.
func (f *Filesystem) reopen(node uint64) *opened {
	f.openings.mu.Lock()
	defer f.openings.mu.Unlock()
	known := f.openings.byNode[node]
	if known == nil || !known.serves(unix.O_RDWR) {
		return nil
	}
	known.count++
	return known
}

// openFirst opens a file for everything, since later handles share what it opened. Where the store refuses that (an ordinary
// user's daemon, a file whose mode does not allow it), it opens for what is wanted.
func (f *Filesystem) openFirst(node uint64, access int) (*opened, error) {
	file := &opened{node: node, access: unix.O_RDWR, count: 1}
	var err error
	file.object, err = f.tree.Open(node, unix.O_RDWR)
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EROFS) {
		file.access = access
		file.object, err = f.tree.Open(node, access)
	}
	if err != nil {
		return nil, fmt.Errorf("opening node %d: %w", node, err)
	}
	return file, f.register(file)
}

// shareCreated counts the first handle of a file that was just created. The object is the file system's from then on.
func (f *Filesystem) shareCreated(node uint64, object *objects.Object) (*opened, error) {
	f.openings.mu.Lock()
	defer f.openings.mu.Unlock()
	known := f.openings.byNode[node]
	if known != nil && known.serves(unix.O_RDWR) { // somebody has found and opened it meanwhile
		known.count++
		return known, object.Close()
	}
	file := &opened{node: node, object: object, access: unix.O_RDWR, count: 1, shared: known == nil}
	if err := f.register(file); err != nil {
		return nil, err
	}
	if err := f.enlist(file); err != nil {
		return nil, err
	}
	return file, nil
}

// enlist makes a file that was opened and registered known, also to processes to come. If that fails it is closed. The caller holds
// openings.mu.
func (f *Filesystem) enlist(file *opened) error {
	crashpoint.Here("fs: a file is opened")
	file.referred = f.tree.Refer(file.node)
	crashpoint.Here("fs: an opening refers to its node")
	if err := f.recordOpening(file); err != nil {
		f.closeOpened(file)
		if file.referred {
			f.forget(file.node, 1)
		}
		return err
	}
	crashpoint.Here("fs: an opening is recorded")
	if file.shared {
		f.openings.byNode[file.node] = file
	}
	return nil
}

// register ties what was opened to the connection in passthrough mode. If that fails the object is closed.
func (f *Filesystem) register(file *opened) error {
	if !f.passthru {
		return nil
	}
	var err error
	file.backingID, err = openBacking(f.descriptor, file.object.Region().Descriptor())
	if err != nil {
		return errors.Join(err, file.object.Close())
	}
	return nil
}

// release counts one handle less and closes the file after the last.
func (f *Filesystem) release(file *opened) {
	if !f.discount(file) {
		return
	}
	crashpoint.Here("fs: a file is closed")
	f.left(file)
	if file.referred {
		f.forget(file.node, 1)
	}
}

// discount is release, and says whether the handle was the last.
func (f *Filesystem) discount(file *opened) (last bool) {
	f.openings.mu.Lock()
	defer f.openings.mu.Unlock()
	file.count--
	if file.count > 0 {
		return false
	}
	if file.shared {
		delete(f.openings.byNode, file.node)
	}
	f.noteLeaving(file)
	f.closeOpened(file)
	return true
}

func (f *Filesystem) closeOpened(file *opened) {
	if err := file.operation.end(); err != nil {
		f.log.Error("closing a semaphore", "node", file.node, "reason", err)
	}
	if f.passthru { // before the record forgets the backing id; of a process that has died it may be closed already
		if err := closeBacking(f.descriptor, file.backingID); err != nil && !errors.Is(err, unix.ENOENT) {
			f.log.Error("closing a backing file", "node", file.node, "reason", err)
		}
		crashpoint.Here("fs: a backing file is closed")
	}
	removeRow(file.row)
	crashpoint.Here("fs: an opening's record is gone")
	if err := file.object.Close(); err != nil {
		f.log.Error("closing an object", "node", file.node, "reason", err)
	}
}
