package objects

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"shmfs/mmapcore"

	"golang.org/x/sys/unix"
)

// The main thread is kept for TestMain. It cannot end, so no test may change whose it is.
func init() { runtime.LockOSThread() }

func TestMain(m *testing.M) {
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "these tests make tmpfs mounts, other users' files and file handles: run them as root")
		os.Exit(1)
	}
	unix.Umask(0) // as the daemon's is: the kernel has applied the caller's
	os.Exit(m.Run())
}

// reporter is what helpers need of *testing.T and of *rapid.T.
type reporter interface {
	Helper()
	Errorf(format string, arguments ...any)
	Fatalf(format string, arguments ...any)
}

func wantNoError(t reporter, doing string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", doing, err)
	}
}

func wantError(t reporter, doing string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s: error is %v, want %v", doing, err, want)
	}
}

// storeKind is a way to have a store.
type storeKind struct {
	directory bool // a directory of the temporary directory's file system, else a tmpfs
	handles   bool // inodes can be found again by handle, else only as long as they are held
	huge      string
}

// storeKinds are all of them. Without handles is how an ordinary user's daemon works.
var storeKinds = map[string]storeKind{
	"tmpfs":                     {handles: true},
	"tmpfs without handles":     {},
	"directory":                 {directory: true, handles: true},
	"directory without handles": {directory: true},
}

// open opens the store; path is that of a directory store.
func (k storeKind) open(t reporter, path string) *mmapcore.Store {
	t.Helper()
	open := func() (*mmapcore.Store, error) {
		if k.directory {
			return mmapcore.OpenDirectory(path)
		}
		return mmapcore.NewTmpfs(mmapcore.TmpfsOptions{Mode: 0o755, Huge: k.huge})
	}
	if !k.handles {
		open = withoutHandles(open)
	}
	store, err := open()
	wantNoError(t, "opening a store", err)
	if store.HandsOutHandles() != k.handles {
		t.Fatalf("the store hands out handles: %v, want %v (the temporary directory's file system must export)",
			store.HandsOutHandles(), k.handles)
	}
	return store
}

// withoutHandles opens a store on a thread that lacks the capability to open by handle. What the store finds out then, it
// sticks to.
func withoutHandles(open func() (*mmapcore.Store, error)) func() (*mmapcore.Store, error) {
	return func() (store *mmapcore.Store, err error) {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var all [2]unix.CapUserData
		if err := unix.Capget(&header, &all[0]); err != nil {
			return nil, err
		}
		less := all
		less[0].Effective &^= 1 << unix.CAP_DAC_READ_SEARCH
		if err := unix.Capset(&header, &less[0]); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, unix.Capset(&header, &all[0])) }()
		return open()
	}
}

// world is a tree on a store, and what there was before it.
type world struct {
	kind   storeKind
	path   string // of a directory store
	tree   *Tree
	ledger *Ledger
	before []string // descriptors without the tree
	empty  []string // descriptors with the empty tree
}

// newWorld makes a tree under commit=strict with a limit in bytes, or under commit=lazy if that is negative.
func newWorld(t reporter, kind storeKind, path string, limit int64) *world {
	t.Helper()
	w := &world{kind: kind, path: path, before: descriptors(t)}
	if limit >= 0 {
		w.ledger = NewLedger(limit)
	}
	w.open(t)
	return w
}

func (w *world) open(t reporter) {
	t.Helper()
	tree, err := New(w.kind.open(t, w.path), w.ledger)
	wantNoError(t, "making a tree", err)
	tree.CountNames(isCounted)
	w.tree = tree
	w.empty = descriptors(t)
}

// reopen closes the tree of a directory store and opens it again, with a new ledger of the same limit.
func (w *world) reopen(t reporter) {
	t.Helper()
	w.close(t)
	if w.ledger != nil {
		limit, _ := w.ledger.Figures()
		w.ledger = NewLedger(limit)
	}
	w.open(t)
}

// close ends the world and checks that it leaves no descriptor.
func (w *world) close(t reporter) {
	t.Helper()
	wantNoError(t, "closing the tree", w.tree.Close())
	w.tree = nil
	wantSame(t, "descriptors", descriptors(t), w.before)
}

// wantEmpty checks that nothing is left of all that was in the tree, but for its root.
func (w *world) wantEmpty(t reporter) {
	t.Helper()
	w.wantUsed(t, 0)
	w.wantNodes(t, 1)
	wantSame(t, "descriptors", descriptors(t), w.empty)
}

func (w *world) wantNodes(t reporter, want int) {
	t.Helper()
	w.tree.mu.RLock()
	defer w.tree.mu.RUnlock()
	if got := len(w.tree.nodes); got != want {
		t.Errorf("%d nodes are known, want %d", got, want)
	}
}

// wantUsed checks what is charged, in bytes.
func (w *world) wantUsed(t reporter, want int64) {
	t.Helper()
	if w.ledger == nil {
		return
	}
	if _, used := w.ledger.Figures(); used != want {
		t.Errorf("%d bytes are charged, want %d", used, want)
	}
}

func wantSame(t reporter, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s were\n%s\nand are\n%s", what, strings.Join(want, "\n"), strings.Join(got, "\n"))
	}
}

// descriptors lists what the process has open, but for what the runtime polls with.
func descriptors(t reporter) []string {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	wantNoError(t, "listing descriptors", err)
	var all []string
	for _, entry := range entries {
		target, err := os.Readlink("/proc/self/fd/" + entry.Name())
		if err != nil || target == "anon_inode:[eventpoll]" || target == "anon_inode:[eventfd]" {
			continue
		}
		all = append(all, entry.Name()+" "+target)
	}
	return all
}

// onEachStore runs a test in a world of each kind, under commit=strict with a limit in bytes.
func onEachStore(t *testing.T, limit int64, test func(t *testing.T, w *world)) {
	for name, kind := range storeKinds {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, kind, t.TempDir(), limit)
			defer func() { w.close(t) }()
			test(t, w)
		})
	}
}

// What follows does what its name says in the root, and ends the test when that fails.

func (w *world) create(t reporter, name string) Entry {
	t.Helper()
	entry, err := createFile(w.tree, RootID, name, 0o644, Caller{})
	wantNoError(t, "creating "+name, err)
	return entry
}

func (w *world) mkdir(t reporter, name string) Entry {
	t.Helper()
	entry, err := w.tree.Mkdir(RootID, name, 0o755, Caller{})
	wantNoError(t, "making directory "+name, err)
	return entry
}

func (w *world) lookup(t reporter, name string) Entry {
	t.Helper()
	entry, err := w.tree.Lookup(RootID, name)
	wantNoError(t, "looking up "+name, err)
	return entry
}

func (w *world) unlink(t reporter, name string) {
	t.Helper()
	wantNoError(t, "unlinking "+name, w.tree.Unlink(RootID, name))
}

func (w *world) openObject(t reporter, id uint64) *Object {
	t.Helper()
	object, err := w.tree.Open(id, unix.O_RDWR)
	wantNoError(t, "opening", err)
	return object
}

func (w *world) stat(t reporter, id uint64) unix.Stat_t {
	t.Helper()
	stat, err := w.tree.Stat(id)
	wantNoError(t, "reading attributes", err)
	return stat
}

// write writes through an object of its own.
func (w *world) write(t reporter, id uint64, data string, offset int64) {
	t.Helper()
	object := w.openObject(t, id)
	defer object.Close()
	n, err := object.WriteAt([]byte(data), offset)
	wantNoError(t, "writing", err)
	if n != len(data) {
		t.Fatalf("wrote %d bytes of %d", n, len(data))
	}
}

// wantContent reads a file to its end.
func (w *world) wantContent(t reporter, id uint64, want string) {
	t.Helper()
	object := w.openObject(t, id)
	defer object.Close()
	size, err := object.Region().Size()
	wantNoError(t, "asking the size", err)
	got := make([]byte, size)
	_, err = object.ReadAt(got, 0)
	wantNoError(t, "reading", err)
	if string(got) != want {
		t.Errorf("holds %q, want %q", got, want)
	}
}

func (w *world) wantGone(t reporter, id uint64) {
	t.Helper()
	_, err := w.tree.Stat(id)
	wantError(t, "attributes of what is gone", err, unix.ESTALE)
	_, err = w.tree.Open(id, unix.O_RDWR)
	wantError(t, "opening what is gone", err, unix.ESTALE)
}

// wantScan reads the number that a line begins with.
func wantScan(t reporter, line string, number *int) {
	t.Helper()
	_, err := fmt.Sscan(line, number)
	wantNoError(t, "reading a number", err)
}

// emptyDirectory removes what a directory holds.
func emptyDirectory(t reporter, path string) {
	t.Helper()
	entries, err := os.ReadDir(path)
	wantNoError(t, "reading a directory", err)
	for _, entry := range entries {
		wantNoError(t, "emptying a directory", os.RemoveAll(filepath.Join(path, entry.Name())))
	}
}

// createFile is Tree.Create without the open object.
func createFile(tree *Tree, parent uint64, name string, mode uint32, caller Caller) (Entry, error) {
	return closeCreated(tree.Create(parent, name, mode, caller))
}

// createTmpfile is Tree.Tmpfile without the open object.
func createTmpfile(tree *Tree, parent uint64, mode uint32, caller Caller) (Entry, error) {
	return closeCreated(tree.Tmpfile(parent, mode, caller))
}

func closeCreated(entry Entry, object *Object, err error) (Entry, error) {
	if err != nil {
		return entry, err
	}
	return entry, object.Close()
}
