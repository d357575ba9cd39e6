package conformance

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// mincore asks which pages of the mapping are resident; one byte of the vector a page, of which bit 0 counts.
func mincore(memory, vector []byte) error {
	_, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&memory[0])), uintptr(len(memory)), uintptr(unsafe.Pointer(&vector[0])))
	if errno != 0 {
		return errno
	}
	return nil
}

// address is where the mapping lies in this process.
func address(memory []byte) int64 {
	return int64(uintptr(unsafe.Pointer(&memory[0])))
}
