package fs

import (
	"errors"
	"fmt"
	"os"

	"shmfs/mmapcore"
	"shmfs/mmapcore/record"
	"shmfs/objects"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"
)

// Connection is what a mount consists of besides the process that serves it: whoever has its descriptors can go on serving. The mount
// lasts as long as any process has the device.
type Connection struct {
	Device *os.File // /dev/fuse, past INIT
	Store  *os.File // the store's detached mount or, of a directory store, its root
	Record *os.File // what else there is to know

	// Kept are descriptors that a Keeper held for the process that served before, by node. Resume takes them over.
	Kept map[uint64]*os.File
}

// Connect makes the store, mounts, and answers the kernel's INIT. Resume must be called at once, since whoever touches the mount waits
// for it. mountpoint must be absolute.
//
// Root mounts by itself. Anybody else mounts through fusermount3 and gets cached mode. Errors wrap the errno of the call that
// failed; ErrPassthroughUnavailable says what is missing.
func Connect(mountpoint string, options Options, log hclog.Logger) (*Connection, error) {
	unix.Umask(0) // the kernel has applied the caller's
	store, err := newStore(options)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	m := mounting{mountpoint: mountpoint, options: options, log: log}
	device, found, err := m.mount()
	if err != nil {
		return nil, err
	}
	connection := &Connection{Device: os.NewFile(uintptr(device), "/dev/fuse")}
	if connection.Store, err = store.Share(); err == nil {
		connection.Record, err = newRecord(&found)
	}
	if err != nil {
		return nil, errors.Join(err, connection.Close())
	}
	return connection, nil
}

// Mount is Connect and Resume in one process, which keeps nothing beyond its life.
func Mount(mountpoint string, options Options, log hclog.Logger) (*Filesystem, error) {
	connection, err := Connect(mountpoint, options, log)
	if err != nil {
		return nil, err
	}
	f, err := Resume(connection, NoKeeper{}, log)
	return f, errors.Join(err, connection.Close())
}

// Close gives the descriptors back. If no process serves the mount any more, it is dead.
func (c *Connection) Close() error {
	var err error
	for _, file := range []*os.File{c.Device, c.Store, c.Record} {
		if file != nil {
			err = errors.Join(err, file.Close())
		}
	}
	return err
}

// Facts returns the number of the mount's device as the mount table writes it, and the options in force. Nobody may be serving.
func (c *Connection) Facts() (device string, options Options, err error) {
	state, found, err := c.openRecord()
	if err != nil {
		return "", Options{}, err
	}
	device = fmt.Sprintf("%d:%d", unix.Major(found.Device), unix.Minor(found.Device))
	return device, found.Options, state.memory.Close()
}

// openRecord opens the record, and reads what the mount is.
func (c *Connection) openRecord() (*state, facts, error) {
	file, err := duplicateFile(c.Record)
	if err != nil {
		return nil, facts{}, err
	}
	memory, err := record.Open(file)
	if err != nil {
		return nil, facts{}, errors.Join(err, file.Close())
	}
	state, err := openState(memory)
	var found facts
	if err == nil {
		found, err = loadFacts(state.facts)
	}
	if err != nil {
		return nil, facts{}, errors.Join(err, memory.Close())
	}
	return state, found, nil
}

// openTree goes on with the tree of a connection's store.
func (c *Connection) openTree(state *state, options Options, keeper *keeping) (*objects.Tree, error) {
	store, err := c.openStore(options)
	if err != nil {
		return nil, err
	}
	if !store.HandsOutHandles() { // what the kernel keeps could not be opened again
		keeper.device = 0
	}
	var ledger *objects.Ledger
	if options.Commit == Strict {
		ledger = objects.NewLedger(options.Size)
	}
	tree, err := objects.Resume(store, ledger, state.memory, keeper, c.takeKept())
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return tree, nil
}

// takeKept returns the kept descriptors, which are the caller's from then on.
func (c *Connection) takeKept() map[uint64]int {
	kept := make(map[uint64]int, len(c.Kept))
	for node, file := range c.Kept {
		if descriptor, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0); err == nil {
			kept[node] = descriptor
		}
		_ = file.Close()
	}
	c.Kept = nil
	return kept
}

// openStore makes a store of a connection's descriptor, of which it takes a copy.
func (c *Connection) openStore(options Options) (*mmapcore.Store, error) {
	descriptor, err := unix.FcntlInt(c.Store.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("copying the store's descriptor: %w", err)
	}
	if options.Store == StoreTmpfs {
		return mmapcore.StoreOnMount(descriptor)
	}
	return mmapcore.StoreOnDirectory(descriptor), nil
}
