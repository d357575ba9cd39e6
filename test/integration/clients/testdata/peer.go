// One peer of the shared-memory test, in Go: see peer.c for what a peer does and how it is started.
package main

import (
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"unsafe"
)

const (
	size    = 8192
	arrived = 0
	counter = 128
	guard   = 256
	guarded = 384
	turn    = 512
	message = 4096
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) != 5 {
		return fmt.Errorf("usage: peer PATH INDEX PEERS ADDITIONS TURNS")
	}
	var numbers [4]uint64
	for i := range numbers {
		number, err := strconv.ParseUint(arguments[1+i], 10, 64)
		if err != nil {
			return err
		}
		numbers[i] = number
	}
	memory, err := mapFile(arguments[0])
	if err != nil {
		return err
	}
	work(memory, numbers[0], numbers[1], numbers[2], numbers[3])
	return syscall.Munmap(memory)
}

func mapFile(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	memory, err := syscall.Mmap(int(file.Fd()), 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mapping %s: %w", path, err)
	}
	return memory, nil
}

func work(memory []byte, index, peers, additions, turns uint64) {
	atomic.AddUint64(word(memory, arrived), 1)
	await(word(memory, arrived), peers)

	for range additions {
		atomic.AddUint64(word(memory, counter), 1)
	}

	for range additions / 100 {
		for !atomic.CompareAndSwapUint64(word(memory, guard), 0, 1) {
			yield()
		}
		*word(memory, guarded)++
		atomic.StoreUint64(word(memory, guard), 0)
	}

	for i := range turns {
		await(word(memory, turn), i*peers+index)
		*word(memory, message) = *word(memory, message)*31 + index + 1
		atomic.StoreUint64(word(memory, turn), i*peers+index+1)
	}
}

func word(memory []byte, offset int) *uint64 {
	return (*uint64)(unsafe.Pointer(&memory[offset]))
}

func await(address *uint64, value uint64) {
	for atomic.LoadUint64(address) != value {
		yield()
	}
}

// yield gives the processor to another process, not only to another goroutine.
func yield() {
	_, _, _ = syscall.RawSyscall(syscall.SYS_SCHED_YIELD, 0, 0, 0)
}
