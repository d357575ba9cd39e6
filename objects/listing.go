package objects

import (
	"encoding/binary"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// Listing is an open directory. Its cursors are the store's own, so that they stay right while names come and go.
type Listing struct {
	mu         sync.Mutex // guards the descriptor's position, position and buffer
	descriptor int        // immutable
	position   int64
	buffer     []byte
	rootInode  uint64
}

// Name is one entry of a directory.
type Name struct {
	Inode  uint64 // node id
	Cursor int64  // where the reading goes on behind this entry
	Type   uint8  // unix.DT_*
	Bytes  []byte // valid during the call only
}

// List opens a directory for reading. quiet leaves its access time alone (O_NOATIME).
func (t *Tree) List(id uint64, quiet bool) (*Listing, error) {
	flags := unix.O_RDONLY | unix.O_DIRECTORY
	if quiet {
		flags |= unix.O_NOATIME
	}
	descriptor, err := t.reach(id, flags)
	if err != nil {
		return nil, err
	}
	return &Listing{descriptor: descriptor, rootInode: t.rootInode}, nil
}

// Read calls emit for the entries behind cursor (0: from the start), until it returns false or size bytes' worth of them have
// been read. It emits nothing at the directory's end.
func (l *Listing) Read(cursor int64, size int, emit func(Name) bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if cursor != l.position {
		if _, err := unix.Seek(l.descriptor, cursor, unix.SEEK_SET); err != nil {
			return fmt.Errorf("going to cursor %d: %w", cursor, err)
		}
		l.position = cursor
	}
	// Room for one entry of the longest name at least.
	size = max(size, minListing)
	if len(l.buffer) < size {
		l.buffer = make([]byte, size)
	}
	n, err := unix.Getdents(l.descriptor, l.buffer[:size])
	if err != nil {
		return fmt.Errorf("reading a directory: %w", err)
	}
	end := cursor
	for rest := l.buffer[:n]; len(rest) > 0; {
		name, length := parseName(rest)
		rest = rest[length:]
		end = name.Cursor
		if name.Inode == l.rootInode {
			name.Inode = RootID
		}
		if !emit(name) {
			// The descriptor stands behind entries that were not taken: the next read must go back.
			l.position = -1
			return nil
		}
	}
	l.position = end
	return nil
}

const minListing = 512

// parseName decodes one struct linux_dirent64.
func parseName(data []byte) (Name, int) {
	const header = 19
	length := int(binary.NativeEndian.Uint16(data[16:]))
	text := data[header:length]
	for i, b := range text {
		if b == 0 {
			text = text[:i]
			break
		}
	}
	return Name{
		Inode:  binary.NativeEndian.Uint64(data),
		Cursor: int64(binary.NativeEndian.Uint64(data[8:])),
		Type:   data[18],
		Bytes:  text,
	}, length
}

// Sync writes the directory to the store's disk.
func (l *Listing) Sync() error { return unix.Fsync(l.descriptor) }

// Close gives the descriptor back.
func (l *Listing) Close() error { return unix.Close(l.descriptor) }
