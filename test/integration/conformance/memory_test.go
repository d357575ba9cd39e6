package conformance

import (
	"testing"

	"golang.org/x/sys/unix"
)

var memoryTests = map[string]test{
	"msync":                                 memorySync,
	"msync refuses":                         memorySyncRefuses,
	"mremap":                                memoryRemap,
	"madvise lets go":                       memoryAdviseDontNeed,
	"madvise removes":                       memoryAdviseRemove,
	"madvise of all kinds":                  memoryAdvise,
	"populated and locked holes take pages": func(t *testing.T, dir string) { memoryPages(t, dir, 8, 4) },
	"a hole is not resident":                memoryResidencyHole,
	"mlock and populate":                    memoryLock,
	"fsync and the like":                    memoryFileSync,
	"residency":                             memoryResidency,
	"read and write through /proc":          memoryProc,
	"input and output into the same file's mapping": memorySelf,
	"input and output between files' mappings":      memoryOther,
}

func memorySync(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", pattern(4*page))
	memory := f.share(t, 4*page)
	for i, flags := range []int{unix.MS_SYNC, unix.MS_ASYNC, unix.MS_INVALIDATE, unix.MS_SYNC | unix.MS_INVALIDATE, unix.MS_ASYNC | unix.MS_INVALIDATE, 0} {
		memory[i*100] = byte(200 + i)
		ok(t, unix.Msync(memory, flags), "msync with %#x", flags)
		equal(t, memory[i*100], byte(200+i), "the mapping after msync with %#x", flags)
		equal(t, f.read(t, int64(i*100), 1)[0], byte(200+i), "the file after msync with %#x", flags)
	}
	ok(t, unix.Msync(memory[page:2*page], unix.MS_SYNC), "msync of a page")
	private := f.mmap(t, 0, page, readWrite, private)
	private[0] = 1
	ok(t, unix.Msync(private, unix.MS_SYNC), "msync of a private mapping")
	equal(t, f.read(t, 0, 1)[0], 200, "the file after that")
}

func memorySyncRefuses(t *testing.T, dir string) {
	createWith(t, dir+"/f", pattern(4*page)).close(t)
	m := startMapper(t)
	m.mapFile(dir+"/f", 4*page)
	m.refuses(unix.EINVAL, "sync 0 0 %d %d", page, unix.MS_SYNC|unix.MS_ASYNC)
	m.refuses(unix.EINVAL, "sync 0 0 %d %d", page, 64)
	m.refuses(unix.EINVAL, "sync 0 1 %d %d", page, unix.MS_SYNC)
	m.expect("ok", "sync 0 0 0 %d", unix.MS_SYNC)
	m.expect("ok", "unmap 0 %d %d", 2*page, page)
	m.refuses(unix.ENOMEM, "sync 0 %d %d %d", 2*page, page, unix.MS_SYNC)
	m.refuses(unix.ENOMEM, "sync 0 0 %d %d", 4*page, unix.MS_SYNC)
	m.expect("ok", "lock 0 0 %d", page)
	m.refuses(unix.EBUSY, "sync 0 0 %d %d", page, unix.MS_INVALIDATE)
	m.expect("ok", "unlock 0 0 %d", page)
}

func memoryRemap(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", pattern(2*page))
	m := startMapper(t)
	m.mapFile(dir+"/f", page)
	m.expect("ok", "remap 0 %d %d %d", page, 4*page, unix.MREMAP_MAYMOVE)
	m.load(0, 0, 1)
	m.load(0, page+1, int(pattern(2 * page)[page+1]))
	m.expect("SIGBUS", "load 0 %d", 2*page)
	f.truncate(t, int64(4*page))
	m.store(0, 4*page-1, 9)
	equal(t, f.read(t, int64(4*page-1), 1)[0], 9, "stored where the mapping grew")
	m.expect("ok", "remap 0 %d %d %d", 4*page, page, 0)
	m.load(0, page-1, int(pattern(page)[page-1]))
	m.expect("SIGSEGV", "load 0 %d", page)
	m.refuses(unix.EINVAL, "remap 0 %d 0 0", page)
}

func memoryAdviseDontNeed(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", pattern(2*page))
	m := startMapper(t)
	m.mapFile(dir+"/f", 2*page)
	m.expect("ok", "map 1 0 %d %d %d 0", 2*page, readWrite, private)
	m.store(0, 5, 100)
	m.store(1, 6, 101)
	for slot := range 2 {
		m.expect("ok", "advise %d 0 %d %d", slot, 2*page, unix.MADV_DONTNEED)
	}
	m.load(0, 5, 100)
	m.load(1, 6, 7)
	equal(t, f.read(t, 5, 1)[0], 100, "a shared store after MADV_DONTNEED")
}

func memoryAdviseRemove(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", pattern(4*page))
	m := startMapper(t)
	m.mapFile(dir+"/f", 4*page)
	m.expect("ok", "advise 0 %d %d %d", page, 2*page, unix.MADV_REMOVE)
	equal(t, f.stat(t).Blocks, 2*blocksPerPage, "st_blocks after MADV_REMOVE")
	equal(t, f.stat(t).Size, int64(4*page), "st_size after MADV_REMOVE")
	want := pattern(4 * page)
	clear(want[page : 3*page])
	sameBytes(t, f.read(t, 0, 5*page), want, "the contents after MADV_REMOVE")
	m.load(0, page, 0)
	m.store(0, page, 8)
	equal(t, f.read(t, int64(page), 1)[0], 8, "stored where it was removed")
	m.expect("ok", "map 1 0 %d %d %d 0", page, readWrite, private)
	m.refuses(unix.EACCES, "advise 1 0 %d %d", page, unix.MADV_REMOVE)
}

func memoryAdvise(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", pattern(8*page))
	memory := f.share(t, 8*page)
	for _, advice := range []int{unix.MADV_NORMAL, unix.MADV_RANDOM, unix.MADV_SEQUENTIAL, unix.MADV_WILLNEED, unix.MADV_DONTFORK,
		unix.MADV_DOFORK, unix.MADV_HUGEPAGE, unix.MADV_NOHUGEPAGE, unix.MADV_DONTDUMP, unix.MADV_DODUMP, unix.MADV_COLD,
		unix.MADV_PAGEOUT, unix.MADV_POPULATE_READ, unix.MADV_POPULATE_WRITE} {
		ok(t, unix.Madvise(memory, advice), "madvise %d", advice)
	}
	fails(t, unix.EINVAL, unix.Madvise(memory, 9999), "unknown advice")
	fails(t, unix.EINVAL, unix.Madvise(memory, unix.MADV_FREE), "MADV_FREE of a file's mapping")
	sameBytes(t, memory, pattern(8*page), "the mapping after all advice")
}

func memoryLock(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	f.truncate(t, int64(8*page))
	memory := f.mmap(t, 0, 8*page, readWrite, unix.MAP_SHARED|unix.MAP_POPULATE)
	ok(t, unix.Mlock(memory), "mlock")
	memory[page] = 3
	ok(t, unix.Munlock(memory), "munlock")
	equal(t, f.read(t, int64(page), 1)[0], 3, "stored while locked")
	g := create(t, dir+"/g")
	g.truncate(t, int64(4*page))
	locked := g.mmap(t, 0, 4*page, readWrite, unix.MAP_SHARED|unix.MAP_LOCKED)
	ok(t, unix.Munlock(locked), "munlock")
}

func memoryFileSync(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", pattern(3*page))
	f.share(t, page)[0] = 9
	ok(t, unix.Fsync(f.fd), "fsync")
	ok(t, unix.Fdatasync(f.fd), "fdatasync")
	ok(t, unix.Syncfs(f.fd), "syncfs")
	all := unix.SYNC_FILE_RANGE_WAIT_BEFORE | unix.SYNC_FILE_RANGE_WRITE | unix.SYNC_FILE_RANGE_WAIT_AFTER
	ok(t, unix.SyncFileRange(f.fd, 0, int64(3*page), all), "sync_file_range")
	fails(t, unix.EINVAL, unix.SyncFileRange(f.fd, 0, 1, 1<<20), "sync_file_range with unknown flags")
	r := open(t, dir+"/f", unix.O_RDONLY, 0)
	ok(t, unix.Fsync(r.fd), "fsync of a descriptor for reading")
	fails(t, unix.EBADF, unix.Fsync(open(t, dir+"/f", pathDescriptor, 0).fd), "fsync of a path descriptor")
	equal(t, f.read(t, 0, 1)[0], 9, "stored before")
}

func memoryResidency(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	f.truncate(t, int64(4*page))
	memory := f.share(t, 4*page)
	memory[page] = 1
	vector := make([]byte, 4)
	ok(t, mincore(memory, vector), "mincore")
	equal(t, vector[1]&1, 1, "residency of the page stored to")
}

func memoryResidencyHole(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	f.truncate(t, int64(4*page))
	memory := f.share(t, 4*page)
	memory[page] = 1
	vector := make([]byte, 4)
	ok(t, mincore(memory, vector), "mincore")
	equal(t, vector[3]&1, 0, "residency of a hole")
}

// memoryResidencyHoleCached is page-cache mode: the kernel reads ahead, and a hole it read has pages like data has.
func memoryResidencyHoleCached(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	f.truncate(t, int64(4*page))
	memory := f.share(t, 4*page)
	equal(t, memory[3*page], 0, "a byte of the hole")
	vector := make([]byte, 4)
	ok(t, mincore(memory, vector), "mincore")
	equal(t, vector[3]&1, 1, "residency of the hole's page that was read")
	equal(t, f.stat(t).Blocks, 0, "st_blocks")
}

// memoryPages maps a hole of eight pages populated, another of four locked, and requires st_blocks of both, in pages.
func memoryPages(t *testing.T, dir string, populated, locked int64) {
	t.Helper()
	f, g := create(t, dir+"/f"), create(t, dir+"/g")
	f.truncate(t, int64(8*page))
	f.mmap(t, 0, 8*page, readWrite, unix.MAP_SHARED|unix.MAP_POPULATE)
	equal(t, f.stat(t).Blocks, populated*blocksPerPage, "st_blocks after MAP_POPULATE")
	g.truncate(t, int64(4*page))
	ok(t, unix.Mlock(g.share(t, 4*page)), "mlock")
	equal(t, g.stat(t).Blocks, locked*blocksPerPage, "st_blocks after mlock")
}

func memoryProc(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", pattern(page))
	memory := f.share(t, page)
	self := open(t, "/proc/self/mem", unix.O_RDWR, 0)
	buffer := make([]byte, 10)
	at := address(memory)
	_, err := unix.Pread(self.fd, buffer, at)
	ok(t, err, "reading /proc/self/mem")
	sameBytes(t, buffer, pattern(10), "the mapping through /proc/self/mem")
	_, err = unix.Pwrite(self.fd, []byte("poked"), at)
	ok(t, err, "writing /proc/self/mem")
	sameBytes(t, f.read(t, 0, 5), []byte("poked"), "the file")
}

func memorySelf(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", pattern(4*page))
	memory := f.share(t, 4*page)
	n, err := unix.Pread(f.fd, memory[2*page:3*page], 0)
	ok(t, err, "pread into the file's own mapping")
	equal(t, n, page, "bytes read")
	n, err = unix.Pwrite(f.fd, memory[:page], int64(3*page))
	ok(t, err, "pwrite from the file's own mapping")
	equal(t, n, page, "bytes written")
	want := append(append(pattern(2*page), pattern(page)...), pattern(page)...)
	sameBytes(t, f.read(t, 0, 5*page), want, "the file")
}

func memoryOther(t *testing.T, dir string) {
	a, b := createWith(t, dir+"/a", pattern(2*page)), create(t, dir+"/b")
	b.truncate(t, int64(2*page))
	from, to := a.share(t, 2*page), b.share(t, 2*page)
	_, err := unix.Pread(a.fd, to, 0)
	ok(t, err, "pread into another file's untouched mapping")
	sameBytes(t, b.read(t, 0, 2*page), pattern(2*page), "the other file")
	c := create(t, dir+"/c")
	c.write(t, 5, from)
	sameBytes(t, c.read(t, 5, 2*page), pattern(2*page), "written from a mapping")
}
