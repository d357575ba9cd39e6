package record

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// A chunk begins with a header, these words:
//
//	0      the seal: the checksum of all that follows and of the chunk's address; stored last
//	1      its kind
//	2      its size with the header
//	3      the width of rows; 0 in other kinds
//	4      the length of its name in bytes
//	5…12   the name, padded with zeros
//	13…15  zeros
const (
	chunkHeader = 16
	chunkUnit   = 512 // sizes are multiples of it: a page
	nameWords   = 8
	maxName     = nameWords * wordSize // bytes
	nameAt      = 5
)

// The kinds of chunk.
const (
	kindTable = 1 + iota
	kindBlob
	kindLog
)

// chunk is a part of the file with one purpose.
type chunk struct {
	address uint64
	kind    uint64
	size    uint64 // with the header
	width   uint64 // of rows, without the state word
	name    string
}

func (c chunk) body() uint64 { return c.address + chunkHeader }
func (c chunk) end() uint64  { return c.address + c.size }

// rows is how many rows fit.
func (c chunk) rows() uint64 { return (c.size - chunkHeader) / (c.width + 1) }

// header is the chunk's header as it should be.
func (c chunk) header() [chunkHeader]uint64 {
	header := [chunkHeader]uint64{1: c.kind, 2: c.size, 3: c.width, 4: uint64(len(c.name))}
	var name [maxName]byte
	copy(name[:], c.name)
	for i := range nameWords {
		header[nameAt+i] = binary.LittleEndian.Uint64(name[i*wordSize:])
	}
	header[0] = headerSeal(c.address, header)
	return header
}

func headerSeal(address uint64, header [chunkHeader]uint64) uint64 {
	sum := checksum(address)
	for _, word := range header[1:] {
		sum = sum.add(word)
	}
	return sum.seal()
}

// add makes the file longer by a chunk of at least so many words. It is there when its seal is.
func (m *Memory) add(kind, size, width uint64, name string) (chunk, error) {
	size = (size + chunkUnit - 1) / chunkUnit * chunkUnit
	m.growing.Lock()
	defer m.growing.Unlock()
	if size > limit-m.end {
		return chunk{}, fmt.Errorf("growing the record beyond %d bytes: %w", uint64(limit*wordSize), unix.ENOSPC)
	}
	c := chunk{address: m.end, kind: kind, size: size, width: width, name: name}
	if err := reserveRange(m.file, c.address, c.size); err != nil {
		return chunk{}, fmt.Errorf("growing the record: %w", err)
	}
	header := c.header()
	for i := uint64(chunkHeader - 1); i > 0; i-- {
		store(m.at(c.address+i), header[i])
	}
	store(m.at(c.address), header[0])
	m.end = c.end()
	return c, nil
}

// readChunk reads and checks the chunk at an address whose header is before the file's end. It is false for one without a seal.
func (m *Memory) readChunk(address, end uint64) (chunk, bool, error) {
	var header [chunkHeader]uint64
	for i := range header {
		header[i] = load(m.at(address + uint64(i)))
	}
	if header[0] == 0 {
		return chunk{}, false, nil
	}
	if header[0] != headerSeal(address, header) {
		return chunk{}, false, mangled("the seal of the chunk at %d is wrong", address)
	}
	c := chunk{address: address, kind: header[1], size: header[2], width: header[3]}
	if c.size < chunkUnit || c.size%chunkUnit != 0 || c.size > end-address {
		return chunk{}, false, mangled("the chunk at %d has %d words of %d", address, c.size, end-address)
	}
	if header[4] > maxName {
		return chunk{}, false, mangled("the chunk at %d has a name of %d bytes", address, header[4])
	}
	var name [maxName]byte
	for i := range nameWords {
		binary.LittleEndian.PutUint64(name[i*wordSize:], header[nameAt+i])
	}
	c.name = string(name[:header[4]])
	if c.header() != header {
		return chunk{}, false, mangled("the chunk at %d has more than a chunk can have", address)
	}
	return c, true, nil
}

// mangled is the error for what no process can have written.
func mangled(format string, values ...any) error {
	return fmt.Errorf("the record is mangled: %s: %w", fmt.Sprintf(format, values...), unix.EUCLEAN)
}

// checkName is nil for what a table or a blob can be called.
func checkName(name string) error {
	if name == "" || len(name) > maxName {
		return fmt.Errorf("a name of %d bytes: %w", len(name), unix.EINVAL)
	}
	return nil
}
