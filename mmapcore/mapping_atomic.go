package mmapcore

import (
	"fmt"
	"unsafe"
)

// The methods in this file are single, sequentially consistent accesses to one word in the machine's byte order, atomic towards
// every process that maps the file. Their errors: EINVAL when the offset is not a multiple of the word's size or the word is
// not inside the mapping; EACCES for all but Load on a ReadOnly mapping; ErrFault when the file has no memory there, and
// then nothing was stored; ErrClosed.

// Load32 returns the 32-bit word at offset.
func (m *Mapping) Load32(offset int64) (value uint32, err error) {
	err = m.atWord("loading", offset, 4, ReadOnly, func(word unsafe.Pointer) { value = load32((*uint32)(word)) })
	return value, err
}

// Load64 returns the 64-bit word at offset.
func (m *Mapping) Load64(offset int64) (value uint64, err error) {
	err = m.atWord("loading", offset, 8, ReadOnly, func(word unsafe.Pointer) { value = load64((*uint64)(word)) })
	return value, err
}

// Store32 sets the 32-bit word at offset.
func (m *Mapping) Store32(offset int64, value uint32) error {
	return m.atWord("storing", offset, 4, ReadWrite, func(word unsafe.Pointer) { store32((*uint32)(word), value) })
}

// Store64 sets the 64-bit word at offset.
func (m *Mapping) Store64(offset int64, value uint64) error {
	return m.atWord("storing", offset, 8, ReadWrite, func(word unsafe.Pointer) { store64((*uint64)(word), value) })
}

// CompareAndSwap32 sets the 32-bit word at offset to replacement if it is expected, and reports whether it was.
func (m *Mapping) CompareAndSwap32(offset int64, expected, replacement uint32) (swapped bool, err error) {
	err = m.atWord("swapping", offset, 4, ReadWrite, func(word unsafe.Pointer) {
		swapped = compareAndSwap32((*uint32)(word), expected, replacement)
	})
	return swapped, err
}

// CompareAndSwap64 sets the 64-bit word at offset to replacement if it is expected, and reports whether it was.
func (m *Mapping) CompareAndSwap64(offset int64, expected, replacement uint64) (swapped bool, err error) {
	err = m.atWord("swapping", offset, 8, ReadWrite, func(word unsafe.Pointer) {
		swapped = compareAndSwap64((*uint64)(word), expected, replacement)
	})
	return swapped, err
}

// Add32 adds delta, modulo 2 to the power of 32, to the 32-bit word at offset and returns the sum.
func (m *Mapping) Add32(offset int64, delta uint32) (sum uint32, err error) {
	err = m.atWord("adding to", offset, 4, ReadWrite, func(word unsafe.Pointer) { sum = add32((*uint32)(word), delta) })
	return sum, err
}

// Add64 adds delta, modulo 2 to the power of 64, to the 64-bit word at offset and returns the sum.
func (m *Mapping) Add64(offset int64, delta uint64) (sum uint64, err error) {
	err = m.atWord("adding to", offset, 8, ReadWrite, func(word unsafe.Pointer) { sum = add64((*uint64)(word), delta) })
	return sum, err
}

// atWord runs an access to one aligned word of size bytes.
func (m *Mapping) atWord(doing string, offset int64, size int, access Access, call func(word unsafe.Pointer)) error {
	if err := misaligned(doing, offset, size); err != nil {
		return err
	}
	if err := m.enter(doing, offset, size, access); err != nil {
		return err
	}
	defer m.life.leave()
	if err := m.guard(func() { call(m.address(offset)) }); err != nil {
		return fmt.Errorf("%s a mapping at %d: %w", doing, offset, err)
	}
	return nil
}

// address is where offset, which is inside the mapping, lies in memory. Mappings begin at a page, so it is as aligned as the
// offset is.
func (m *Mapping) address(offset int64) unsafe.Pointer {
	return unsafe.Pointer(&m.memory[offset])
}
