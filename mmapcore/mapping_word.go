//go:build !race

package mmapcore

import "sync/atomic"

func load32(word *uint32) uint32                    { return atomic.LoadUint32(word) }
func load64(word *uint64) uint64                    { return atomic.LoadUint64(word) }
func store32(word *uint32, value uint32)            { atomic.StoreUint32(word, value) }
func store64(word *uint64, value uint64)            { atomic.StoreUint64(word, value) }
func add32(word *uint32, delta uint32) (sum uint32) { return atomic.AddUint32(word, delta) }
func add64(word *uint64, delta uint64) (sum uint64) { return atomic.AddUint64(word, delta) }

func compareAndSwap32(word *uint32, expected, replacement uint32) (swapped bool) {
	return atomic.CompareAndSwapUint32(word, expected, replacement)
}

func compareAndSwap64(word *uint64, expected, replacement uint64) (swapped bool) {
	return atomic.CompareAndSwapUint64(word, expected, replacement)
}
