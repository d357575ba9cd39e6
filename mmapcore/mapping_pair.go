package mmapcore

import "unsafe"

// Pair is two 64-bit words side by side in memory, in the machine's byte order, that are swapped in one step.
type Pair [2]uint64

const pairSize = 16 // bytes

// CompareAndSwapPair sets the pair at offset to replacement if it is expected, and reports whether it was. It is one step towards
// every access to either word or to a part of one, by whatever process. Errors: those of the other words' methods (see
// Load32), EINVAL also when offset is not a multiple of 16.
func (m *Mapping) CompareAndSwapPair(offset int64, expected, replacement Pair) (swapped bool, err error) {
	err = m.atWord("swapping", offset, pairSize, ReadWrite, func(word unsafe.Pointer) {
		swapped = compareAndSwapPair((*Pair)(word), expected[0], expected[1], replacement[0], replacement[1])
	})
	return swapped, err
}
