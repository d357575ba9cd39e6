package conformance

import (
	"sync/atomic"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func mmapGrown(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", pattern(page))
	m := startMapper(t)
	m.mapFile(dir+"/f", 8*page)
	m.expect("SIGBUS", "load 0 %d", page)
	f.truncate(t, int64(2*page))
	m.load(0, page, 0)
	m.store(0, 2*page-1, 5)
	m.expect("SIGBUS", "load 0 %d", 2*page)
	f.write(t, int64(4*page), []byte{7})
	m.load(0, 4*page, 7)
	m.load(0, 3*page, 0)
	ok(t, unix.Fallocate(f.fd, 0, 0, int64(8*page)), "fallocate")
	m.store(0, 8*page-1, 6)
	equal(t, f.read(t, int64(8*page-1), 1)[0], 6, "stored in what was grown")
	equal(t, f.read(t, int64(2*page-1), 1)[0], 5, "stored before")
}

func mmapShrunk(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", pattern(4*page))
	m := startMapper(t)
	m.mapFile(dir+"/f", 4*page)
	m.load(0, 3*page, int(pattern(4 * page)[3*page]))
	f.truncate(t, int64(page+100))
	m.load(0, page+99, int(pattern(4 * page)[page+99]))
	m.load(0, page+100, 0)
	m.load(0, 2*page-1, 0)
	m.faults("SIGBUS", 0, 2*page)
	m.faults("SIGBUS", 0, 4*page-1)
	ok(t, unix.Truncate(dir+"/f", int64(4*page)), "growing again")
	m.load(0, 2*page, 0)
	m.load(0, 4*page-1, 0)
	f.truncate(t, 0)
	m.faults("SIGBUS", 0, 0)
}

func mmapShrunkPrivate(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", pattern(3*page))
	m := startMapper(t)
	m.open(0, dir+"/f", unix.O_RDWR)
	m.expect("ok", "map 0 0 %d %d %d 0", 3*page, readWrite, private)
	m.store(0, 2*page, 9)
	m.load(0, page, int(pattern(3 * page)[page]))
	f.truncate(t, int64(page))
	m.faults("SIGBUS", 0, page)
	m.faults("SIGBUS", 0, 2*page) // POSIX lets go of private copies beyond the end too, and so does Linux
	m.load(0, 0, 1)
}

func mmapUnmapped(t *testing.T, dir string) {
	createWith(t, dir+"/f", pattern(page)).close(t)
	m := startMapper(t)
	m.mapFile(dir+"/f", page)
	m.load(0, 0, 1)
	m.expect("ok", "unmap 0 0 %d", page)
	m.faults("SIGSEGV", 0, 0)
	m.refuses(unix.EINVAL, "unmap 0 1 %d", page)
	m.refuses(unix.EINVAL, "unmap 0 0 0")
	m.expect("ok", "unmap 0 0 %d", page)
}

func mmapUnmappedParts(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", pattern(5*page))
	m := startMapper(t)
	m.mapFile(dir+"/f", 5*page)
	m.expect("ok", "unmap 0 %d %d", 2*page, page)
	m.faults("SIGSEGV", 0, 2*page)
	m.faults("SIGSEGV", 0, 3*page-1)
	m.store(0, 2*page-1, 1)
	m.store(0, 3*page, 2)
	equal(t, f.read(t, int64(2*page-1), 1)[0], 1, "stored before the gap")
	equal(t, f.read(t, int64(3*page), 1)[0], 2, "stored behind the gap")
}

func mmapReplaced(t *testing.T, dir string) {
	createWith(t, dir+"/f", pattern(page)).close(t)
	m := startMapper(t)
	m.mapFile(dir+"/f", page)
	createWith(t, dir+"/g", make([]byte, page)).close(t)
	ok(t, unix.Rename(dir+"/g", dir+"/f"), "rename")
	m.load(0, 1, 2)
	m.store(0, 1, 99)
	n := startMapper(t)
	n.mapFile(dir+"/f", page)
	n.load(0, 1, 0)
	n.store(0, 1, 44)
	m.load(0, 1, 99)
}

func mmapProtect(t *testing.T, dir string) {
	createWith(t, dir+"/f", pattern(2*page)).close(t)
	m := startMapper(t)
	m.mapFile(dir+"/f", 2*page)
	m.expect("ok", "protect 0 0 %d %d", page, unix.PROT_READ)
	m.expect("SIGSEGV", "store 0 0 5")
	m.load(0, 0, 1)
	m.store(0, page, 5)
	m.expect("ok", "protect 0 0 %d %d", page, unix.PROT_NONE)
	m.faults("SIGSEGV", 0, 0)
	m.expect("ok", "protect 0 0 %d %d", page, readWrite)
	m.store(0, 0, 6)
	m.load(0, 0, 6)
	m.open(1, dir+"/f", unix.O_RDONLY)
	m.expect("ok", "map 1 1 %d %d %d 0", page, unix.PROT_READ, shared)
	m.refuses(unix.EACCES, "protect 1 0 %d %d", page, readWrite)
}

func mmapExecuted(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	f.truncate(t, int64(2*page))
	m := startMapper(t)
	m.mapFile(dir+"/f", 2*page)
	m.expect("ok", "code 0 %d", page)
	m.expect("SIGSEGV", "call 0 %d", page)
	m.expect("ok", "map 1 0 %d %d %d 0", 2*page, unix.PROT_READ|unix.PROT_EXEC, shared)
	m.expect("value 42", "call 1 %d", page)
	m.expect("ok", "map 2 0 %d %d %d 0", 2*page, unix.PROT_READ|unix.PROT_EXEC, private)
	m.expect("value 42", "call 2 %d", page)
	m.expect("ok", "protect 0 0 %d %d", 2*page, unix.PROT_READ|unix.PROT_EXEC)
	m.expect("value 42", "call 0 %d", page)
}

func mmapFork(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", pattern(2*page))
	m := startMapper(t)
	m.mapFile(dir+"/f", 2*page)
	m.expect("ok", "map 1 0 %d %d %d 0", 2*page, readWrite, private)
	m.store(0, page+1, 33)
	m.expect("value 33", "forkstore 0 %d 44", page)
	m.load(0, page, 44)
	equal(t, f.read(t, int64(page), 1)[0], 44, "stored by the forked child")
	m.store(1, 11, 7)
	m.expect("value 7", "forkstore 1 10 8")
	m.load(1, 10, 11)
	equal(t, f.read(t, 10, 1)[0], 11, "the file after a private store of the forked child")
}

func mmapAtomics(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	f.truncate(t, int64(page))
	memory := f.share(t, page)
	word := (*uint32)(unsafe.Pointer(&memory[128]))
	a, b := startMapper(t), startMapper(t)
	for _, m := range []*mapper{a, b} {
		m.mapFile(dir+"/f", page)
		m.begin("add 0 128 100000")
	}
	for range 100000 {
		atomic.AddUint32(word, 1)
	}
	equal(t, a.finish(), "ok", "the one process")
	equal(t, b.finish(), "ok", "the other process")
	equal(t, atomic.LoadUint32(word), 300000, "sum of three processes' additions")
}

func mmapTwice(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", pattern(2*page))
	g := open(t, dir+"/f", unix.O_RDWR, 0)
	one, two := f.share(t, 2*page), g.mmap(t, int64(page), page, readWrite, shared)
	one[page+3] = 77
	equal(t, two[3], 77, "by the mapping of the second page")
	two[4] = 78
	equal(t, one[page+4], 78, "by the mapping of both")
	unmap(t, one)
	equal(t, two[3], 77, "after the first mapping went")
}

func mmapHoles(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	f.truncate(t, int64(50*page))
	memory := f.mmap(t, 0, 50*page, unix.PROT_READ, shared)
	sameBytes(t, memory, make([]byte, 50*page), "a hole, mapped")
	f.write(t, int64(30*page), []byte("data"))
	sameBytes(t, memory[30*page:30*page+5], []byte("data\x00"), "written where zeros were mapped")
}

func mmapAnonymous(t *testing.T, dir string) {
	createWith(t, dir+"/f", pattern(page)).close(t)
	m := startMapper(t)
	m.mapFile(dir+"/f", page)
	m.open(1, "/dev/zero", unix.O_RDWR)
	m.expect("ok", "map 1 1 %d %d %d 0", page, readWrite, shared)
	m.expect("ok", "map 2 -1 %d %d %d 0", page, readWrite, unix.MAP_SHARED|unix.MAP_ANON)
	m.load(1, 0, 0)
	m.store(1, 0, 4)
	m.expect("value 0", "forkstore 1 0 5")
	m.load(1, 0, 5)
	m.expect("value 0", "forkstore 2 0 6")
	m.load(2, 0, 6)
	m.load(0, 0, 1)
}

func mmapLarge(t *testing.T, dir string) {
	const size = 64 << 20
	f := create(t, dir+"/f")
	f.truncate(t, size)
	memory := f.share(t, size)
	for at := 0; at < size; at += 1 << 20 {
		memory[at+at>>20] = byte(1 + at>>20)
	}
	for at := 0; at < size; at += 1 << 20 {
		equal(t, f.read(t, int64(at+at>>20), 1)[0], byte(1+at>>20), "stored at %d", at)
	}
}
