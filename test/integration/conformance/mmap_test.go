package conformance

import (
	"testing"

	"golang.org/x/sys/unix"
)

var mmapTests = map[string]test{
	"protections":                         mmapProtections,
	"shared stores are the file's":        mmapShared,
	"private stores are nobody else's":    mmapPrivate,
	"private maps of a file for reading":  mmapPrivateReadOnly,
	"descriptors without the right":       mmapRights,
	"bad arguments":                       mmapBad,
	"any page offset":                     mmapOffsets,
	"at a fixed place":                    mmapFixed,
	"the descriptor closed":               mmapClosed,
	"beyond the end":                      mmapBeyond,
	"the tail of the last page":           mmapTail,
	"an empty file":                       mmapEmpty,
	"grown while mapped":                  mmapGrown,
	"shrunk while mapped":                 mmapShrunk,
	"shrunk while a private map holds":    mmapShrunkPrivate,
	"unmapped":                            mmapUnmapped,
	"unmapped in parts":                   mmapUnmappedParts,
	"stays after replacement of the file": mmapReplaced,
	"mprotect":                            mmapProtect,
	"executed":                            mmapExecuted,
	"fork shares":                         mmapFork,
	"atomics of two processes":            mmapAtomics,
	"two mappings of one process":         mmapTwice,
	"read fills holes with zeros":         mmapHoles,
	"beside anonymous memory":             mmapAnonymous,
	"large":                               mmapLarge,
}

func mmapProtections(t *testing.T, dir string) {
	createWith(t, dir+"/f", pattern(page)).close(t)
	m := startMapper(t)
	m.open(0, dir+"/f", unix.O_RDWR)
	for i, protection := range []int{unix.PROT_NONE, unix.PROT_READ, unix.PROT_WRITE, readWrite, unix.PROT_READ | unix.PROT_EXEC} {
		m.expect("ok", "map %d 0 %d %d %d 0", i, page, protection, shared)
	}
	m.faults("SIGSEGV", 0, 5)
	m.load(1, 5, 6)
	m.expect("SIGSEGV", "store 1 5 1")
	m.store(2, 5, 44)
	m.load(3, 5, 44)
	m.store(3, 6, 45)
	m.load(4, 6, 45)
	m.expect("SIGSEGV", "store 4 5 1")
}

func mmapShared(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", pattern(3*page))
	m := startMapper(t)
	m.mapFile(dir+"/f", 3*page)
	m.store(0, 2*page+7, 99)
	equal(t, f.read(t, int64(2*page+7), 1)[0], 99, "stored by another process, read here")
	f.write(t, 50, []byte{77})
	m.load(0, 50, 77)
	memory := f.share(t, 3*page)
	memory[page] = 66
	m.load(0, page, 66)
	m.store(0, page+1, 67)
	equal(t, memory[page+1], 67, "stored there, loaded here")
}

func mmapPrivate(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", pattern(2*page))
	memory := f.mmap(t, 0, 2*page, readWrite, private)
	memory[0], memory[page+9] = 200, 201
	sameBytes(t, f.read(t, 0, 3*page), pattern(2*page), "the file after private stores")
	m := startMapper(t)
	m.mapFile(dir+"/f", 2*page)
	m.load(0, 0, 1)
	m.expect("ok", "map 1 0 %d %d %d 0", 2*page, readWrite, private)
	m.load(1, 0, 1)
	m.store(1, 0, 55)
	m.load(0, 0, 1)
	m.expect("ok", "sync 1 0 %d %d", 2*page, unix.MS_SYNC)
	equal(t, memory[0], 200, "this process's private store")
	unmap(t, memory)
	sameBytes(t, contents(t, dir+"/f"), pattern(2*page), "the file after the private mapping went")
}

func mmapPrivateReadOnly(t *testing.T, dir string) {
	createWith(t, dir+"/f", pattern(page)).close(t)
	f := open(t, dir+"/f", unix.O_RDONLY, 0)
	memory := f.mmap(t, 0, page, readWrite, private)
	memory[3] = 9
	equal(t, memory[3], 9, "a private store")
	sameBytes(t, f.read(t, 0, page), pattern(page), "the file")
}

func mmapRights(t *testing.T, dir string) {
	createWith(t, dir+"/f", pattern(page)).close(t)
	r, w := open(t, dir+"/f", unix.O_RDONLY, 0), open(t, dir+"/f", unix.O_WRONLY, 0)
	refuses := func(want unix.Errno, f *file, protection, flags int, what string) {
		t.Helper()
		_, err := unix.Mmap(f.fd, 0, page, protection, flags)
		fails(t, want, err, "%s", what)
	}
	refuses(unix.EACCES, w, unix.PROT_READ, shared, "reading a descriptor for writing")
	refuses(unix.EACCES, w, unix.PROT_WRITE, shared, "storing through a descriptor for writing only")
	refuses(unix.EACCES, w, unix.PROT_READ, private, "a private map of a descriptor for writing")
	refuses(unix.EACCES, w, unix.PROT_NONE, shared, "no access to a descriptor for writing")
	refuses(unix.EACCES, r, readWrite, shared, "storing through a descriptor for reading")
	refuses(unix.EACCES, r, unix.PROT_WRITE, shared, "only storing through a descriptor for reading")
	refuses(unix.EBADF, open(t, dir+"/f", pathDescriptor, 0), unix.PROT_READ, shared, "a path descriptor")
	memory := r.mmap(t, 0, page, unix.PROT_READ, shared)
	fails(t, unix.EACCES, unix.Mprotect(memory, readWrite), "mprotect to writing of a map for reading")
	appender := open(t, dir+"/f", unix.O_RDWR|unix.O_APPEND, 0)
	appender.share(t, page)[0] = 50
	contentsAt := open(t, dir+"/f", unix.O_RDONLY, 0).read(t, 0, 1)
	equal(t, contentsAt[0], 50, "stored through a map of a descriptor that appends")
}

func mmapBad(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", pattern(page))
	m := startMapper(t)
	m.open(0, dir+"/f", unix.O_RDWR)
	const unknown = 0x200
	for _, c := range []struct {
		want   unix.Errno
		offset int64
		length int
		flags  int
	}{
		{unix.EINVAL, 1, page, shared},
		{unix.EINVAL, int64(page) / 2, page, shared},
		{unix.EINVAL, 0, 0, shared},
		{unix.EINVAL, 0, page, 0}, // neither shared nor private
		{unix.EOVERFLOW, -int64(page), page, shared},
		{unix.ENOMEM, 0, 1 << 62, shared},
		{unix.EOPNOTSUPP, 0, page, unix.MAP_SHARED_VALIDATE | unknown},
		{unix.EOPNOTSUPP, 0, page, unix.MAP_SHARED_VALIDATE | unix.MAP_SYNC},
	} {
		m.refuses(c.want, "map 0 0 %d %d %d %d", c.length, readWrite, c.flags, c.offset)
	}
	memory := f.mmap(t, 0, page, readWrite, unix.MAP_SHARED_VALIDATE)
	memory[0] = 5
	equal(t, f.read(t, 0, 1)[0], 5, "stored through a map whose flags were checked")
}

func mmapOffsets(t *testing.T, dir string) {
	data := pattern(20 * page)
	f := createWith(t, dir+"/f", data)
	for _, p := range []int{0, 1, 7, 18, 19} {
		memory := f.mmap(t, int64(p*page), page, readWrite, shared)
		sameBytes(t, memory, data[p*page:(p+1)*page], "page %d", p)
		memory[3] = byte(100 + p)
		equal(t, f.read(t, int64(p*page+3), 1)[0], byte(100+p), "stored in page %d", p)
	}
	part := f.mmap(t, int64(2*page), page+100, unix.PROT_READ, shared)
	sameBytes(t, part, data[2*page:3*page+100], "a page and a part")
	far := create(t, dir+"/far")
	far.write(t, 1<<25, []byte("far"))
	sameBytes(t, far.mmap(t, 1<<25, page, unix.PROT_READ, shared)[:3], []byte("far"), "at 32 MiB")
}

func mmapFixed(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", pattern(4*page))
	m := startMapper(t)
	m.mapFile(dir+"/f", 4*page)
	m.expect("ok", "fixed 0 %d 0 %d %d %d %d", page, page, readWrite, shared, 3*page)
	m.load(0, page, int(pattern(4 * page)[3*page]))
	m.store(0, page+5, 88)
	equal(t, f.read(t, int64(3*page+5), 1)[0], 88, "stored at the place of page 1, in page 3 of the file")
	m.load(0, 3*page+5, 88)
	m.load(0, 2*page, int(pattern(4 * page)[2*page]))
	m.expect("ok", "fixed 0 %d -1 %d %d %d 0", 2*page, page, readWrite, unix.MAP_PRIVATE|unix.MAP_ANON)
	m.load(0, 2*page, 0)
	equal(t, f.read(t, int64(2*page), 1)[0], pattern(4 * page)[2*page], "the file below anonymous memory")
}

func mmapClosed(t *testing.T, dir string) {
	createWith(t, dir+"/f", pattern(2*page)).close(t)
	m := startMapper(t)
	m.mapFile(dir+"/f", 2*page)
	m.expect("ok", "close 0")
	m.load(0, page+1, int(pattern(2 * page)[page+1]))
	m.store(0, page+1, 123)
	equal(t, open(t, dir+"/f", unix.O_RDONLY, 0).read(t, int64(page+1), 1)[0], 123, "stored after the descriptor was closed")
	f := open(t, dir+"/f", unix.O_RDWR, 0)
	f.write(t, 0, []byte{200})
	m.load(0, 0, 200)
	f.write(t, int64(2*page), []byte("grown"))
	equal(t, f.stat(t).Size, int64(2*page+5), "st_size")
}

func mmapBeyond(t *testing.T, dir string) {
	createWith(t, dir+"/f", pattern(page+10)).close(t)
	m := startMapper(t)
	m.mapFile(dir+"/f", 4*page)
	m.load(0, page+9, int(pattern(page + 10)[page+9]))
	m.load(0, 2*page-1, 0)
	m.faults("SIGBUS", 0, 2*page)
	m.faults("SIGBUS", 0, 4*page-1)
	m.expect("ok", "map 1 0 %d %d %d 0", 4*page, readWrite, private)
	m.faults("SIGBUS", 1, 2*page)
	m.expect("ok", "map 2 0 %d %d %d %d", page, readWrite, shared, 100*page)
	m.faults("SIGBUS", 2, 0)
	equal(t, stat(t, dir+"/f").Size, int64(page+10), "st_size")
}

func mmapTail(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", pattern(100))
	memory := f.share(t, page)
	sameBytes(t, memory[100:], make([]byte, page-100), "the tail of the last page")
	memory[100], memory[page-1] = 1, 2
	equal(t, f.stat(t).Size, 100, "st_size after stores behind the end")
	equal(t, len(f.read(t, 0, page)), 100, "bytes read after stores behind the end")
	sameBytes(t, contents(t, dir+"/f"), pattern(100), "the file after stores behind the end")
}

func mmapEmpty(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	m := startMapper(t)
	m.mapFile(dir+"/f", page)
	m.faults("SIGBUS", 0, 0)
	f.truncate(t, 1)
	m.load(0, 0, 0)
	m.store(0, 0, 9)
	sameBytes(t, f.read(t, 0, 10), []byte{9}, "the file")
}
