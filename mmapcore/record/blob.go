package record

import (
	"encoding/binary"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// A blob's chunk has two copies. The one with the higher number counts; Store overwrites the other. A copy:
//
//	0    the seal: the checksum of all that follows and of the copy's address; 0 while it is written
//	1    its number, one more than that of the copy before it
//	2    its length in bytes
//	3…   the bytes
const (
	maxBlob    = 64 << 10 // bytes
	copyHeader = 3
	copyWords  = copyHeader + maxBlob/wordSize
	blobSize   = (chunkHeader + 2*copyWords + chunkUnit - 1) / chunkUnit * chunkUnit
)

// Blob is a small text. It is replaced as a whole: after a death it is the old one or the new one. All methods may be called
// concurrently.
type Blob struct {
	memory *Memory // immutable
	name   string  // immutable
	chunk  chunk   // immutable

	mu sync.Mutex // guards the copies
}

// Blob opens the blob of that name, or makes it. The name has 1 to 64 bytes. Each blob takes 132 KiB.
//
// Errors: EINVAL for such a name; ENOMEM and ENOSPC when the memory cannot grow.
func (m *Memory) Blob(name string) (*Blob, error) {
	doing := fmt.Sprintf("opening the blob %q of the record", name)
	if err := checkName(name); err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	m.naming.Lock()
	defer m.naming.Unlock()
	if blob := m.blobs[name]; blob != nil {
		return blob, nil
	}
	c, err := m.add(kindBlob, blobSize, 0, name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	blob := &Blob{memory: m, name: name, chunk: c}
	m.blobs[name] = blob
	return blob, nil
}

// Load returns the text, or nil if none was ever stored. The error is EUCLEAN, when it is mangled.
func (b *Blob) Load() ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	latest, err := b.latest()
	if err != nil || latest.number == 0 {
		return nil, err
	}
	return latest.text, nil
}

// Store replaces the text. The error is EFBIG for one of more than 64 KiB.
func (b *Blob) Store(text []byte) error {
	if len(text) > maxBlob {
		return fmt.Errorf("storing %d bytes in the blob %q: %w", len(text), b.name, unix.EFBIG)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	latest, err := b.latest()
	if err != nil {
		return fmt.Errorf("storing the blob %q: %w", b.name, err)
	}
	b.write(b.copy(1-latest.index), latest.number+1, text)
	return nil
}

// blobCopy is what a copy was found to have.
type blobCopy struct {
	index  uint64 // 0 or 1
	number uint64 // 0 when it has none
	text   []byte
}

// copy is the address of a copy.
func (b *Blob) copy(index uint64) uint64 { return b.chunk.body() + index*copyWords }

// latest is the copy that counts, or one with the number 0.
func (b *Blob) latest() (blobCopy, error) {
	first, err := b.read(0)
	if err != nil {
		return blobCopy{}, err
	}
	second, err := b.read(1)
	if err != nil {
		return blobCopy{}, err
	}
	if first.number == second.number && first.number != 0 {
		return blobCopy{}, mangled("the blob %q has two copies with one number", b.name)
	}
	if second.number > first.number {
		return second, nil
	}
	return first, nil
}

// read reads and checks a copy.
func (b *Blob) read(index uint64) (blobCopy, error) {
	at := b.copy(index)
	seal, number, length := load(b.memory.at(at)), load(b.memory.at(at+1)), load(b.memory.at(at+2))
	if seal == 0 {
		return blobCopy{index: index}, nil
	}
	if number == 0 || number+1 == 0 || length > maxBlob {
		return blobCopy{}, mangled("copy %d of the blob %q has number %d and %d bytes", index, b.name, number, length)
	}
	sum := checksum(at).add(number).add(length)
	text := make([]byte, 0, length+wordSize)
	for i := range (length + wordSize - 1) / wordSize {
		word := load(b.memory.at(at + copyHeader + i))
		sum = sum.add(word)
		text = binary.LittleEndian.AppendUint64(text, word)
	}
	if seal != sum.seal() {
		return blobCopy{}, mangled("the seal of copy %d of the blob %q is wrong", index, b.name)
	}
	return blobCopy{index: index, number: number, text: text[:length]}, nil
}

// write overwrites a copy, which does not count while its seal is cleared.
func (b *Blob) write(at, number uint64, text []byte) {
	store(b.memory.at(at), 0)
	store(b.memory.at(at+1), number)
	store(b.memory.at(at+2), uint64(len(text)))
	sum := checksum(at).add(number).add(uint64(len(text)))
	for i := 0; i < len(text); i += wordSize {
		var piece [wordSize]byte
		copy(piece[:], text[i:])
		word := binary.LittleEndian.Uint64(piece[:])
		store(b.memory.at(at+copyHeader+uint64(i/wordSize)), word)
		sum = sum.add(word)
	}
	store(b.memory.at(at), sum.seal())
}
