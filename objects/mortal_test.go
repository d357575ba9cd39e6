package objects

import (
	"maps"
	"os"
	"slices"
	"sync"

	"shmfs/mmapcore"
	"shmfs/mmapcore/record"

	"golang.org/x/sys/unix"
)

// heldByKeeper is a keeper that outlives a tree.
type heldByKeeper struct {
	mu    sync.Mutex
	held  map[uint64]int // descriptors, by node; guarded by mu
	token uint32         // of the latest; guarded by mu
}

// keeperOfLife is the keeper as one process knows it: once that is dead it asks for nothing any more.
type keeperOfLife struct {
	*heldByKeeper
	dead bool // guarded by heldByKeeper.mu
}

func (k *keeperOfLife) Keep(node uint64, descriptor int) (uint32, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.dead {
		return 0, unix.EPIPE
	}
	held, err := duplicate(descriptor)
	if err != nil {
		return 0, err
	}
	closeHeld(k.descriptorOf(node))
	k.held[node] = held
	k.token++
	return k.token, nil
}

func (k *keeperOfLife) LetGo(node uint64, _ uint32) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.dead {
		closeHeld(k.descriptorOf(node))
		delete(k.held, node)
	}
	return nil
}

func (k *heldByKeeper) descriptorOf(node uint64) int {
	if descriptor, held := k.held[node]; held {
		return descriptor
	}
	return -1
}

// copies are descriptors of what is held, for the process that comes next.
func (k *heldByKeeper) copies(t reporter) map[uint64]int {
	k.mu.Lock()
	defer k.mu.Unlock()
	copies := map[uint64]int{}
	for node, descriptor := range k.held {
		copied, err := duplicate(descriptor)
		wantNoError(t, "copying what is held", err)
		copies[node] = copied
	}
	return copies
}

// mortal is a tree whose process can die, and what outlives it.
type mortal struct {
	world
	store  *os.File
	memory *record.Memory // the living process's
	shared *os.File       // the record
	keeper *heldByKeeper
	life   *keeperOfLife // of the living process
}

// newMortal makes a tree under commit=strict.
func newMortal(t reporter, kind storeKind, path string, limit int64) *mortal {
	t.Helper()
	m := &mortal{world: world{kind: kind, path: path, before: descriptors(t)}, keeper: &heldByKeeper{held: map[uint64]int{}}}
	store := kind.open(t, path)
	var err error
	m.store, err = store.Share()
	wantNoError(t, "sharing the store", err)
	wantNoError(t, "closing the store", store.Close())
	memory, err := record.Create("shmfs-test")
	wantNoError(t, "making a record", err)
	m.shared = duplicateFile(t, memory.File())
	wantNoError(t, "closing the record", memory.Close())
	m.ledger = NewLedger(limit)
	m.begin(t)
	return m
}

func duplicateFile(t reporter, file *os.File) *os.File {
	t.Helper()
	descriptor, err := duplicate(int(file.Fd()))
	wantNoError(t, "copying a descriptor", err)
	return os.NewFile(uintptr(descriptor), file.Name())
}

// begin has a process go on.
func (m *mortal) begin(t reporter) {
	t.Helper()
	limit, _ := m.ledger.Figures()
	m.ledger = NewLedger(limit)
	var err error
	m.memory, err = record.Open(duplicateFile(t, m.shared))
	wantNoError(t, "opening the record", err)
	m.life = &keeperOfLife{heldByKeeper: m.keeper}
	store, kept := m.openStore(t), m.keeper.copies(t)
	m.tree, err = Resume(store, m.ledger, m.memory, m.life, kept)
	if err != nil { // not t.Fatalf: it may be a goroutine of its own
		t.Errorf("resuming: %v", err)
	} else {
		m.tree.CountNames(isCounted)
	}
	m.empty = descriptors(t)
}

// openStore opens the store as the next process does.
func (m *mortal) openStore(t reporter) *mmapcore.Store {
	t.Helper()
	open := func() (*mmapcore.Store, error) {
		descriptor, err := duplicate(int(m.store.Fd()))
		if err != nil {
			return nil, err
		}
		if m.kind.directory {
			return mmapcore.StoreOnDirectory(descriptor), nil
		}
		return mmapcore.StoreOnMount(descriptor)
	}
	if !m.kind.handles {
		open = withoutHandles(open)
	}
	store, err := open()
	wantNoError(t, "opening the store again", err)
	return store
}

// bury has nothing that the living process may still do reach anybody.
func (m *mortal) bury(t reporter) {
	t.Helper()
	m.keeper.mu.Lock()
	m.life.dead = true
	m.keeper.mu.Unlock()
	wantNoError(t, "closing a dead process's record", m.memory.Close()) // it does nothing any more
}

// close ends everything, also what dead processes have left open.
func (m *mortal) close(t reporter) {
	t.Helper()
	wantNoError(t, "closing the tree", m.tree.Close())
	wantNoError(t, "closing the record", m.memory.Close())
	wantNoError(t, "closing the shared record", m.shared.Close())
	wantNoError(t, "closing the shared store", m.store.Close())
	for _, descriptor := range m.keeper.held {
		closeHeld(descriptor)
	}
	for _, left := range descriptors(t) {
		if !slices.Contains(m.before, left) {
			var number int
			wantScan(t, left, &number)
			closeHeld(number)
		}
	}
}

// wantSound demands that the tree, the record, the keeper and the store agree with each other.
func (m *mortal) wantSound(t reporter) {
	t.Helper()
	found := map[uint64]bool{}
	for row, words := range m.tree.rows.Each {
		node := m.tree.nodes[words[nodeID]]
		if found[words[nodeID]] || node == nil || node.row != row {
			t.Errorf("node %d is recorded twice or not known", words[nodeID])
			continue
		}
		found[node.id] = true
		if recorded, settled, err := m.tree.nodeOf(row, words); err != nil || !settled || recorded.handle != node.handle ||
			recorded.generation != node.generation || recorded.lookups != node.lookups || recorded.charged != node.charged ||
			recorded.owner != node.owner || recorded.counted != node.counted || recorded.reservedEnd != node.reservedEnd || recorded.flags() != node.flags() {
			t.Errorf("node %+v is recorded as %+v, settled: %v (%v)", node, recorded, settled, err)
		}
	}
	if len(found) != len(m.tree.nodes) {
		t.Errorf("%d nodes are known and %d recorded", len(m.tree.nodes), len(found))
	}
	m.wantNodesSound(t)
	m.wantCreatorsSound(t)
	m.wantCounted(t)
	m.wantNumbers(t)
}

// wantNodesSound demands that each node is as its inode is.
func (m *mortal) wantNodesSound(t reporter) {
	t.Helper()
	nameless := 0
	for id, node := range m.tree.nodes {
		if node.handle == "" && node.held < 0 && node.lookups == 0 {
			continue // cannot be had but by its name
		}
		stat, err := m.tree.Stat(id)
		if err != nil {
			t.Errorf("node %d cannot be reached: %v", id, err)
			continue
		}
		if node.nameless != (stat.Nlink == 0) || node.nameless && (node.lookups == 0 || node.held < 0) {
			t.Errorf("node %+v has %d links", node, stat.Nlink)
		}
		if due := max(m.tree.standingCharge(&stat), node.reservedEnd); due != node.charged || node.owner != stat.Uid && id != RootID {
			t.Errorf("node %d is charged %d bytes to %d instead of %d to %d", id, node.charged, node.owner, due, stat.Uid)
		}
		if node.nameless {
			nameless++
		}
		if _, held := m.keeper.held[id]; held != node.kept || node.kept != node.nameless {
			t.Errorf("node %+v is held by the keeper: %v", node, held)
		}
		if m.kind.handles && (node.held >= 0) != node.nameless {
			t.Errorf("node %+v is held by a descriptor", node)
		}
	}
	if count := int(m.tree.orphans.Load()); count != nameless {
		t.Errorf("%d nodes without a name are counted, there are %d", count, nameless)
	}
	for id := range m.keeper.held {
		if m.tree.nodes[id] == nil {
			t.Errorf("the keeper holds node %d, which nobody knows", id)
		}
	}
}

// wantAllGone gives back all references, removes all names, and demands that nothing is left.
func (m *mortal) wantAllGone(t reporter) {
	t.Helper()
	for _, id := range slices.Sorted(maps.Keys(m.tree.nodes)) {
		m.tree.Forget(id, 1<<40)
	}
	var empty func(parent uint64)
	empty = func(parent uint64) {
		listing, err := m.tree.List(parent, true)
		wantNoError(t, "opening a directory", err)
		defer listing.Close()
		wantNoError(t, "reading a directory", listing.each(func(name string) error {
			entry, err := m.tree.Lookup(parent, name)
			if err != nil {
				return err
			}
			defer m.tree.Forget(entry.ID, 1)
			if entry.Stat.Mode&unix.S_IFMT == unix.S_IFDIR {
				empty(entry.ID)
				return m.tree.Rmdir(parent, name)
			}
			return m.tree.Unlink(parent, name)
		}))
	}
	empty(RootID)
	m.wantSound(t)
	m.wantUsed(t, 0)
	m.wantNodes(t, 1)
	if len(m.keeper.held) > 0 {
		t.Errorf("the keeper holds %v", m.keeper.held)
	}
}
