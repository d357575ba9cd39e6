package fs

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"shmfs/objects"
	"shmfs/semfs"

	"golang.org/x/sys/unix"
)

// semaphorePrefix is what the names of semaphores begin with, right under the root.
const semaphorePrefix = "sem."

// mostSleepers is for how many semaphores clients may wait or poll at once. Each takes an operating system thread, of which the Go
// runtime has 10,000.
const mostSleepers = 6000

// isSemaphoreName says whether a regular file of that name is a semaphore.
func isSemaphoreName(parent uint64, name string) bool {
	return parent == objects.RootID && strings.HasPrefix(name, semaphorePrefix) && len(name) > len(semaphorePrefix)
}

func isSemaphore(parent uint64, name string, entry *objects.Entry) bool {
	return isSemaphoreName(parent, name) && entry.Stat.Mode&unix.S_IFMT == unix.S_IFREG
}

// semaphoresAreText says whether semaphores can be text and memory at one path. Before Linux 6.6 a file in cached mode cannot be mapped
// shared if its reads and writes come to the daemon: there semaphores are libc's memory alone.
func (f *Filesystem) semaphoresAreText() bool {
	return f.passthru || f.agreed.grants(initDirectIOAllowMmap)
}

// isTextSemaphore says whether a node is a semaphore that is text too.
func (f *Filesystem) isTextSemaphore(node uint64) bool {
	return f.semaphores.find(node) != nil && f.semaphoresAreText()
}

// semaphoreFlags are those of the reply that opens a semaphore: read(2) and write(2) come to the daemon, mmap(2) does not.
func (f *Filesystem) semaphoreFlags() uint32 {
	if f.passthru {
		return openPassthrough | openDirectIO | openParallelWrites | openNoFlush
	}
	return openDirectIO | openKeepCache | openNoFlush
}

// operation is a semaphore's operator, made when somebody first needs it.
type operation struct {
	mu          sync.Mutex
	operator    *semfs.Operator  // guarded by mu
	mapped      *semfs.Semaphore // guarded by mu
	intents     *intents         // where the operator says what it changes; guarded by mu
	initialised bool             // had a size once; guarded by mu, which is held while it is initialised
}

// operatorOf returns the operator of an open semaphore.
func (f *Filesystem) operatorOf(file *opened) (*semfs.Operator, error) {
	o := &file.operation
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.operator != nil {
		return o.operator, nil
	}
	if o.intents == nil {
		var err error
		if o.intents, err = f.newIntents(file.node); err != nil {
			return nil, err
		}
	}
	if f.helper != nil { // what is mapped is not the store's memory
		o.operator = semfs.NewRemoteOperator(f.memoryOf(file.node), o.intents)
		return o.operator, nil
	}
	mapped, err := semfs.Open(file.object.Region())
	if err != nil {
		return nil, err
	}
	o.mapped, o.operator = mapped, semfs.NewOperator(mapped, f.sleepers, o.intents)
	return o.operator, nil
}

// end closes the operator when nobody has the semaphore open any more.
func (o *operation) end() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.intents != nil {
		defer func() { o.intents.row.Remove() }()
	}
	if o.operator == nil {
		return nil
	}
	o.operator.Close()
	if o.mapped == nil {
		return nil
	}
	return o.mapped.Close()
}

// openSemaphore is what a handle of a semaphore has besides.
type openSemaphore struct {
	node    *kernelNode // immutable
	passing bool        // who holds it makes the semaphore under a passing name; immutable

	mu     sync.Mutex
	client *semfs.Client // made at the first command; guarded by mu
	writes bool          // counted among the node's writers; guarded by mu
	text   []byte        // what was read from the beginning last; nil: nothing yet; guarded by mu
	start  int64         // the offset at which text begins; guarded by mu
}

// clientOf returns the client that a handle's commands are done by, and counts the handle among those who may wait in a write.
func (f *Filesystem) clientOf(handle *handle) (*semfs.Client, error) {
	operator, err := f.operatorOf(handle.opened)
	if err != nil {
		return nil, err
	}
	s := handle.semaphore
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client == nil {
		s.client = operator.NewClient(handle.id)
	}
	f.countWriter(handle)
	return s.client, nil
}

// countWriter counts a handle among those who may wait in a write, once. The caller holds the handle's semaphore.mu.
func (f *Filesystem) countWriter(handle *handle) {
	s := handle.semaphore
	if s.writes {
		return
	}
	s.writes = true
	handle.row.Store(handleKind, handle.row.Load(handleKind)|kindWrites)
	f.semaphores.enter(s.node)
}

// closeSemaphore gives back what a handle holds.
func (f *Filesystem) closeSemaphore(handle *handle) {
	f.awaitSettled()
	s := handle.semaphore
	s.mu.Lock()
	client, writes := s.client, s.writes
	s.mu.Unlock()
	held := handle.died() // of a process that has died
	if client != nil {
		held = max(held, client.Held())
		err := client.Close()
		if err != nil {
			f.log.Warn("units that were held are lost", "node", handle.node, "reason", err)
		}
	}
	f.tellDied(handle, held)
	if writes {
		f.semaphores.leave(s.node)
	}
	if s.passing {
		f.semaphores.setPassing(s.node, "")
	}
	handle.opened.operation.unpoll(handle.id)
}

func (o *operation) unpoll(key uint64) {
	o.mu.Lock()
	operator := o.operator
	o.mu.Unlock()
	if operator != nil {
		operator.Unpoll(key)
	}
}

// lookAtSemaphore has who waits and polls look at a file whose size was changed.
func (f *Filesystem) lookAtSemaphore(id uint64) {
	f.openings.mu.Lock()
	file := f.openings.byNode[id]
	f.openings.mu.Unlock()
	if file == nil {
		return
	}
	o := &file.operation
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.operator != nil {
		o.operator.Look()
	}
}

// renamed brings what is known of a semaphore in line with a name that may lead to it now.
func (f *Filesystem) renamed(parent uint64, name string) {
	entry, err := f.tree.Lookup(parent, name)
	if err != nil {
		if !errors.Is(err, unix.ENOENT) {
			f.log.Warn("looking at what was renamed", "reason", fmt.Errorf("%q: %w", name, err))
		}
		return
	}
	f.semaphores.rename(entry.ID, isSemaphore(parent, name, &entry))
	f.forget(entry.ID, 1)
}

// rename notes that a node is a semaphore from now on, or is none.
func (s *semaphoreNodes) rename(id uint64, semaphore bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if semaphore {
		s.know(id)
	} else if known := s.byID[id]; known != nil {
		known.plain, known.left = true, leftNothing
		known.write()
	}
}
