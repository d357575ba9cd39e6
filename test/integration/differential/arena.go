package differential

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// arena is the address range of one mapping slot. It stays reserved for the worker's life: unmapping puts an inaccessible
// anonymous mapping over the range (which unmaps what was there), so that the Go runtime can never be handed addresses that
// a later store of the sequence would hit.
type arena struct {
	base unsafe.Pointer
}

const reserved = unix.MAP_PRIVATE | unix.MAP_ANONYMOUS | unix.MAP_NORESERVE

func newArena() (*arena, error) {
	base, err := unix.MmapPtr(-1, 0, nil, areaSize, unix.PROT_NONE, reserved)
	if err != nil {
		return nil, fmt.Errorf("reserving addresses for mappings: %w", err)
	}
	return &arena{base}, nil
}

// bytes is a range of the arena; touching it may fault.
func (a *arena) bytes(offset, length int64) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(a.base, offset)), length)
}

// mapFile maps the file at the arena's start, in place of everything mapped in the arena before.
func (a *arena) mapFile(file int, offset, length int64, protection, flags int) error {
	if err := a.unmap(0, areaSize); err != nil {
		return err
	}
	_, err := unix.MmapPtr(file, offset, a.base, uintptr(length), protection, flags|unix.MAP_FIXED)
	if err != nil {
		if again := a.unmap(0, areaSize); again != nil {
			return again
		}
	}
	return err
}

// unmap ends the mapping of a page-aligned range.
func (a *arena) unmap(offset, length int64) error {
	_, err := unix.MmapPtr(-1, 0, unsafe.Add(a.base, offset), uintptr(length), unix.PROT_NONE, reserved|unix.MAP_FIXED)
	return err
}

// load copies length bytes out, up to the first that faults.
func (a *arena) load(offset, length int64) (data []byte, faulted bool) {
	from, into := a.bytes(offset, length), make([]byte, length)
	loaded := 0
	defer func() {
		faulted = recover() != nil
		data = into[:loaded]
	}()
	for i := range from { // byte by byte, so that what comes before the fault is there
		into[i] = from[i]
		loaded = i + 1
	}
	return
}

// store writes value(i) at the range's i-th byte, up to the first that faults, and returns how many it wrote.
func (a *arena) store(offset, length int64, value func(i int64) byte) (stored int64, faulted bool) {
	defer func() { faulted = recover() != nil }()
	target := a.bytes(offset, length)
	for i := range target {
		target[i] = value(int64(i))
		stored++
	}
	return stored, false
}
