package differential

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// entry is one of a directory's.
type entry struct {
	inode uint64
	kind  byte
	name  string
}

// readDirectory reads from the descriptor's position to the end with a buffer of the given size in bytes.
func readDirectory(directory, size int) ([]entry, error) {
	var entries []entry
	buffer := make([]byte, size)
	for {
		n, err := unix.Getdents(directory, buffer)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return entries, nil
		}
		entries = append(entries, parseEntries(buffer[:n])...)
	}
}

// parseEntries decodes linux_dirent64 records: u64 inode, s64 offset, u16 record length, u8 type, name, NUL.
func parseEntries(records []byte) []entry {
	const nameAt = 19
	var entries []entry
	for len(records) >= nameAt {
		length := binary.NativeEndian.Uint16(records[16:])
		name, _, _ := bytes.Cut(records[nameAt:length], []byte{0})
		entries = append(entries, entry{binary.NativeEndian.Uint64(records), records[18], string(name)})
		records = records[length:]
	}
	return entries
}

// attributeList splits what listxattr(2) gave.
func attributeList(buffer []byte, n int) []string {
	if len(buffer) == 0 || n <= 0 {
		return nil
	}
	var names []string
	for _, name := range bytes.Split(bytes.TrimSuffix(buffer[:n], []byte{0}), []byte{0}) {
		names = append(names, Name(name).String())
	}
	return names
}
