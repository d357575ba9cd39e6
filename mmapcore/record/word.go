package record

import "sync/atomic"

// beforeStore is called before every store to a memory when it is not nil: a test cuts the sequence of stores there. Only tests
// write it, and only while nothing else uses this package.
var beforeStore func()

// load and store are atomic, so that a word is never seen half and the compiler keeps the stores in order.
func load(word *uint64) uint64 { return atomic.LoadUint64(word) }

func store(word *uint64, value uint64) {
	if beforeStore != nil {
		beforeStore()
	}
	atomic.StoreUint64(word, value)
}

// replace stores value if the word is expected, and says whether it was.
func replace(word *uint64, expected, value uint64) bool {
	if beforeStore != nil {
		beforeStore()
	}
	return atomic.CompareAndSwapUint64(word, expected, value)
}

// checksum is a sum over words that notices any change of one of them, and changes of several but for one case in 2⁶³. It
// is no protection against who computes it too.
type checksum uint64

// add takes one more word in. For every word it is a bijection of the sum, and for every sum one of the word.
func (c checksum) add(word uint64) checksum {
	sum := (uint64(c) ^ word) * 0x9e3779b97f4a7c15
	return checksum(sum ^ sum>>29)
}

// seal is the sum as a word that is never 0, since 0 says that there is no seal.
func (c checksum) seal() uint64 {
	return uint64(c.add(sealed)) | 1
}

// sealed is what every sum ends with, an arbitrary number.
const sealed = 0x7365616c65642121
