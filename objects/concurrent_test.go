package objects

import (
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// crowd is many clients of one tree at once. Like the kernel, they change a directory's names one at a time, look names up
// only while nobody changes them, and call nothing on a node that they hold no reference to.
type crowd struct {
	world       *world
	directories []uint64
	names       []string
	locks       []sync.RWMutex // one a directory; taken in their order
}

// client is one of the crowd.
type client struct {
	*crowd
	random *rand.Rand
	held   []uint64 // a reference each
}

func (c *client) directory() int { return c.random.IntN(len(c.directories)) }
func (c *client) name() string   { return c.names[c.random.IntN(len(c.names))] }

// keep takes an entry's reference into what is held.
func (c *client) keep(entry Entry, err error) error {
	if err == nil {
		c.held = append(c.held, entry.ID)
	}
	return err
}

// lock locks two directories, which may be the same.
func (c *client) lock(a, b int) (unlock func()) {
	if a == b {
		c.locks[a].Lock()
		return c.locks[a].Unlock
	}
	first, second := min(a, b), max(a, b)
	c.locks[first].Lock()
	c.locks[second].Lock()
	return func() { c.locks[second].Unlock(); c.locks[first].Unlock() }
}

// changesNames is what is done to names, in one directory or two.
var changesNames = []func(c *client, in, other int) error{
	func(c *client, in, _ int) error {
		return c.keep(createFile(c.world.tree, c.directories[in], c.name(), 0o600, Caller{UID: 7, GID: 7}))
	},
	func(c *client, in, _ int) error {
		return c.keep(c.world.tree.Symlink(c.directories[in], c.name(), "target", Caller{UID: 8, GID: 8}))
	},
	func(c *client, in, _ int) error {
		return c.keep(c.world.tree.Mknod(c.directories[in], c.name(), unix.S_IFREG|0o600, 0, Caller{}))
	},
	func(c *client, in, _ int) error { return c.world.tree.Unlink(c.directories[in], c.name()) },
	func(c *client, in, _ int) error { return c.world.tree.Unlink(c.directories[in], c.name()) },
	func(c *client, in, other int) error {
		return c.world.tree.Rename(c.directories[in], c.name(), c.directories[other], c.name(), 0, Caller{})
	},
	func(c *client, in, other int) error {
		return c.world.tree.Rename(c.directories[in], c.name(), c.directories[other], c.name(), unix.RENAME_EXCHANGE, Caller{})
	},
	func(c *client, in, _ int) error {
		return c.onHeld(func(id uint64) error { return c.keep(c.world.tree.Link(id, c.directories[in], c.name())) })
	},
	func(c *client, in, _ int) error {
		entry, err := createTmpfile(c.world.tree, c.directories[in], 0o600, Caller{})
		if c.keep(entry, err) != nil || c.random.IntN(2) == 0 {
			return err
		}
		return c.keep(c.world.tree.Link(entry.ID, c.directories[in], c.name()))
	},
}

// usesNodes is what is done to nodes that are held.
var usesNodes = []func(c *client, id uint64) error{
	func(c *client, id uint64) error { _, err := c.world.tree.Stat(id); return err },
	func(c *client, id uint64) error { _, err := c.world.tree.Listxattr(id); return err },
	func(c *client, id uint64) error {
		mode := uint32(c.random.IntN(0o1000))
		_, err := c.world.tree.Change(id, Change{Mode: &mode})
		return err
	},
	func(c *client, id uint64) error {
		size := c.random.Int64N(12 * pageSize)
		_, err := c.world.tree.Change(id, Change{Size: &size})
		return err
	},
	(*client).useObject,
	(*client).useObject,
}

// useObject opens a file, does this and that to it, and closes it.
func (c *client) useObject(id uint64) error {
	object, err := c.world.tree.Open(id, unix.O_RDWR)
	if err != nil {
		return err
	}
	var errs []error
	for range 3 {
		offset, length := c.random.Int64N(8*pageSize), 1+c.random.Int64N(4*pageSize)
		switch c.random.IntN(5) {
		case 0:
			_, err = object.WriteAt(make([]byte, length), offset)
		case 1:
			_, err = object.ReadAt(make([]byte, length), offset)
		case 2:
			err = object.Resize(offset)
		case 3:
			err = object.Allocate(uint32(c.random.IntN(2))*unix.FALLOC_FL_KEEP_SIZE, offset, length)
		case 4:
			err = object.Allocate(unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, offset, length)
		}
		errs = append(errs, err)
	}
	return errors.Join(append(errs, object.Close())...)
}

// onHeld does something to one of the nodes that are held, if there are any.
func (c *client) onHeld(do func(id uint64) error) error {
	if len(c.held) == 0 {
		return nil
	}
	return do(c.held[c.random.IntN(len(c.held))])
}

func (c *client) forget() {
	if len(c.held) == 0 {
		return
	}
	i := c.random.IntN(len(c.held))
	c.world.tree.Forget(c.held[i], 1)
	c.held = append(c.held[:i], c.held[i+1:]...)
}

// step does one thing at random.
func (c *client) step() error {
	in, other := c.directory(), c.directory()
	switch c.random.IntN(6) {
	case 0, 1:
		defer c.lock(in, other)()
		return changesNames[c.random.IntN(len(changesNames))](c, in, other)
	case 2:
		c.locks[in].RLock()
		defer c.locks[in].RUnlock()
		return c.keep(c.world.tree.Lookup(c.directories[in], c.name()))
	case 3:
		return c.list(c.directories[in])
	case 4:
		return c.onHeld(func(id uint64) error { return usesNodes[c.random.IntN(len(usesNodes))](c, id) })
	}
	c.forget()
	return nil
}

func (c *client) list(directory uint64) error {
	listing, err := c.world.tree.List(directory, false)
	if err != nil {
		return err
	}
	return errors.Join(listing.each(func(string) error { return nil }), listing.Close())
}

// expected says whether clients of a tree as small and as busy as this one may see an error. They may not see ESTALE: what
// is referred to is there.
func expected(err error) bool {
	if joined, is := err.(interface{ Unwrap() []error }); is {
		for _, one := range joined.Unwrap() {
			if !expected(one) {
				return false
			}
		}
		return true
	}
	for _, errno := range []error{nil, unix.ENOENT, unix.EEXIST, unix.ENOSPC, unix.ELOOP, unix.ENXIO, unix.EOPNOTSUPP} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return errors.Is(err, io.EOF)
}

func TestManyClientsAtOnce(t *testing.T) {
	const clients, steps, limit = 6, 400, 80 // pages
	onEachStore(t, limit*pageSize, func(t *testing.T, w *world) {
		first, second := w.mkdir(t, "first"), w.mkdir(t, "second")
		crowd := &crowd{
			world: w, directories: []uint64{first.ID, second.ID}, names: []string{"a", "b", "c"}, locks: make([]sync.RWMutex, 2),
		}
		var done sync.WaitGroup
		for number := range uint64(clients) {
			c := &client{crowd: crowd, random: rand.New(rand.NewPCG(number, 3))}
			done.Go(func() {
				for range steps {
					if err := c.step(); !expected(err) {
						t.Errorf("unexpected: %v", err)
					}
					if _, used := w.ledger.Figures(); used < 0 || used > limit*pageSize {
						t.Errorf("%d bytes are charged of %d", used, limit*pageSize)
					}
				}
				for len(c.held) > 0 {
					c.forget()
				}
			})
		}
		done.Wait()
		w.wantRecounted(t)
		for name, id := range map[string]uint64{"first": first.ID, "second": second.ID} {
			for _, inside := range w.names(t, id) {
				entry, err := w.tree.Lookup(id, inside)
				wantNoError(t, "Lookup", err)
				wantNoError(t, "Unlink", w.tree.Unlink(id, inside))
				w.tree.Forget(entry.ID, 1)
			}
			wantNoError(t, "Rmdir", w.tree.Rmdir(RootID, name))
			w.tree.Forget(id, 1)
		}
		w.wantEmpty(t)
		wantDaemonsIdentity(t)
	})
}

// wantRecounted checks that what is charged is at least what the sizes of all that has a name ask for.
func (w *world) wantRecounted(t *testing.T) {
	t.Helper()
	seen := make(map[uint64]bool)
	var sizes int64
	for _, directory := range w.names(t, RootID) {
		outer := w.lookup(t, directory)
		for _, name := range w.names(t, outer.ID) {
			entry, err := w.tree.Lookup(outer.ID, name)
			wantNoError(t, "Lookup", err)
			if !seen[entry.ID] && entry.Stat.Mode&unix.S_IFMT == unix.S_IFREG {
				sizes += pages(entry.Stat.Size)
			}
			seen[entry.ID] = true
			w.tree.Forget(entry.ID, 1)
		}
		w.tree.Forget(outer.ID, 1)
	}
	if _, used := w.ledger.Figures(); used < sizes {
		t.Errorf("%d bytes are charged for files of %d", used, sizes)
	}
}

// What a lookup finds is there, even if its name goes at that very moment and nobody sees to their order.
func TestLookupWhileTheNameGoes(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		var done sync.WaitGroup
		stop := make(chan struct{})
		for range 2 {
			done.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					entry, err := w.tree.Lookup(RootID, "file")
					if errors.Is(err, unix.ENOENT) {
						continue
					}
					if err == nil {
						_, err = w.tree.Stat(entry.ID)
						w.tree.Forget(entry.ID, 1)
					}
					if err != nil {
						t.Errorf("looking up a name that comes and goes: %v", err)
						return
					}
				}
			})
		}
		for range 1000 {
			if err := w.comeAndGo("file"); err != nil {
				t.Errorf("coming and going: %v", err)
				break
			}
		}
		close(stop)
		done.Wait()
		w.wantEmpty(t)
	})
}

// A store that is full when a write asks and has room a moment later gives the write what it asked for, and no more.
func TestWriteWhileMemoryComesFree(t *testing.T) {
	w := newWorld(t, storeKinds["tmpfs"], "", 2*pageSize)
	defer func() { w.close(t) }()
	entry := w.create(t, "file")
	object := w.openObject(t, entry.ID)
	defer object.Close()
	var done sync.WaitGroup
	stop := make(chan struct{})
	done.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if w.ledger.Charge(pageSize) == nil {
				w.ledger.Refund(pageSize)
			}
		}
	})
	data := make([]byte, pageSize+10)
	for range 20000 {
		n, err := object.WriteAt(data, 0)
		if err != nil || n != len(data) && n != int(pageSize) {
			t.Errorf("wrote %d of %d, %v", n, len(data), err)
			break
		}
		wantNoError(t, "Truncate", object.Truncate(nil))
	}
	close(stop)
	done.Wait()
	w.wantUsed(t, 0)
}
