package record

import (
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// Open maps a memory that another process has made, which must have ended. A transaction that it has not finished is made good
// if its log was sealed, and else it has not happened. The descriptor belongs to the memory afterwards; if there
// is an error, it is still the caller's.
//
// Errors: EUCLEAN for a file that is no record or a mangled one; EPROTONOSUPPORT for one of another version's layout; EINVAL for
// a file that is no memfd; EPERM for a memfd that can be sealed no more; ENOMEM.
func Open(descriptor *os.File) (*Memory, error) {
	doing := fmt.Sprintf("opening the record %q", descriptor.Name())
	m, err := attach(descriptor)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	if err := m.recover(); err != nil {
		unix.Munmap(m.bytes)
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return m, nil
}

// recover finds what the file has, and makes good what was under way.
func (m *Memory) recover() error {
	size, err := m.checkHeader()
	if err != nil {
		return err
	}
	chunks, err := m.walk(size)
	if err != nil {
		return err
	}
	if err := m.redo(chunks); err != nil {
		return err
	}
	for _, table := range m.tables {
		if err := table.scan(); err != nil {
			return err
		}
	}
	for _, blob := range m.blobs {
		if _, err := blob.Load(); err != nil {
			return err
		}
	}
	return m.trim(size)
}

// checkHeader returns the size of the file, whose header is right.
func (m *Memory) checkHeader() (uint64, error) {
	status, err := m.file.Stat()
	if err != nil {
		return 0, fmt.Errorf("asking its size: %w", err)
	}
	size := min(uint64(status.Size())/wordSize, limit)
	if size < headerWords || load(m.at(0)) != magic {
		return 0, mangled("it has no header")
	}
	if found := load(m.at(1)); found != version {
		return 0, fmt.Errorf("its layout is version %d, not %d: %w", found, version, unix.EPROTONOSUPPORT)
	}
	return size, nil
}

// walk finds all chunks, in the order of their addresses.
func (m *Memory) walk(size uint64) ([]chunk, error) {
	var chunks []chunk
	m.end = headerWords
	for size-m.end >= chunkUnit {
		c, there, err := m.readChunk(m.end, size)
		if err != nil {
			return nil, err
		}
		if !there {
			break
		}
		if err := m.adopt(c); err != nil {
			return nil, err
		}
		chunks = append(chunks, c)
		m.end = c.end()
	}
	return chunks, nil
}

// adopt takes up a chunk that was found.
func (m *Memory) adopt(c chunk) error {
	if c.kind == kindLog {
		if c.name != "" || c.width != 0 {
			return mangled("the log at %d has a name or a width", c.address)
		}
		m.logs.free = append(m.logs.free, log{c})
		return nil
	}
	if checkName(c.name) != nil {
		return mangled("the chunk at %d has no name", c.address)
	}
	switch c.kind {
	case kindTable:
		return m.adoptTable(c)
	case kindBlob:
		if m.blobs[c.name] != nil || c.width != 0 || c.size != blobSize {
			return mangled("the blob at %d has %d words or a width, or is there twice", c.address, c.size)
		}
		m.blobs[c.name] = &Blob{memory: m, name: c.name, chunk: c}
		return nil
	}
	return mangled("the chunk at %d is of kind %d", c.address, c.kind)
}

func (m *Memory) adoptTable(c chunk) error {
	if c.width == 0 || c.width > maxWidth {
		return mangled("the rows at %d have %d words", c.address, c.width)
	}
	table := m.tables[c.name]
	if table == nil {
		table = &Table{memory: m, name: c.name, width: int(c.width)}
		m.tables[c.name] = table
	}
	if table.width != int(c.width) {
		return mangled("the rows of %q have %d words, and %d at %d", c.name, table.width, c.width, c.address)
	}
	table.chunks = append(table.chunks, c)
	return nil
}

// trim empties the file behind the last chunk: a death while it grew leaves part of a header there.
func (m *Memory) trim(size uint64) error {
	if size == m.end {
		return nil
	}
	mode := uint32(unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE)
	err := unix.Fallocate(int(m.file.Fd()), mode, int64(m.end*wordSize), int64((size-m.end)*wordSize))
	if err != nil {
		return fmt.Errorf("emptying the end of the file: %w", err)
	}
	return nil
}

// rowWord says whether a word belongs to a row, and whether it is its state word.
func rowWord(chunks []chunk, address uint64) (state, found bool) {
	after, exact := slices.BinarySearchFunc(chunks, address, func(c chunk, address uint64) int {
		return int(c.address) - int(address)
	})
	if exact || after == 0 {
		return false, false // a header's first word, or before the first chunk
	}
	c := chunks[after-1]
	if c.kind != kindTable || address < c.body() || address >= c.body()+c.rows()*(c.width+1) {
		return false, false
	}
	return (address-c.body())%(c.width+1) == 0, true
}
