package fs

import (
	"shmfs/objects"

	"bazil.org/fuse"
)

// direntSize is struct fuse_dirent without the name.
const direntSize = 24

// readDirectory answers READDIR with as many entries as fit.
func (f *Filesystem) readDirectory(r *fuse.ReadRequest) {
	handle, err := f.handles.directory(uint64(r.Handle))
	if err != nil {
		f.fail(r, err)
		return
	}
	f.answerListing(r, handle.listing.Read)
}

// answerListing answers READDIR with as many of the names that read gives as fit.
func (f *Filesystem) answerListing(r *fuse.ReadRequest, read func(cursor int64, size int, emit func(objects.Name) bool) error) {
	size := min(r.Size, maxPages*4096)
	message := make([]byte, outHeaderSize, outHeaderSize+size)
	err := read(r.Offset, size, func(name objects.Name) bool {
		if len(message)-outHeaderSize+paddedDirent(name) > size {
			return false
		}
		message = appendDirent(message, name)
		return true
	})
	if err != nil {
		f.fail(r, err)
		return
	}
	_ = f.answer(r, message)
}

func paddedDirent(name objects.Name) int { return (direntSize + len(name.Bytes) + 7) &^ 7 }

// appendDirent encodes struct fuse_dirent, padded to 8 bytes.
func appendDirent(to []byte, name objects.Name) []byte {
	start := len(to)
	to = le.AppendUint64(to, name.Inode)
	to = le.AppendUint64(to, uint64(name.Cursor))
	to = le.AppendUint32(to, uint32(len(name.Bytes)))
	to = le.AppendUint32(to, uint32(name.Type))
	to = append(to, name.Bytes...)
	return append(to, make([]byte, paddedDirent(name)-(len(to)-start))...)
}
