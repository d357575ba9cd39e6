package conformance

import (
	"os"

	"golang.org/x/sys/unix"
)

// page is the machine's page size in bytes: the unit of st_blocks accounting, of holes and of mappings.
var page = os.Getpagesize()

// blocksPerPage is what one page adds to st_blocks, which counts in 512 bytes.
var blocksPerPage = int64(page) / 512

const pathDescriptor = unix.O_PATH | unix.O_NOFOLLOW

// file is an open descriptor that is closed at the test's end at the latest.
type file struct {
	fd     int
	closed bool
}

func open(t T, path string, flags int, mode uint32) *file {
	t.Helper()
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, mode)
	ok(t, err, "open(%.80q, %#x, %#o)", path, flags, mode)
	return adopt(t, fd)
}

func openat(t T, dir int, path string, flags int, mode uint32) *file {
	t.Helper()
	fd, err := unix.Openat(dir, path, flags|unix.O_CLOEXEC, mode)
	ok(t, err, "openat(%.80q, %#x, %#o)", path, flags, mode)
	return adopt(t, fd)
}

// adopt gives a descriptor, however it came, to the test to be closed.
func adopt(t T, fd int) *file {
	f := &file{fd: fd}
	t.Cleanup(func() { f.close(t) })
	return f
}

// create makes a new file, open for reading and writing, with mode 0644.
func create(t T, path string) *file {
	t.Helper()
	return open(t, path, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, 0o644)
}

// createWith makes a new file with the given contents and leaves it open for reading and writing.
func createWith(t T, path string, data []byte) *file {
	t.Helper()
	f := create(t, path)
	f.write(t, 0, data)
	return f
}

// touch makes an empty file with the given mode and leaves no descriptor.
func touch(t T, path string, mode uint32) {
	t.Helper()
	open(t, path, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, mode).close(t)
	ok(t, unix.Chmod(path, mode), "chmod(%.80q)", path)
}

func mkdir(t T, path string, mode uint32) {
	t.Helper()
	ok(t, unix.Mkdir(path, mode), "mkdir(%.80q)", path)
}

// cannotOpen requires that opening fails with this errno.
func cannotOpen(t T, want unix.Errno, path string, flags int, mode uint32) {
	t.Helper()
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, mode)
	if err == nil {
		unix.Close(fd)
	}
	fails(t, want, err, "open(%.80q, %#x, %#o)", path, flags, mode)
}

func (f *file) close(t T) {
	t.Helper()
	if f.closed {
		return
	}
	f.closed = true
	ok(t, unix.Close(f.fd), "close")
}

// write puts all of data at the offset with one call.
func (f *file) write(t T, offset int64, data []byte) {
	t.Helper()
	n, err := unix.Pwrite(f.fd, data, offset)
	ok(t, err, "pwrite of %d bytes at %d", len(data), offset)
	equal(t, n, len(data), "bytes written at %d", offset)
}

// read returns what one pread of n bytes gives, which is fewer at the end of the file.
func (f *file) read(t T, offset int64, n int) []byte {
	t.Helper()
	data := make([]byte, n)
	got, err := unix.Pread(f.fd, data, offset)
	ok(t, err, "pread of %d bytes at %d", n, offset)
	return data[:got]
}

func (f *file) truncate(t T, size int64) {
	t.Helper()
	ok(t, unix.Ftruncate(f.fd, size), "ftruncate to %d", size)
}

func (f *file) stat(t T) unix.Stat_t {
	t.Helper()
	var s unix.Stat_t
	ok(t, unix.Fstat(f.fd, &s), "fstat")
	return s
}

// mmap maps length bytes from offset; the mapping goes at the test's end, or before with unmap.
func (f *file) mmap(t T, offset int64, length, protection, flags int) []byte {
	t.Helper()
	memory, err := unix.Mmap(f.fd, offset, length, protection, flags)
	ok(t, err, "mmap of %d bytes at %d", length, offset)
	t.Cleanup(func() { _ = unix.Munmap(memory) }) // EINVAL when the test unmapped it before
	return memory
}

// share maps the file's first bytes for reading and writing, shared.
func (f *file) share(t T, length int) []byte {
	t.Helper()
	return f.mmap(t, 0, length, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
}

func unmap(t T, memory []byte) {
	t.Helper()
	ok(t, unix.Munmap(memory), "munmap")
}

func stat(t T, path string) unix.Stat_t {
	t.Helper()
	var s unix.Stat_t
	ok(t, unix.Stat(path, &s), "stat(%.80q)", path)
	return s
}

func lstat(t T, path string) unix.Stat_t {
	t.Helper()
	var s unix.Stat_t
	ok(t, unix.Lstat(path, &s), "lstat(%.80q)", path)
	return s
}

// missing requires that the name does not exist, dangling symbolic links included.
func missing(t T, path string) {
	t.Helper()
	var s unix.Stat_t
	fails(t, unix.ENOENT, unix.Lstat(path, &s), "lstat(%.80q)", path)
}

// contents reads a whole file by its name.
func contents(t T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	ok(t, err, "reading %.80q", path)
	return data
}

func contain(t T, path, want string) {
	t.Helper()
	sameBytes(t, contents(t, path), []byte(want), "contents of %.80q", path)
}

// pattern is n bytes without zeros and without a period that divides a page.
func pattern(n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(1 + i%251)
	}
	return data
}

func self(f *file) string {
	return "/proc/self/fd/" + itoa(f.fd)
}

func statfs(t T, path string) unix.Statfs_t {
	t.Helper()
	var s unix.Statfs_t
	ok(t, unix.Statfs(path, &s), "statfs(%.80q)", path)
	return s
}

func nanos(at unix.Timespec) int64 { return at.Nano() }
