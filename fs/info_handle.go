package fs

import (
	"fmt"

	"shmfs/fs/journal"
	"shmfs/objects"

	"bazil.org/fuse"
	"golang.org/x/sys/unix"
)

// openInfo is an open file or directory of the daemon's own tree.
type openInfo struct {
	text      []byte          // of a file: what it held at its open, if it is kept; set before the kernel knows of the handle
	directory *infoDirectory  // of a directory, else nil
	events    *journal.Reader // of the stream of events, else nil
	user      uint32          // who has opened it; immutable

	kept *keptText // where text outlives the process; nil: nowhere; set before the kernel knows of the handle
	long *longText // instead of text, where that is not kept; else nil; set before the kernel knows of the handle
	cut  cutLine   // of events
}

// keeps says whether there is a text or a line of it that outlives the process. Nobody is served yet.
func (o *openInfo) keeps() bool { return o.kept != nil || o.cut.kept != nil }

// isText says whether it is a file with a text.
func (o *openInfo) isText() bool { return o.isReader() && o.events == nil }

// isReader says whether it counts among its user's open files of the tree.
func (o *openInfo) isReader() bool { return o != nil && o.directory == nil }

// infoDirectory is an open directory of the tree.
type infoDirectory struct {
	fixed   []objects.Name   // the names, where they are always the same; their cursors count from 1
	listing *objects.Listing // of the directory that is mirrored, else nil
}

func (f *Filesystem) openInfoDirectory(node uint64) (*infoDirectory, error) {
	if id, mirrors := mirrored(node); mirrors {
		listing, err := f.tree.List(id, true)
		return &infoDirectory{listing: listing}, err
	}
	if node != infoRoot {
		return nil, fmt.Errorf("node %#x: %w", node, unix.ENOTDIR)
	}
	var names []objects.Name
	add := func(name string, node uint64, kind uint8) {
		names = append(names, objects.Name{Bytes: []byte(name), Inode: node, Type: kind, Cursor: int64(len(names) + 1)})
	}
	add(".", infoRoot, unix.DT_DIR)
	add("..", objects.RootID, unix.DT_DIR)
	add("object", infoMirror, unix.DT_DIR)
	add("events", infoEvents, unix.DT_REG)
	for i, file := range infoFiles {
		add(file.name, infoFirstFile+uint64(i), unix.DT_REG)
	}
	return &infoDirectory{fixed: names}, nil
}

// read is objects.Listing.Read for any directory of the tree.
func (d *infoDirectory) read(cursor int64, size int, emit func(objects.Name) bool) error {
	if d.listing == nil {
		for _, name := range d.fixed[min(max(cursor, 0), int64(len(d.fixed))):] {
			if !emit(name) {
				break
			}
		}
		return nil
	}
	return d.listing.Read(cursor, size, func(name objects.Name) bool {
		name.Inode = mirrorOf(name.Inode)
		if name.Type != unix.DT_DIR {
			name.Type = unix.DT_REG
		}
		return emit(name)
	})
}

func (o *openInfo) close() error {
	if o.events != nil {
		o.events.Close()
	}
	if o.directory != nil && o.directory.listing != nil {
		return o.directory.listing.Close()
	}
	return nil
}

// readInfo answers READ and READDIR.
func (f *Filesystem) readInfo(r *fuse.ReadRequest, handle *handle) {
	if handle.info.events != nil {
		f.readEvents(r, handle)
		return
	}
	if directory := handle.info.directory; directory != nil {
		f.answerListing(r, directory.read)
		return
	}
	if handle.info.long != nil {
		text, err := f.readLong(r, handle.info.long)
		f.answerBytes(r, text, err)
		return
	}
	text := handle.info.text[min(max(r.Offset, 0), int64(len(handle.info.text))):]
	f.answerBytes(r, text[:min(len(text), r.Size)], nil)
}

// infoHandle returns a handle of the tree's, or nil.
func (f *Filesystem) infoHandle(id fuse.HandleID) *handle {
	handle, err := f.handles.get(uint64(id))
	if err != nil || handle.info == nil {
		return nil
	}
	return handle
}
