package security

import "unsafe"

// address is where a mapping begins.
func address(memory []byte) uintptr { return uintptr(unsafe.Pointer(&memory[0])) }
