package faults

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What all clients share lies in this directory of the mount, the semaphores in the root.
const (
	commonDirectory = "common"
	commonUnits     = 3 // of each common semaphore
	commonCounters  = 4
	wordSize        = 8
	recordSize      = 16
)

var commonSemaphores = []string{"sem.common-a", "sem.common-b"}

// Words of the shared file's second page, which is mapped.
const (
	holdersAt = 0 // who has a unit of a common semaphore, one word each
	winnersAt = 8 // who has made a name that only one can make, one word each
)

// common is what a client has of what all share.
type common struct {
	client     *client
	counters   int // descriptor of the shared file
	journal    int // the file that all append to
	memory     []byte
	semaphores []int
	mapped     []*libc
	done       share
}

// share is what a client has done with what all share.
type share struct {
	Counted [commonCounters]int // how often it has counted up
	Records int                 // appended to the journal
	Won     int                 // names made that only one can make
}

func (c *common) shares() share {
	if c == nil {
		return share{}
	}
	return c.done
}

func (c *client) openCommon() *common {
	shared := &common{client: c}
	directory := filepath.Join(c.Place, commonDirectory)
	open := func(path string, flags int) int {
		descriptor, err := unix.Open(path, flags|unix.O_RDWR|unix.O_CLOEXEC, 0)
		c.want(err, 0, "opening %s", path)
		return descriptor
	}
	shared.counters = open(filepath.Join(directory, "counters"), 0)
	shared.journal = open(filepath.Join(directory, "journal"), unix.O_APPEND)
	memory, err := unix.Mmap(shared.counters, page, page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	c.want(err, 0, "mapping the shared file")
	shared.memory = memory
	if c.Plain {
		return shared
	}
	for _, name := range commonSemaphores {
		descriptor := open(filepath.Join(c.Place, name), 0)
		memory, err := mapSemaphore(descriptor)
		c.want(err, 0, "mapping %s", name)
		shared.semaphores, shared.mapped = append(shared.semaphores, descriptor), append(shared.mapped, memory)
	}
	return shared
}

func (c *common) word(at int) *int64 { return (*int64)(unsafe.Pointer(&c.memory[at*wordSize])) }

// finish closes everything.
func (c *common) finish() {
	for _, memory := range c.mapped {
		c.client.want(memory.unmap(), 0, "unmapping a common semaphore")
	}
	c.client.want(unix.Munmap(c.memory), 0, "unmapping the shared file")
	for _, descriptor := range append(c.semaphores, c.counters, c.journal) {
		c.client.want(unix.Close(descriptor), 0, "closing what is shared")
	}
}

// appendToJournal appends a record that nobody else does. Where it comes to stand is up to all of them.
func (c *client) appendToJournal() {
	record := make([]byte, recordSize)
	binary.LittleEndian.PutUint64(record, uint64(c.Number))
	binary.LittleEndian.PutUint64(record[wordSize:], uint64(c.common.done.Records))
	written := 0
	err := c.call("record", fmt.Sprint(c.common.done.Records), func() (err error) {
		written, err = c.Lie.record(c.common.journal, record)
		return err
	})
	c.want(err, 0, "appending to the journal")
	if written != recordSize {
		c.fail("appending to the journal returned %d", written)
	}
	c.common.done.Records++
}

// countBehindLock counts a number in a file up, behind a record lock that the clients contend for.
func (c *client) countBehindLock() {
	at := c.random.IntN(commonCounters)
	offset := int64(at * wordSize)
	lock := unix.Flock_t{Type: unix.F_WRLCK, Start: offset, Len: wordSize}
	err := c.timed("fcntl lock", fmt.Sprint(at), func() (time.Duration, error) {
		return never, unix.FcntlFlock(uintptr(c.common.counters), unix.F_SETLKW, &lock)
	})
	c.want(err, 0, "F_SETLKW")
	word := make([]byte, wordSize)
	read := 0
	err = c.call("pread", "a counter", func() (err error) { read, err = unix.Pread(c.common.counters, word, offset); return err })
	c.want(err, 0, "reading a counter")
	binary.LittleEndian.PutUint64(word, binary.LittleEndian.Uint64(word)+1)
	err = c.call("pwrite", "a counter", func() (err error) { _, err = unix.Pwrite(c.common.counters, word, offset); return err })
	c.want(err, 0, "writing a counter")
	if read != wordSize {
		c.fail("reading a counter returned %d", read)
	}
	lock.Type = unix.F_UNLCK
	c.want(c.call("fcntl unlock", fmt.Sprint(at), func() error {
		return unix.FcntlFlock(uintptr(c.common.counters), unix.F_SETLK, &lock)
	}), 0, "unlocking")
	c.common.done.Counted[at]++
}

// ownName makes a name that only one can make: whoever has made it is alone until it is gone.
func (c *client) ownName() {
	ways := []func(path string) error{
		func(path string) error {
			descriptor, err := unix.Open(path, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
			if err == nil {
				c.want(unix.Close(descriptor), 0, "closing %s", path)
			}
			return err
		},
		func(path string) error { return unix.Mkdir(path, 0o700) },
		func(path string) error { return unix.Symlink("away", path) },
		func(path string) error {
			own := filepath.Join(filepath.Dir(path), fmt.Sprintf("from-%d", c.Number))
			c.want(unix.Mknod(own, unix.S_IFREG|0o600, 0), 0, "making %s", own)
			err := unix.Renameat2(unix.AT_FDCWD, own, unix.AT_FDCWD, path, unix.RENAME_NOREPLACE)
			if err != nil {
				c.want(unix.Unlink(own), 0, "unlinking %s", own)
			}
			return err
		},
	}
	way := c.random.IntN(len(ways))
	path := filepath.Join(c.Place, commonDirectory, fmt.Sprintf("only-%d", way))
	err := c.call("only", path, func() error { return ways[way](path) })
	if err == unix.EEXIST {
		return
	}
	c.want(err, 0, "making %s, which only one can make", path)
	alone := c.common.word(winnersAt + way)
	if count := atomic.AddInt64(alone, 1); count != 1 {
		c.fail("%d have made %s", count, path)
	}
	c.common.done.Won++
	atomic.AddInt64(alone, -1)
	remove := unix.Unlink
	if way == 1 {
		remove = unix.Rmdir
	}
	c.want(c.call("only no more", path, func() error { return remove(path) }), 0, "removing %s, which is this client's alone", path)
}

// useUnit takes a unit of a common semaphore, which there are only so many of, and gives it back.
func (c *client) useUnit() {
	which := c.random.IntN(len(commonSemaphores))
	descriptor, memory := c.common.semaphores[which], c.common.mapped[which]
	write := func(text string) error {
		_, err := unix.Write(descriptor, []byte(text+"\n"))
		return err
	}
	way := pick(c, []string{"wait", "timedwait 0.02", "acquire", "memory"})
	err := c.timed("common "+way, "", func() (time.Duration, error) {
		if way == "memory" {
			return never, memory.wait(patience)
		}
		return never, write(way)
	})
	if way == "timedwait 0.02" && err == unix.ETIMEDOUT {
		return
	}
	c.want(err, 0, "%s on %s", way, commonSemaphores[which])
	holders := c.common.word(holdersAt + which)
	if count := atomic.AddInt64(holders, 1); count > commonUnits {
		c.fail("%d have a unit of %s, which has %d", count, commonSemaphores[which], commonUnits)
	}
	if c.chance(3) {
		time.Sleep(time.Duration(c.random.IntN(500)) * time.Microsecond)
	}
	atomic.AddInt64(holders, -1)
	if c.Lie == givesTwice {
		_ = memory.post()
	}
	switch {
	case way == "acquire":
		err = c.call("common release", "", func() error { return write("release") })
	case c.chance(2):
		err = c.call("common post", "", func() error { return write("post") })
	default:
		err = memory.post()
	}
	c.want(err, 0, "giving back a unit of %s", commonSemaphores[which])
}
