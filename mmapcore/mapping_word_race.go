//go:build race

package mmapcore

// Under the race detector, sync/atomic goes through the detector's C code, where a fault cannot become a panic: a file that is
// truncated at that moment would end the process. The detector does not watch memory outside Go's heap anyway, so race builds
// use these, written in assembly. They are not used otherwise.

//go:noescape
func load32(word *uint32) uint32

//go:noescape
func load64(word *uint64) uint64

//go:noescape
func store32(word *uint32, value uint32)

//go:noescape
func store64(word *uint64, value uint64)

//go:noescape
func add32(word *uint32, delta uint32) (sum uint32)

//go:noescape
func add64(word *uint64, delta uint64) (sum uint64)

//go:noescape
func compareAndSwap32(word *uint32, expected, replacement uint32) (swapped bool)

//go:noescape
func compareAndSwap64(word *uint64, expected, replacement uint64) (swapped bool)
