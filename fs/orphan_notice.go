package fs

import (
	"encoding/binary"
	"fmt"
	"os"
	"strconv"

	"shmfs/objects"

	"golang.org/x/sys/unix"
)

// notices is an inotify instance.
type notices struct {
	descriptor int            // owned by file; immutable
	file       *os.File       // immutable
	byID       map[int]uint64 // nodes by the watch's id; guarded by orphans.mu
	broken     error          // there is no instance, for this reason; immutable
}

func newNotices() *notices {
	descriptor, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return &notices{broken: fmt.Errorf("making an inotify instance: %w", err)}
	}
	return &notices{descriptor: descriptor, file: os.NewFile(uintptr(descriptor), "inotify"), byID: make(map[int]uint64)}
}

// addNotice has the kernel tell of each open file of a node that is closed. The caller holds orphans.mu.
func (f *Filesystem) addNotice(node uint64, object *objects.Object) (id int, err error) {
	o := &f.orphans
	if o.notices == nil {
		o.notices = newNotices()
		if o.notices.broken == nil {
			o.running.Go(func() { f.readNotices(o.notices) })
		}
	}
	if o.notices.broken != nil {
		return 0, o.notices.broken
	}
	path := "/proc/self/fd/" + strconv.Itoa(object.Region().Descriptor())
	id, err = unix.InotifyAddWatch(o.notices.descriptor, path, unix.IN_CLOSE)
	if err != nil {
		return 0, fmt.Errorf("adding an inotify watch: %w", err)
	}
	o.notices.byID[id] = node
	return id, nil
}

// remove ends one. The caller holds orphans.mu.
func (n *notices) remove(id int) {
	delete(n.byID, id)
	_, _ = unix.InotifyRmWatch(n.descriptor, uint32(id)) // it fails only if the inode is gone, and the watch with it
}

// readNotices has the nodes looked at that the kernel tells of, until the instance is closed.
func (f *Filesystem) readNotices(n *notices) {
	buffer := make([]byte, 16<<10)
	for {
		length, err := n.file.Read(buffer)
		if err != nil {
			return
		}
		for _, node := range f.orphans.noticed(n, buffer[:length]) {
			f.orphans.spawn(func() { f.settleOrphan(node, false) })
		}
	}
}

// noticed returns the nodes that a buffer of struct inotify_event is about. They are to be looked at soon again if they are found in use.
func (o *orphans) noticed(n *notices, events []byte) []uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	var nodes []uint64
	told := make(map[uint64]bool)
	for len(events) >= unix.SizeofInotifyEvent {
		id := int(int32(binary.NativeEndian.Uint32(events)))
		mask := binary.NativeEndian.Uint32(events[4:])
		events = events[min(len(events), unix.SizeofInotifyEvent+int(binary.NativeEndian.Uint32(events[12:]))):]
		if mask&unix.IN_Q_OVERFLOW != 0 { // whom it was about is lost
			for node := range o.watched {
				o.soon(node, told, &nodes)
			}
		} else if node, known := n.byID[id]; known && mask&unix.IN_CLOSE != 0 {
			o.soon(node, told, &nodes)
		}
	}
	return nodes
}

func (o *orphans) soon(node uint64, told map[uint64]bool, nodes *[]uint64) {
	if watched := o.watched[node]; watched != nil && !told[node] {
		told[node] = true
		watched.pause = firstPause
		*nodes = append(*nodes, node)
	}
}

// stop ends all watching. What is being acted on goes on: see wait.
func (o *orphans) stop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	for node, watched := range o.watched {
		delete(o.watched, node)
		o.end(watched)
	}
	if o.notices != nil && o.notices.broken == nil {
		_ = o.notices.file.Close() // it was only read
	}
}

// wait returns when nothing is being acted on any more. It must come after stop.
func (o *orphans) wait() { o.running.Wait() }
