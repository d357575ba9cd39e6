package conformance

import (
	"bytes"
	"io"
	"testing"

	"golang.org/x/sys/unix"
)

var ioTests = map[string]test{
	"append goes to the end":                 ioAppend,
	"append beside other writers":            ioAppendShared,
	"direct input and output":                ioDirect,
	"descriptors without the right":          ioWrongMode,
	"offsets":                                ioOffsets,
	"a write beyond the end leaves zeros":    ioSparse,
	"nothing written changes nothing":        ioEmpty,
	"large transfers":                        ioLarge,
	"vectors":                                ioVectors,
	"preadv2 and pwritev2 flags":             ioFlags,
	"the shared offset of duplicates":        ioSharedOffset,
	"every size around a page":               ioSizes,
	"two descriptors see each other at once": ioCoherent,
	"write and mapping are one memory":       ioMapped,
	"bad buffers":                            ioBadBuffer,
	"status flags":                           ioStatusFlags,
	"epoll refuses a regular file":           ioEpoll,
	"poll is always ready":                   ioPoll,
	"ioctl":                                  ioIoctl,
	"file seals":                             ioSeals,
}

func ioAppend(t *testing.T, dir string) {
	createWith(t, dir+"/f", []byte("start."))
	f := open(t, dir+"/f", unix.O_RDWR|unix.O_APPEND, 0)
	_, err := unix.Write(f.fd, []byte("one."))
	ok(t, err, "write")
	offset, err := unix.Seek(f.fd, 0, io.SeekCurrent)
	ok(t, err, "lseek")
	equal(t, offset, 10, "offset after the appended write")
	_, err = unix.Seek(f.fd, 0, io.SeekStart)
	ok(t, err, "lseek")
	_, err = unix.Write(f.fd, []byte("two."))
	ok(t, err, "write after seeking to the start")
	f.write(t, 2, []byte("three.")) // Linux appends here too
	contain(t, dir+"/f", "start.one.two.three.")
}

func ioAppendShared(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	a := open(t, dir+"/f", unix.O_WRONLY|unix.O_APPEND, 0)
	b := open(t, dir+"/f", unix.O_WRONLY|unix.O_APPEND, 0)
	var want []byte
	for i := range 100 {
		record := bytes.Repeat([]byte{byte('a' + i%26)}, 100+i)
		want = append(want, record...)
		writer := []*file{a, b}[i%2]
		n, err := unix.Write(writer.fd, record)
		ok(t, err, "write")
		equal(t, n, len(record), "bytes appended")
	}
	sameBytes(t, f.read(t, 0, len(want)+1), want, "the appended records")
}

func ioDirect(t *testing.T, dir string) {
	f := open(t, dir+"/f", unix.O_RDWR|unix.O_CREAT|unix.O_DIRECT, 0o644)
	memory, err := unix.Mmap(-1, 0, 4*page, readWrite, unix.MAP_PRIVATE|unix.MAP_ANON)
	ok(t, err, "mmap")
	defer unix.Munmap(memory)
	copy(memory, pattern(len(memory)))
	f.write(t, 0, memory)
	sameBytes(t, f.read(t, 0, len(memory)), memory, "what was written directly")
	f.write(t, 100, memory[1:78]) // tmpfs wants no alignment
	sameBytes(t, f.read(t, 101, 70), memory[2:72], "an unaligned direct write")
	g := open(t, dir+"/f", unix.O_RDONLY, 0)
	sameBytes(t, g.read(t, 100, 77), memory[1:78], "read through another descriptor")
}

func ioWrongMode(t *testing.T, dir string) {
	createWith(t, dir+"/f", []byte("data"))
	r := open(t, dir+"/f", unix.O_RDONLY, 0)
	_, err := unix.Pwrite(r.fd, []byte("x"), 0)
	fails(t, unix.EBADF, err, "pwrite to a descriptor for reading")
	fails(t, unix.EINVAL, unix.Ftruncate(r.fd, 0), "ftruncate of a descriptor for reading")
	fails(t, unix.EBADF, unix.Fallocate(r.fd, 0, 0, 10), "fallocate of a descriptor for reading")
	w := open(t, dir+"/f", unix.O_WRONLY, 0)
	_, err = unix.Pread(w.fd, make([]byte, 1), 0)
	fails(t, unix.EBADF, err, "pread of a descriptor for writing")
	contain(t, dir+"/f", "data")
}

func ioOffsets(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", []byte("0123456789"))
	_, err := unix.Pread(f.fd, make([]byte, 1), -1)
	fails(t, unix.EINVAL, err, "pread at -1")
	_, err = unix.Pwrite(f.fd, []byte("x"), -1)
	fails(t, unix.EINVAL, err, "pwrite at -1")
	_, err = unix.Seek(f.fd, -1, io.SeekStart)
	fails(t, unix.EINVAL, err, "lseek to -1")
	_, err = unix.Seek(f.fd, -11, io.SeekEnd)
	fails(t, unix.EINVAL, err, "lseek to 11 before the end")
	_, err = unix.Seek(f.fd, 0, 99)
	fails(t, unix.EINVAL, err, "lseek with an unknown whence")
	at, err := unix.Seek(f.fd, 5, io.SeekEnd)
	ok(t, err, "lseek")
	equal(t, at, 15, "offset beyond the end")
	n, err := unix.Read(f.fd, make([]byte, 4))
	ok(t, err, "read beyond the end")
	equal(t, n, 0, "bytes read beyond the end")
	equal(t, len(f.read(t, 10, 4)), 0, "bytes read at the end")
	sameBytes(t, f.read(t, 8, 4), []byte("89"), "bytes read across the end")
	equal(t, len(f.read(t, 1<<62, 4)), 0, "bytes read at 2^62")
	_, err = unix.Pwrite(f.fd, []byte("xx"), 1<<63-1)
	fails(t, unix.EINVAL, err, "pwrite past 2^63-1")
	equal(t, f.stat(t).Size, 10, "st_size")
}

func ioSparse(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", []byte("abc"))
	f.write(t, int64(5*page), []byte("end"))
	want := make([]byte, 5*page+3)
	copy(want, "abc")
	copy(want[5*page:], "end")
	sameBytes(t, f.read(t, 0, len(want)+1), want, "a sparse file")
	equal(t, f.stat(t).Size, int64(len(want)), "st_size")
}

func ioEmpty(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", []byte("abc"))
	before := f.stat(t)
	tick(t)
	n, err := unix.Pwrite(f.fd, nil, 100)
	ok(t, err, "pwrite of nothing")
	equal(t, n, 0, "bytes written")
	equal(t, f.stat(t), before, "fstat after writing nothing")
}

func ioLarge(t *testing.T, dir string) {
	data := pattern(5<<20 + 7)
	f := create(t, dir+"/f")
	f.write(t, 3, data)
	equal(t, f.stat(t).Size, int64(len(data)+3), "st_size")
	sameBytes(t, f.read(t, 3, len(data)+100), data, "five megabytes")
	equal(t, f.stat(t).Blocks, blocksPerPage*int64((len(data)+3+page-1)/page), "st_blocks")
}

func ioVectors(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	n, err := unix.Pwritev(f.fd, [][]byte{[]byte("one"), {}, []byte("three"), pattern(2 * page)}, 1)
	ok(t, err, "pwritev")
	equal(t, n, 8+2*page, "bytes written")
	a, b := make([]byte, 4), make([]byte, 2*page)
	n, err = unix.Preadv(f.fd, [][]byte{a, b}, 1)
	ok(t, err, "preadv")
	equal(t, n, 4+2*page, "bytes read")
	sameBytes(t, a, []byte("onet"), "the first part")
	sameBytes(t, b, append([]byte("hree"), pattern(2 * page)[:2*page-4]...), "the second part")
}

func ioFlags(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", []byte("start"))
	n, err := unix.Pwritev2(f.fd, [][]byte{[]byte("+end")}, 0, unix.RWF_APPEND)
	ok(t, err, "pwritev2 with RWF_APPEND")
	equal(t, n, 4, "bytes appended")
	contain(t, dir+"/f", "start+end")
	for _, flag := range []int{unix.RWF_DSYNC, unix.RWF_SYNC, unix.RWF_HIPRI} {
		_, err = unix.Pwritev2(f.fd, [][]byte{[]byte("S")}, 0, flag)
		ok(t, err, "pwritev2 with flag %#x", flag)
	}
	contain(t, dir+"/f", "Start+end")
	data := make([]byte, 9)
	n, err = unix.Preadv2(f.fd, [][]byte{data}, 0, unix.RWF_NOWAIT)
	if err == nil {
		sameBytes(t, data[:n], []byte("Start+end")[:n], "preadv2 with RWF_NOWAIT")
	} else if err != unix.EAGAIN {
		fails(t, unix.EOPNOTSUPP, err, "preadv2 with RWF_NOWAIT")
	}
	_, err = unix.Preadv2(f.fd, [][]byte{data}, 0, 1<<30)
	fails(t, unix.EOPNOTSUPP, err, "preadv2 with an unknown flag")
}

func ioSharedOffset(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", []byte("0123456789"))
	fd, err := unix.FcntlInt(uintptr(f.fd), unix.F_DUPFD_CLOEXEC, 0)
	ok(t, err, "duplicating")
	g := adopt(t, fd)
	one, two := make([]byte, 4), make([]byte, 4)
	_, err = unix.Read(f.fd, one)
	ok(t, err, "read")
	_, err = unix.Read(g.fd, two)
	ok(t, err, "read of the duplicate")
	sameBytes(t, two, []byte("4567"), "the duplicate goes on where the first stopped")
	own := open(t, dir+"/f", unix.O_RDONLY, 0)
	_, err = unix.Read(own.fd, one)
	ok(t, err, "read of a separate descriptor")
	sameBytes(t, one, []byte("0123"), "a separate descriptor starts at 0")
}

func ioSizes(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	data := pattern(3 * page)
	for _, size := range []int{1, 2, 511, 512, page - 1, page, page + 1, 2*page - 1, 2 * page, 2*page + 1} {
		f.truncate(t, 0)
		f.write(t, 0, data[:size])
		sameBytes(t, f.read(t, 0, 3*page), data[:size], "a file of %d bytes", size)
		equal(t, f.stat(t).Size, int64(size), "st_size")
		equal(t, f.stat(t).Blocks, blocksPerPage*int64((size+page-1)/page), "st_blocks for %d bytes", size)
	}
}

func ioCoherent(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	g := open(t, dir+"/f", unix.O_RDWR, 0)
	for i := range 50 {
		f.write(t, int64(i*1000), []byte{byte(i), 1, 2})
		sameBytes(t, g.read(t, int64(i*1000), 10), []byte{byte(i), 1, 2}, "round %d", i)
		equal(t, g.stat(t).Size, int64(i*1000+3), "st_size in round %d", i)
		equal(t, stat(t, dir+"/f").Size, int64(i*1000+3), "st_size by name in round %d", i)
	}
	f.truncate(t, 5)
	equal(t, len(g.read(t, 0, 100)), 5, "bytes after truncation through the other descriptor")
}

func ioMapped(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", pattern(2*page))
	memory := f.share(t, 2*page)
	sameBytes(t, memory, pattern(2*page), "the mapping")
	f.write(t, 10, []byte("written"))
	sameBytes(t, memory[10:17], []byte("written"), "written, seen through the mapping")
	copy(memory[page:], "stored")
	sameBytes(t, f.read(t, int64(page), 6), []byte("stored"), "stored, read back")
	contents := contents(t, dir+"/f")
	sameBytes(t, contents, memory, "the file read by name")
}

func ioBadBuffer(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", []byte("data"))
	memory, err := unix.Mmap(-1, 0, page, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
	ok(t, err, "mmap")
	defer unix.Munmap(memory)
	_, err = unix.Pread(f.fd, memory, 0)
	fails(t, unix.EFAULT, err, "pread into memory that cannot be written")
	_, err = unix.Pwrite(f.fd, memory, 0)
	fails(t, unix.EFAULT, err, "pwrite from memory that cannot be read")
	contain(t, dir+"/f", "data")
}

func ioStatusFlags(t *testing.T, dir string) {
	f := open(t, dir+"/f", unix.O_RDWR|unix.O_CREAT|unix.O_DSYNC, 0o644)
	flags, err := unix.FcntlInt(uintptr(f.fd), unix.F_GETFL, 0)
	ok(t, err, "F_GETFL")
	equal(t, flags&(unix.O_ACCMODE|unix.O_APPEND|unix.O_NONBLOCK|unix.O_SYNC), unix.O_RDWR|unix.O_DSYNC, "status flags")
	_, err = unix.FcntlInt(uintptr(f.fd), unix.F_SETFL, unix.O_APPEND|unix.O_NONBLOCK)
	ok(t, err, "F_SETFL")
	f.write(t, 0, []byte("one"))
	f.write(t, 0, []byte("two"))
	contain(t, dir+"/f", "onetwo")
	_, err = unix.FcntlInt(uintptr(f.fd), unix.F_SETFL, 0)
	ok(t, err, "F_SETFL")
	f.write(t, 0, []byte("ONE"))
	contain(t, dir+"/f", "ONEtwo")
}

func ioEpoll(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	ok(t, err, "epoll_create1")
	poll := adopt(t, fd)
	err = unix.EpollCtl(poll.fd, unix.EPOLL_CTL_ADD, f.fd, &unix.EpollEvent{Events: unix.EPOLLIN})
	fails(t, unix.EPERM, err, "EPOLL_CTL_ADD of a regular file")
}

// ioEpollFuse is what the kernel does with every FUSE file: it may be waited for, and is ready.
func ioEpollFuse(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	ok(t, err, "epoll_create1")
	poll := adopt(t, fd)
	ok(t, unix.EpollCtl(poll.fd, unix.EPOLL_CTL_ADD, f.fd, &unix.EpollEvent{Events: unix.EPOLLIN}), "EPOLL_CTL_ADD")
	events := make([]unix.EpollEvent, 2)
	n, err := unix.EpollWait(poll.fd, events, -1)
	ok(t, err, "epoll_wait")
	equal(t, n, 1, "events")
	equal(t, events[0].Events, unix.EPOLLIN, "the event")
}

func ioPoll(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	set := []unix.PollFd{{Fd: int32(f.fd), Events: unix.POLLIN | unix.POLLOUT}}
	n, err := unix.Poll(set, -1)
	ok(t, err, "poll")
	equal(t, n, 1, "descriptors ready")
	equal(t, set[0].Revents, unix.POLLIN|unix.POLLOUT, "revents")
}

func ioIoctl(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", []byte("0123456789"))
	_, err := unix.Seek(f.fd, 4, io.SeekStart)
	ok(t, err, "lseek")
	n, err := unix.IoctlGetInt(f.fd, unix.TIOCINQ) // the same number as FIONREAD
	ok(t, err, "FIONREAD")
	equal(t, n, 6, "bytes left to read")
	_, err = unix.IoctlGetInt(f.fd, unix.TIOCGPGRP)
	fails(t, unix.ENOTTY, err, "a terminal's ioctl")
	_, err = unix.IoctlGetInt(f.fd, 0x5a7e)
	fails(t, unix.ENOTTY, err, "an unknown ioctl")
	fails(t, unix.EOPNOTSUPP, unix.IoctlFileClone(f.fd, f.fd), "FICLONE")
}

// ioSealsFuse is what the kernel says of files that are not tmpfs's own.
func ioSealsFuse(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	_, err := unix.FcntlInt(uintptr(f.fd), unix.F_GET_SEALS, 0)
	fails(t, unix.EINVAL, err, "F_GET_SEALS")
	_, err = unix.FcntlInt(uintptr(f.fd), unix.F_ADD_SEALS, unix.F_SEAL_GROW)
	fails(t, unix.EINVAL, err, "F_ADD_SEALS")
}

func ioSeals(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	seals, err := unix.FcntlInt(uintptr(f.fd), unix.F_GET_SEALS, 0)
	ok(t, err, "F_GET_SEALS")
	equal(t, seals, unix.F_SEAL_SEAL, "seals of a named file")
	_, err = unix.FcntlInt(uintptr(f.fd), unix.F_ADD_SEALS, unix.F_SEAL_GROW)
	fails(t, unix.EPERM, err, "F_ADD_SEALS")
}
