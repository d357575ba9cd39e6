package conformance

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"
)

const (
	keepSize  = unix.FALLOC_FL_KEEP_SIZE
	punchHole = unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE
)

var fallocateTests = map[string]test{
	"reserves and grows":        fallocateGrows,
	"keeping the size":          fallocateKeepSize,
	"punches holes":             fallocatePunch,
	"punches parts of pages":    fallocatePunchParts,
	"punches what is mapped":    fallocatePunchMapped,
	"punches beyond the end":    fallocatePunchBeyond,
	"modes tmpfs does not take": fallocateModes,
	"bad ranges":                fallocateRanges,
	"bad descriptors":           fallocateDescriptors,
	"more than there is":        fallocateTooMuch,
	"stamps":                    fallocateStamps,
	"keeps data":                fallocateKeepsData,
}

func fallocateGrows(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	ok(t, unix.Fallocate(f.fd, 0, int64(page), int64(4*page)), "fallocate")
	s := f.stat(t)
	equal(t, s.Size, int64(5*page), "st_size")
	equal(t, s.Blocks, 4*blocksPerPage, "st_blocks")
	sameBytes(t, f.read(t, 0, 6*page), make([]byte, 5*page), "the contents")
	ok(t, unix.Fallocate(f.fd, 0, 0, 10), "fallocate of what is in the file")
	equal(t, f.stat(t).Size, int64(5*page), "st_size after that")
	ok(t, unix.Fallocate(f.fd, 0, int64(5*page), 1), "fallocate of one byte")
	equal(t, f.stat(t).Size, int64(5*page+1), "st_size after one byte")
}

func fallocateKeepSize(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", []byte("abc"))
	ok(t, unix.Fallocate(f.fd, keepSize, 0, int64(8*page)), "fallocate")
	s := f.stat(t)
	equal(t, s.Size, 3, "st_size")
	equal(t, s.Blocks, 8*blocksPerPage, "st_blocks")
	sameBytes(t, f.read(t, 0, 100), []byte("abc"), "the contents")
	f.truncate(t, int64(8*page))
	want := make([]byte, 8*page)
	copy(want, "abc")
	sameBytes(t, f.read(t, 0, 8*page), want, "the contents once grown")
}

func fallocatePunch(t *testing.T, dir string) {
	data := pattern(8 * page)
	f := createWith(t, dir+"/f", data)
	ok(t, unix.Fallocate(f.fd, punchHole, int64(2*page), int64(3*page)), "punching")
	s := f.stat(t)
	equal(t, s.Size, int64(8*page), "st_size")
	equal(t, s.Blocks, 5*blocksPerPage, "st_blocks")
	clear(data[2*page : 5*page])
	sameBytes(t, f.read(t, 0, len(data)), data, "the contents")
	f.write(t, int64(3*page), []byte("back"))
	copy(data[3*page:], "back")
	sameBytes(t, f.read(t, 0, len(data)), data, "the contents after a write into the hole")
	equal(t, f.stat(t).Blocks, 6*blocksPerPage, "st_blocks after a write into the hole")
}

func fallocatePunchParts(t *testing.T, dir string) {
	data := pattern(4 * page)
	f := createWith(t, dir+"/f", data)
	for _, c := range []struct{ offset, length, pages int }{{100, 50, 4}, {page - 10, 20, 4}, {page + 5, 2*page - 5, 3}, {3*page - 1, page, 3}} {
		ok(t, unix.Fallocate(f.fd, punchHole, int64(c.offset), int64(c.length)), "punching %d bytes at %d", c.length, c.offset)
		clear(data[c.offset : c.offset+c.length])
		sameBytes(t, f.read(t, 0, len(data)), data, "after punching %d bytes at %d", c.length, c.offset)
		equal(t, f.stat(t).Blocks, int64(c.pages)*blocksPerPage, "st_blocks after punching %d bytes at %d", c.length, c.offset)
	}
}

func fallocatePunchMapped(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", pattern(4*page))
	memory := f.share(t, 4*page)
	want := bytes.Clone(memory)
	ok(t, unix.Fallocate(f.fd, punchHole, int64(page), int64(2*page)), "punching")
	clear(want[page : 3*page])
	sameBytes(t, memory, want, "the mapping")
	memory[page] = 7
	equal(t, f.read(t, int64(page), 1)[0], 7, "stored into the hole, read back")
}

func fallocatePunchBeyond(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", pattern(page+100))
	ok(t, unix.Fallocate(f.fd, punchHole, int64(page), int64(100*page)), "punching across the end")
	s := f.stat(t)
	equal(t, s.Size, int64(page+100), "st_size")
	equal(t, s.Blocks, blocksPerPage, "st_blocks")
	ok(t, unix.Fallocate(f.fd, punchHole, int64(50*page), int64(page)), "punching behind the end")
	ok(t, unix.Fallocate(f.fd, punchHole, 0, 1<<62), "punching everything")
	equal(t, f.stat(t).Blocks, 0, "st_blocks")
	sameBytes(t, f.read(t, 0, 2*page), make([]byte, page+100), "the contents")
}

func fallocateModes(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", pattern(2*page))
	for name, mode := range map[string]uint32{
		"ZERO_RANGE":               unix.FALLOC_FL_ZERO_RANGE,
		"ZERO_RANGE and KEEP_SIZE": unix.FALLOC_FL_ZERO_RANGE | keepSize,
		"COLLAPSE_RANGE":           unix.FALLOC_FL_COLLAPSE_RANGE,
		"INSERT_RANGE":             unix.FALLOC_FL_INSERT_RANGE,
		"UNSHARE_RANGE":            unix.FALLOC_FL_UNSHARE_RANGE,
		"PUNCH_HOLE alone":         unix.FALLOC_FL_PUNCH_HOLE,
		"an unknown mode":          1 << 20,
	} {
		fails(t, unix.EOPNOTSUPP, unix.Fallocate(f.fd, mode, 0, int64(page)), "%s", name)
	}
	err := unix.Fallocate(f.fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_ZERO_RANGE|keepSize, 0, int64(page))
	fails(t, unix.EOPNOTSUPP, err, "PUNCH_HOLE with ZERO_RANGE")
	sameBytes(t, f.read(t, 0, 2*page), pattern(2*page), "the contents")
}

func fallocateRanges(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", []byte("abc"))
	for _, c := range []struct {
		offset, length int64
		want           unix.Errno
	}{{0, 0, unix.EINVAL}, {0, -1, unix.EINVAL}, {-1, 10, unix.EINVAL}, {1<<63 - 1, 1, unix.EFBIG}, {1, 1<<63 - 1, unix.EFBIG}} {
		fails(t, c.want, unix.Fallocate(f.fd, 0, c.offset, c.length), "%d bytes at %d", c.length, c.offset)
	}
	equal(t, f.stat(t).Size, 3, "st_size")
}

func fallocateDescriptors(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o644)
	fails(t, unix.EBADF, unix.Fallocate(open(t, dir+"/f", unix.O_RDONLY, 0).fd, 0, 0, 10), "a descriptor for reading")
	fails(t, unix.EBADF, unix.Fallocate(open(t, dir+"/f", pathDescriptor, 0).fd, 0, 0, 10), "a path descriptor")
	ok(t, unix.Mkfifo(dir+"/p", 0o644), "mkfifo")
	fails(t, unix.ESPIPE, unix.Fallocate(open(t, dir+"/p", unix.O_RDWR, 0).fd, 0, 0, 10), "a FIFO")
}

func fallocateTooMuch(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", pattern(page))
	before := statfs(t, dir)
	fails(t, unix.ENOSPC, unix.Fallocate(f.fd, 0, 0, int64(before.Blocks+1)*int64(page)), "more than the file system's size")
	equal(t, statfs(t, dir).Bfree, before.Bfree, "free pages after the refusal")
	s := f.stat(t)
	equal(t, s.Size, int64(page), "st_size after the refusal")
	equal(t, s.Blocks, blocksPerPage, "st_blocks after the refusal")
	sameBytes(t, f.read(t, 0, 2*page), pattern(page), "the contents after the refusal")
	fails(t, unix.ENOSPC, unix.Fallocate(f.fd, 0, 0, 1<<50), "a petabyte")
}

func fallocateStamps(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	before := f.stat(t)
	tick(t)
	ok(t, unix.Fallocate(f.fd, 0, 0, int64(2*page)), "fallocate")
	isTrue(t, nanos(f.stat(t).Ctim) > before.Ctim.Nano(), "fallocate moves ctime")
	before = f.stat(t)
	tick(t)
	ok(t, unix.Fallocate(f.fd, punchHole, 0, int64(page)), "punching")
	stamped(t, before, f.stat(t), "the punched file")
}

func fallocateKeepsData(t *testing.T, dir string) {
	data := pattern(3*page + 7)
	f := createWith(t, dir+"/f", data)
	ok(t, unix.Fallocate(f.fd, 0, 0, int64(6*page)), "fallocate over data")
	sameBytes(t, f.read(t, 0, 6*page), append(data, make([]byte, 3*page-7)...), "the contents")
	equal(t, f.stat(t).Blocks, 6*blocksPerPage, "st_blocks")
}
