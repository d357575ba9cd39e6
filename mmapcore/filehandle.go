package mmapcore

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"golang.org/x/sys/unix"
)

// FileHandle names an inode of a store without a descriptor: name_to_handle_at(2)'s type (4 bytes, little-endian) and
// opaque bytes. It is a string so that a million of them cost one small allocation each. The empty FileHandle names
// nothing: a store that cannot hand handles out (see Store.Identify) uses it.
type FileHandle string

func newFileHandle(handle unix.FileHandle) FileHandle {
	packed := make([]byte, 4, 4+handle.Size())
	binary.LittleEndian.PutUint32(packed, uint32(handle.Type()))
	return FileHandle(append(packed, handle.Bytes()...))
}

func (h FileHandle) unpack() (unix.FileHandle, error) {
	if len(h) < 4 {
		return unix.FileHandle{}, fmt.Errorf("file handle of %d bytes: %w", len(h), unix.ESTALE)
	}
	kind := int32(binary.LittleEndian.Uint32([]byte(h[:4])))
	return unix.NewFileHandle(kind, []byte(h[4:])), nil
}

// Generation tells apart the inodes that had one inode number one after the other, as disk file systems reuse them. It is
// the same in every process that looks at the same inode.
func (h FileHandle) Generation() uint32 { return crc32.ChecksumIEEE([]byte(h)) }
