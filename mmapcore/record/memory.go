package record

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Sizes and addresses are in words from the beginning of the file, unless they say otherwise.
const (
	wordSize    = 8 // bytes
	headerWords = 512
	// limit is how far a memory can grow. So much address space is mapped from the start, so that nothing ever moves; it costs
	// nothing before it is used. An address fits 32 bits.
	limit = 1 << 32

	magic   = 0x64726f6365726d73
	version = 1
)

// Memory is state that outlives the process: a memfd of 8-byte words, changed in transactions. All methods but Close may be
// called concurrently.
type Memory struct {
	file  *os.File       // immutable
	bytes []byte         // the mapping, limit words long; immutable until Close
	base  unsafe.Pointer // of the mapping; immutable

	naming sync.Mutex // guards tables and blobs
	tables map[string]*Table
	blobs  map[string]*Blob

	logs logs

	growing sync.Mutex // guards end, and the file from there on
	end     uint64     // where the next chunk goes

	closing sync.Once
}

// reserve is fallocate(2). Only tests write it, and only while nothing else uses this package.
var reserve = unix.Fallocate

// Create makes an empty memory. The name is for /proc/PID/maps and nothing else.
//
// Errors: memfd_create(2)'s (EINVAL for a name of more than 249 bytes, EMFILE, ENFILE, ENOMEM), ENOMEM and ENOSPC when there is no
// memory for it or no address space.
func Create(name string) (*Memory, error) {
	doing := fmt.Sprintf("making the record %q", name)
	descriptor, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		descriptor, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	m, err := create(os.NewFile(uintptr(descriptor), name))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return m, nil
}

// create owns the file.
func create(file *os.File) (*Memory, error) {
	if err := reserveRange(file, 0, headerWords); err != nil {
		file.Close()
		return nil, err
	}
	m, err := attach(file)
	if err != nil {
		file.Close()
		return nil, err
	}
	m.end = headerWords
	store(m.at(1), version)
	store(m.at(0), magic)
	return m, nil
}

// attach seals the file against shrinking and maps it.
func attach(file *os.File) (*Memory, error) {
	if _, err := unix.FcntlInt(file.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK); err != nil {
		seals, reading := unix.FcntlInt(file.Fd(), unix.F_GET_SEALS, 0)
		if reading != nil || seals&unix.F_SEAL_SHRINK == 0 { // else it was sealed already, and against more seals too
			return nil, fmt.Errorf("sealing it against shrinking: %w", err)
		}
	}
	bytes, err := unix.Mmap(int(file.Fd()), 0, limit*wordSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mapping it: %w", err)
	}
	// A core dump would look at all of the address space, and the memory itself is not lost.
	if err := unix.Madvise(bytes, unix.MADV_DONTDUMP); err != nil {
		unix.Munmap(bytes)
		return nil, fmt.Errorf("leaving it out of core dumps: %w", err)
	}
	return &Memory{
		file: file, bytes: bytes, base: unsafe.Pointer(unsafe.SliceData(bytes)),
		tables: map[string]*Table{}, blobs: map[string]*Blob{},
	}, nil
}

// File is the memfd, to be passed on to the process that comes next. It belongs to the memory.
func (m *Memory) File() *os.File { return m.file }

// Close unmaps the memory and closes its file. Nothing that belongs to it may be used any more, not by anyone: its rows
// are pointers into what is unmapped. What was stored is kept for as long as somebody has the memfd open. Later
// calls do nothing.
func (m *Memory) Close() (err error) {
	m.closing.Do(func() { err = errors.Join(unix.Munmap(m.bytes), m.file.Close()) })
	if err != nil {
		return fmt.Errorf("closing the record %q: %w", m.file.Name(), err)
	}
	return nil
}

// at is a pointer to a word.
func (m *Memory) at(address uint64) *uint64 {
	return (*uint64)(unsafe.Add(m.base, address*wordSize))
}

// address is the inverse of at.
func (m *Memory) address(word *uint64) uint64 {
	return uint64(uintptr(unsafe.Pointer(word))-uintptr(m.base)) / wordSize
}

// reserveRange gives a part of the file memory, and the file the size for it. It fails where a later access would raise SIGBUS.
func reserveRange(file *os.File, address, size uint64) error {
	for {
		err := reserve(int(file.Fd()), 0, int64(address*wordSize), int64(size*wordSize))
		if errors.Is(err, unix.EINTR) {
			continue // the runtime's own signals do that
		}
		if err != nil {
			return fmt.Errorf("reserving %d bytes: %w", size*wordSize, err)
		}
		return nil
	}
}
