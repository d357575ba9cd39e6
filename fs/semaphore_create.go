package fs

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"shmfs/mmapcore/crashpoint"
	"shmfs/semfs"

	"bazil.org/fuse"
	"golang.org/x/sys/unix"
)

// createdName is the name that a semaphore gets when it is initialised. Until then its file has none.
type createdName struct {
	parent uint64
	name   string
}

// createSemaphore makes a file without a name, so that nobody finds a semaphore that is not initialised.
func (f *Filesystem) createSemaphore(r *fuse.CreateRequest) {
	if handle, replied := f.madeBefore(r); handle != nil {
		f.answerMadeFile(r, semaphoreValid, handle, replied)
		return
	}
	if err := f.requireFree(r); err != nil {
		f.fail(r, err)
		return
	}
	entry, object, err := f.tree.Tmpfile(uint64(r.Node), unixMode(r.Mode)&0o7777, f.creator(r, r.Umask))
	if err != nil {
		f.fail(r, err)
		return
	}
	crashpoint.Here("fs: the file of a new semaphore is made")
	node := f.semaphores.create(entry.ID, createdName{uint64(r.Node), r.Name})
	crashpoint.Here("fs: a new semaphore is known")
	semaphore := &openSemaphore{node: node, writes: f.passthru && waitsInWrites(uint32(r.Flags))}
	if r.Flags&fuse.OpenExclusive != 0 && isTemporaryName(r.Name) {
		semaphore.passing = true
		f.semaphores.setPassing(node, r.Name)
	}
	if semaphore.writes {
		f.semaphores.enter(node)
	}
	f.semaphores.opened(r.Pid)
	if err := f.answerCreated(r, entry, object, uint32(r.Flags), semaphore); err != nil {
		f.fail(r, err)
	}
}

// isTemporaryName says whether a name may be one under which glibc's sem_open makes a semaphore before it links it: sem. and six
// letters or digits.
func isTemporaryName(name string) bool {
	letters := name[len(semaphorePrefix):]
	return len(letters) == 6 && !strings.ContainsFunc(letters, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}

// setPassing notes the name that a semaphore has while it is made; empty when its maker has closed it.
func (s *semaphoreNodes) setPassing(node *kernelNode, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	node.semaphore.passing = name
	node.semaphore.write()
}

// isPassing says whether a name is one that a semaphore has only while it is made.
func (s *semaphoreNodes) isPassing(id uint64, name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.byID[id]
	return known != nil && known.passing == name
}

// requireFree refuses a name that is taken. The kernel thought it free and has not checked the right to open what is there: unless
// the caller insists on a new one, it shall look again.
func (f *Filesystem) requireFree(r *fuse.CreateRequest) error {
	entry, err := f.tree.Lookup(uint64(r.Node), r.Name)
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil
	case err != nil:
		return err
	}
	f.forget(entry.ID, 1)
	if r.Flags&fuse.OpenExclusive != 0 {
		return fmt.Errorf("creating %q: %w", r.Name, unix.EEXIST)
	}
	f.semaphores.sendBack(r.Pid)
	return fmt.Errorf("creating %q, which is there meanwhile: %w", r.Name, errLookAgain)
}

// create notes a semaphore that is not initialised yet, and returns its own node.
func (s *semaphoreNodes) create(id uint64, name createdName) *kernelNode {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.know(id)
	known.created = &name
	known.write()
	return &known.own
}

// knows says whether a node of the tree is a semaphore, or was one.
func (s *semaphoreNodes) knows(id uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byID[id] != nil
}

// created returns the name that a semaphore is to get, nil when it has it.
func (s *semaphoreNodes) created(id uint64) *createdName {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.byID[id]; known != nil {
		return known.created
	}
	return nil
}

// publish gives an initialised semaphore its name. EEXIST when somebody else has made that meanwhile. For any other node it does
// nothing.
func (f *Filesystem) publish(r fuse.Request, id uint64) error {
	name := f.semaphores.setCreated(id, nil)
	if name == nil {
		return f.tellMadeBefore(r, id)
	}
	entry, err := f.tree.Link(id, name.parent, name.name)
	if err != nil {
		f.semaphores.setCreated(id, name)
		return err
	}
	crashpoint.Here("fs: a semaphore has its name")
	f.tellMade(r, name, &entry)
	f.semaphores.record(id) // after that: as long as it is not, whoever goes on tells
	crashpoint.Here("fs: a semaphore is recorded as one with a name")
	f.forget(entry.ID, 1)
	return nil
}

// record brings what outlives the process in line with a semaphore.
func (s *semaphoreNodes) record(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.byID[id]; known != nil {
		known.write()
	}
}

// setCreated notes the name that a semaphore is to get, and returns what was noted before. What outlives the process is not
// changed: as long as that has the name it may not lead to the semaphore.
func (s *semaphoreNodes) setCreated(id uint64, name *createdName) (before *createdName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.byID[id]
	if known == nil {
		return nil
	}
	before, known.created = known.created, name
	return before
}

// initialise makes a semaphore of an empty file by the beginning of what is written to it, and returns how many bytes of that are done
// with: none if it is initialised already.
func (f *Filesystem) initialise(r fuse.Request, handle *handle, data []byte, offset int64) (int, error) {
	o := &handle.opened.operation
	o.mu.Lock()
	defer o.mu.Unlock()
	if used, done := f.attempts.outcome(r); done && f.attempts.is(r, attemptInitialise) {
		o.initialised = true
		return int(used), f.publish(r, handle.node)
	}
	if o.initialised {
		return 0, nil
	}
	size, err := handle.opened.object.Region().Size()
	if err != nil {
		return 0, err
	}
	if size > 0 {
		o.initialised = true
		return 0, nil
	}
	image, used, err := initialImage(data, offset)
	if err != nil {
		return 0, err
	}
	what := attempt{kind: attemptInitialise, node: handle.node, result: uint64(used)}
	_, _, err = f.once(r, what, func() (uint64, error) {
		if _, err := objectFor(r, handle.opened).WriteAt(image, 0); err != nil {
			return 0, err
		}
		crashpoint.Here("fs: the memory of a semaphore is initialised")
		if err := f.publish(r, handle.node); err != nil {
			return 0, errors.Join(err, handle.opened.object.Resize(0))
		}
		return uint64(used), nil
	})
	if err != nil {
		return 0, err
	}
	o.initialised = true
	return used, nil
}

// initialImage returns the memory of a new semaphore: of the value that a line of text says, or what libc writes.
func initialImage(data []byte, offset int64) (image []byte, used int, err error) {
	value, used, err := semfs.ParseInitial(data)
	if err == nil {
		image, err = semfs.Image(semfs.Glibc, value)
		return image, used, err
	}
	if offset != 0 || len(data) != semfs.Size {
		return nil, 0, err
	}
	image = append([]byte(nil), data...)
	semfs.NoteInitial(image)
	return image, len(data), nil
}

// noteInitial notes the value of a semaphore that gets a name: musl initialises its own under another. It is good to know, no more.
func (f *Filesystem) noteInitial(id uint64) {
	if err := f.tryNoteInitial(id); err != nil {
		f.log.Debug("noting the initial value of a semaphore", "node", id, "reason", err)
	}
}

func (f *Filesystem) tryNoteInitial(id uint64) error {
	object, err := f.tree.Open(id, unix.O_RDWR)
	if err != nil {
		return err
	}
	defer object.Close()
	image := make([]byte, semfs.Size+1) // so that a longer file shows
	n, err := object.ReadAt(image, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	note, offset := semfs.InitialNote(image[:n])
	if note == nil {
		return nil
	}
	if _, err := object.WriteAt(note, offset); err != nil || f.passthru {
		return err
	}
	err = f.conn.NotifyStore(fuse.NodeID(id), uint64(offset), note) // the page that clients map is the kernel's
	if errors.Is(err, fuse.ErrNotCached) {
		return nil
	}
	return err
}
