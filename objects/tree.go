package objects

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"shmfs/mmapcore"
	"shmfs/mmapcore/record"

	"golang.org/x/sys/unix"
)

// Tree is the tree of names over one store. Its methods may be called concurrently.
//
// Every method that takes an id fails with ESTALE when no node of that id is known, or its inode is gone. Names are passed to
// the store as they are; a name that leads elsewhere (empty, "." or "..", or with a slash) is refused with EINVAL.
type Tree struct {
	store     *mmapcore.Store
	ledger    *Ledger // nil under commit=lazy; immutable
	account   *account
	rootInode uint64 // immutable
	device    uint64 // the store's st_dev; immutable
	caller    callerSwitch
	keeper    Keeper // immutable
	names     nameCount
	rows      *record.Table  // of nodes, in the record; immutable
	creators  *creators      // immutable
	own       *record.Memory // the record, if it is the tree's own, else nil; immutable

	// orphans counts the nodes held by a descriptor: while there are any, memory may be about to come free.
	orphans   atomic.Int64
	lastLetGo atomic.Int64 // when the keeper was told to let an inode go that is no node any more, in nanoseconds since 1970; 0: never
	lastVain  atomic.Int64 // when somebody had waited for an inode in vain, likewise

	mu     sync.RWMutex
	nodes  map[uint64]*Node // by id; guarded by mu
	census census           // of them; guarded by mu
}

// New returns the tree over a store. With a ledger, sizes are charged to it when they are set (commit=strict), without one, memory
// is taken when it is touched (commit=lazy). What the store already holds is charged to its owners. The tree takes the store over.
func New(store *mmapcore.Store, ledger *Ledger) (*Tree, error) {
	memory, err := record.Create("shmfs-tree")
	if err != nil {
		return nil, err
	}
	tree, err := Resume(store, ledger, memory, NoKeeper{}, nil)
	if err != nil {
		return nil, errors.Join(err, memory.Close())
	}
	tree.own = memory
	return tree, nil
}

// Close gives back every descriptor, the store's too. No method may be running.
func (t *Tree) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, node := range t.nodes {
		closeHeld(node.held)
		delete(t.nodes, id)
	}
	err := t.store.Close()
	if t.own != nil {
		err = errors.Join(err, t.own.Close())
	}
	return err
}

// reach opens a node's inode; the descriptor is the caller's. flags are open(2)'s.
func (t *Tree) reach(id uint64, flags int) (int, error) {
	node := t.node(id)
	if node == nil {
		return -1, fmt.Errorf("node %d: %w", id, unix.ESTALE)
	}
	if node.handle != "" {
		return t.store.Reopen(node.handle, flags)
	}
	// The lock keeps Forget from closing the descriptor meanwhile.
	t.mu.RLock()
	defer t.mu.RUnlock()
	if node.held < 0 || t.nodes[id] != node {
		return -1, fmt.Errorf("node %d: %w", id, unix.ESTALE)
	}
	if flags&unix.O_PATH != 0 {
		return duplicate(node.held)
	}
	return unix.Open(descriptorPath(node.held), flags|unix.O_CLOEXEC, 0)
}

// in runs f with a descriptor of the directory id.
func (t *Tree) in(id uint64, f func(directory int) error) error {
	directory, err := t.reach(id, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(directory)
	return f(directory)
}

// descriptorPath names what an O_PATH descriptor is open on, for the calls that take no such descriptor.
func descriptorPath(descriptor int) string { return "/proc/self/fd/" + strconv.Itoa(descriptor) }

// checkName refuses what would lead out of the directory it is looked up in.
func checkName(name string) error {
	if name == "" || name == "." || name == ".." {
		return fmt.Errorf("name %q: %w", name, unix.EINVAL)
	}
	for i := range len(name) {
		if name[i] == '/' || name[i] == 0 {
			return fmt.Errorf("name %q: %w", name, unix.EINVAL)
		}
	}
	return nil
}
