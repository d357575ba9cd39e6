package conformance

import (
	"testing"

	"golang.org/x/sys/unix"
)

var seekTests = map[string]test{
	"data and holes of a sparse file":   seekSparse,
	"beyond the end":                    seekBeyond,
	"an empty file":                     seekEmpty,
	"a file of one hole":                seekHole,
	"moves the position, or not":        seekPosition,
	"after punching":                    seekPunched,
	"after truncation":                  seekTruncated,
	"data stored through a mapping":     seekMapped,
	"reserved space is a hole":          seekReserved,
	"pages only read through a mapping": seekReadMapped,
	"walking a file":                    seekWalk,
}

// at requires that seeking from the offset ends at want.
func (f *file) at(t T, offset int64, whence int, want int64, what string) {
	t.Helper()
	got, err := unix.Seek(f.fd, offset, whence)
	ok(t, err, "seeking %s from %d", what, offset)
	equal(t, got, want, "seeking %s from %d", what, offset)
}

func (f *file) data(t T, offset, want int) {
	t.Helper()
	f.at(t, int64(offset), unix.SEEK_DATA, int64(want), "data")
}

func (f *file) hole(t T, offset, want int) {
	t.Helper()
	f.at(t, int64(offset), unix.SEEK_HOLE, int64(want), "a hole")
}

// ends requires ENXIO for both kinds of seeking.
func (f *file) ends(t T, offset int64) {
	t.Helper()
	_, err := unix.Seek(f.fd, offset, unix.SEEK_DATA)
	fails(t, unix.ENXIO, err, "seeking data from %d", offset)
	_, err = unix.Seek(f.fd, offset, unix.SEEK_HOLE)
	fails(t, unix.ENXIO, err, "seeking a hole from %d", offset)
}

func seekSparse(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	f.write(t, int64(2*page), pattern(page))
	f.write(t, int64(5*page+10), []byte("x"))
	f.truncate(t, int64(8*page))
	for _, c := range []struct{ from, data, hole int }{
		{0, 2 * page, 0}, {1, 2 * page, 1}, {2 * page, 2 * page, 3 * page}, {2*page + 7, 2*page + 7, 3 * page},
		{3 * page, 5 * page, 3 * page}, {5*page - 1, 5 * page, 5*page - 1}, {6*page - 1, 6*page - 1, 6 * page},
	} {
		f.data(t, c.from, c.data)
		f.hole(t, c.from, c.hole)
	}
	_, err := unix.Seek(f.fd, int64(6*page), unix.SEEK_DATA)
	fails(t, unix.ENXIO, err, "seeking data where only a hole follows")
	f.hole(t, 7*page, 7*page)
	f.hole(t, 8*page-1, 8*page-1)
}

func seekBeyond(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", pattern(page+100))
	f.data(t, page+99, page+99)
	f.hole(t, 0, page+100)
	f.hole(t, page+99, page+100)
	for _, offset := range []int64{int64(page + 100), int64(10 * page), 1<<63 - 1, -1} {
		f.ends(t, offset)
	}
}

func seekEmpty(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	f.ends(t, 0)
	f.ends(t, 1)
}

func seekHole(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	f.truncate(t, int64(100*page))
	f.hole(t, 0, 0)
	f.hole(t, 50*page+3, 50*page+3)
	_, err := unix.Seek(f.fd, 0, unix.SEEK_DATA)
	fails(t, unix.ENXIO, err, "seeking data in a file of one hole")
}

func seekPosition(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	f.write(t, int64(page), []byte("data"))
	f.data(t, 0, page)
	buffer := make([]byte, 10)
	n, err := unix.Read(f.fd, buffer)
	ok(t, err, "read")
	sameBytes(t, buffer[:n], []byte("data"), "read where the data was found")
	f.at(t, 7, unix.SEEK_SET, 7, "an offset")
	f.ends(t, int64(5*page))
	f.at(t, 0, unix.SEEK_CUR, 7, "the position after a failure")
}

func seekPunched(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", pattern(6*page))
	f.hole(t, 0, 6*page)
	ok(t, unix.Fallocate(f.fd, punchHole, int64(page), int64(2*page)), "punching")
	f.hole(t, 0, page)
	f.data(t, page, 3*page)
	f.hole(t, 3*page, 6*page)
	ok(t, unix.Fallocate(f.fd, punchHole, int64(4*page+1), 10), "punching within a page")
	f.hole(t, 3*page, 6*page)
}

func seekTruncated(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", pattern(4*page))
	f.truncate(t, int64(page+1))
	f.truncate(t, int64(4*page))
	f.hole(t, 0, 2*page)
	_, err := unix.Seek(f.fd, int64(2*page), unix.SEEK_DATA)
	fails(t, unix.ENXIO, err, "seeking data that truncation dropped")
}

func seekMapped(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	f.truncate(t, int64(8*page))
	memory := f.share(t, 8*page)
	memory[3*page+5] = 1
	f.data(t, 0, 3*page)
	f.hole(t, 3*page, 4*page)
	equal(t, f.stat(t).Blocks, blocksPerPage, "st_blocks")
}

func seekReserved(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	ok(t, unix.Fallocate(f.fd, 0, 0, int64(4*page)), "fallocate")
	f.hole(t, 0, 0)
	_, err := unix.Seek(f.fd, 0, unix.SEEK_DATA)
	fails(t, unix.ENXIO, err, "seeking data in reserved space")
	f.write(t, int64(2*page), []byte("x"))
	f.data(t, 0, 2*page)
	f.hole(t, 2*page, 3*page)
}

func seekReadMapped(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	f.truncate(t, int64(4*page))
	memory := f.share(t, 4*page)
	equal(t, memory[page], 0, "a byte of the hole")
	equal(t, f.stat(t).Blocks, blocksPerPage, "st_blocks: a shared mapping's read fills the hole with a page")
	f.data(t, 0, page)
	f.hole(t, page, 2*page)
}

// seekMappedCached is page-cache mode: the daemon learns of a store by writeback, which msync makes if the kernel has not.
func seekMappedCached(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	f.truncate(t, int64(8*page))
	memory := f.share(t, 8*page)
	memory[3*page+5] = 1
	ok(t, unix.Msync(memory, unix.MS_SYNC), "msync")
	f.data(t, 0, 3*page)
	f.hole(t, 3*page, 4*page)
	equal(t, f.stat(t).Blocks, blocksPerPage, "st_blocks after msync")
}

// seekReadMappedCached is page-cache mode: reading a hole through a mapping leaves it a hole.
func seekReadMappedCached(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	f.truncate(t, int64(4*page))
	memory := f.share(t, 4*page)
	equal(t, memory[page], 0, "a byte of the hole")
	equal(t, f.stat(t).Blocks, 0, "st_blocks")
	_, err := unix.Seek(f.fd, 0, unix.SEEK_DATA)
	fails(t, unix.ENXIO, err, "seeking data")
}

// seekWalk finds all extents in the way a backup program does.
func seekWalk(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	want := []int{1, 4, 5, 9, 20}
	for _, p := range want {
		f.write(t, int64(p*page), pattern(page))
	}
	f.truncate(t, int64(30*page))
	var got []int
	for offset := int64(0); ; {
		data, err := unix.Seek(f.fd, offset, unix.SEEK_DATA)
		if err == unix.ENXIO {
			break
		}
		ok(t, err, "seeking data")
		offset, err = unix.Seek(f.fd, data, unix.SEEK_HOLE)
		ok(t, err, "seeking a hole")
		for p := data; p < offset; p += int64(page) {
			got = append(got, int(p)/page)
		}
	}
	equal(t, len(got), len(want), "pages with data")
	for i := range min(len(got), len(want)) {
		equal(t, got[i], want[i], "page %d with data", i)
	}
}
