package conformance

import (
	"os"
	"os/exec"
	"os/signal"
	"testing"

	"golang.org/x/sys/unix"
)

var truncateTests = map[string]test{
	"grows with zeros":                     truncateGrows,
	"shrinks and grows again with zeros":   truncateShrinks,
	"within a page":                        truncatePage,
	"negative and enormous sizes":          truncateSizes,
	"larger than the file system":          truncateLarge,
	"rights":                               truncateRights,
	"seen by all descriptors and mappings": truncateSeen,
	"the file size limit":                  truncateLimit,
	"a running program":                    truncateRunning,
	"frees what it drops":                  truncateFrees,
	"by a path descriptor":                 truncatePath,
}

func truncateGrows(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", []byte("abc"))
	f.truncate(t, int64(3*page))
	want := make([]byte, 3*page)
	copy(want, "abc")
	sameBytes(t, f.read(t, 0, 4*page), want, "the grown file")
	ok(t, unix.Truncate(dir+"/f", 5), "truncate by name")
	sameBytes(t, f.read(t, 0, 10), []byte("abc\x00\x00"), "the shrunk file")
}

func truncateShrinks(t *testing.T, dir string) {
	for _, size := range []int{0, 1, page - 1, page, page + 1, 2*page + 100} {
		f := createWith(t, dir+"/"+itoa(size), pattern(3*page))
		f.truncate(t, int64(size))
		sameBytes(t, f.read(t, 0, 4*page), pattern(3 * page)[:size], "shrunk to %d", size)
		f.truncate(t, int64(3*page))
		want := pattern(3 * page)
		clear(want[size:])
		sameBytes(t, f.read(t, 0, 4*page), want, "grown again from %d", size)
	}
}

func truncatePage(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", pattern(1000))
	memory := f.share(t, page)
	f.truncate(t, 500)
	sameBytes(t, memory[500:], make([]byte, page-500), "the mapping behind the new end")
	f.truncate(t, 800)
	want := pattern(800)
	clear(want[500:])
	sameBytes(t, memory[:800], want, "the mapping after growing again")
	f.write(t, 900, []byte("x"))
	sameBytes(t, f.read(t, 800, 200), append(make([]byte, 100), 'x'), "after a write beyond the end")
}

func truncateSizes(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", []byte("abc"))
	for _, size := range []int64{-1, -4096, -1 << 63} {
		fails(t, unix.EINVAL, unix.Ftruncate(f.fd, size), "ftruncate to %d", size)
		fails(t, unix.EINVAL, unix.Truncate(dir+"/f", size), "truncate to %d", size)
	}
	contain(t, dir+"/f", "abc")
}

func truncateLarge(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", []byte("abc"))
	for _, size := range []int64{1 << 40, 1 << 62, 1<<63 - 1} {
		f.truncate(t, size)
		equal(t, f.stat(t).Size, size, "st_size")
		equal(t, f.stat(t).Blocks, blocksPerPage, "st_blocks")
		equal(t, stat(t, dir+"/f").Size, size, "st_size by name")
	}
	f.write(t, 1<<40, []byte("far"))
	sameBytes(t, f.read(t, 1<<40, 3), []byte("far"), "written at a terabyte")
	f.truncate(t, 3)
}

// truncateLargeStrict is commit=strict: a size that does not fit is refused.
func truncateLargeStrict(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", []byte("abc"))
	before := f.stat(t)
	for _, size := range []int64{1 << 40, 1 << 62, 1<<63 - 1} {
		fails(t, unix.ENOSPC, unix.Ftruncate(f.fd, size), "ftruncate to %d", size)
		fails(t, unix.ENOSPC, unix.Truncate(dir+"/f", size), "truncate to %d", size)
		equal(t, f.stat(t), before, "fstat after the refusal")
	}
	contain(t, dir+"/f", "abc")
}

func truncateRights(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o644)
	fails(t, unix.EISDIR, unix.Truncate(dir, 0), "truncate of a directory")
	fails(t, unix.EINVAL, unix.Ftruncate(open(t, dir+"/f", unix.O_RDONLY, 0).fd, 0), "ftruncate of a descriptor for reading")
	fails(t, unix.EBADF, unix.Ftruncate(-1, 0), "ftruncate of nothing")
	truncateRightsStep.run(t, alice, dir)
}

var truncateRightsStep = newStep("truncate another's file", func(p *process, arguments []string) {
	fails(p, unix.EACCES, unix.Truncate(arguments[0]+"/f", 0), "truncate")
})

func truncateSeen(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", pattern(3*page))
	g := open(t, dir+"/f", unix.O_RDONLY, 0)
	m := startMapper(t)
	m.mapFile(dir+"/f", 3*page)
	g.read(t, 0, 3*page)
	f.truncate(t, 10)
	equal(t, g.stat(t).Size, 10, "st_size of the other descriptor")
	equal(t, len(g.read(t, 0, 3*page)), 10, "bytes read by the other descriptor")
	m.load(0, 10, 0)
	m.expect("SIGBUS", "load 0 %d", page)
}

func truncateLimit(t *testing.T, dir string) {
	truncateLimitStep.run(t, root, dir)
}

// truncateLimitStep works under a file size limit of ten bytes.
var truncateLimitStep = newStep("exceed the file size limit", func(p *process, arguments []string) {
	signal.Ignore(unix.SIGXFSZ)
	f := createWith(p, arguments[0]+"/f", []byte("12345678"))
	g := createWith(p, arguments[0]+"/g", pattern(100))
	ok(p, unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 10, Max: unix.RLIM_INFINITY}), "setrlimit")
	fails(p, unix.EFBIG, unix.Ftruncate(f.fd, 11), "ftruncate")
	fails(p, unix.EFBIG, unix.Truncate(arguments[0]+"/f", 11), "truncate")
	fails(p, unix.EFBIG, unix.Fallocate(f.fd, 0, 0, 11), "fallocate")
	_, err := unix.Pwrite(f.fd, []byte("x"), 10)
	fails(p, unix.EFBIG, err, "pwrite at the limit")
	n, err := unix.Pwrite(f.fd, []byte("abcd"), 8)
	ok(p, err, "pwrite across the limit")
	equal(p, n, 2, "bytes written across the limit")
	sameBytes(p, f.read(p, 0, 20), []byte("12345678ab"), "the file")
	f.truncate(p, 10)
	g.truncate(p, 50) // shrinking is free
	_, err = unix.Pwrite(g.fd, []byte("x"), 20)
	fails(p, unix.EFBIG, err, "pwrite behind the limit in a larger file")
})

func truncateRunning(t *testing.T, dir string) {
	program, err := os.ReadFile(mapperBinary(t))
	ok(t, err, "reading the program")
	createWith(t, dir+"/program", program).close(t)
	ok(t, unix.Chmod(dir+"/program", 0o755), "chmod")
	command := exec.Command(dir + "/program")
	input, err := command.StdinPipe()
	ok(t, err, "stdin")
	ok(t, command.Start(), "execve of a program in the mount")
	fails(t, unix.ETXTBSY, unix.Truncate(dir+"/program", 0), "truncate of a running program")
	cannotOpen(t, unix.ETXTBSY, dir+"/program", unix.O_RDWR, 0)
	ok(t, unix.Unlink(dir+"/program"), "unlink of a running program")
	input.Close()
	ok(t, command.Wait(), "the program, whose file was unlinked")
	f := open(t, dir+"/writing", unix.O_WRONLY|unix.O_CREAT, 0o755)
	fails(t, unix.ETXTBSY, exec.Command(dir+"/writing").Run(), "execve of a file open for writing")
	f.close(t)
}

func truncateFrees(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", pattern(100*page))
	before := statfs(t, dir)
	f.truncate(t, int64(40*page))
	equal(t, statfs(t, dir).Bfree-before.Bfree, 60, "pages that came back")
	equal(t, f.stat(t).Blocks, 40*blocksPerPage, "st_blocks")
	open(t, dir+"/f", unix.O_WRONLY|unix.O_TRUNC, 0)
	equal(t, statfs(t, dir).Bfree-before.Bfree, 100, "pages that came back with O_TRUNC")
}

func truncatePath(t *testing.T, dir string) {
	createWith(t, dir+"/f", pattern(100))
	p := open(t, dir+"/f", pathDescriptor, 0)
	fails(t, unix.EBADF, unix.Ftruncate(p.fd, 0), "ftruncate of a path descriptor")
	_, err := unix.Pread(p.fd, make([]byte, 1), 0)
	fails(t, unix.EBADF, err, "pread of a path descriptor")
	_, err = unix.Pwrite(p.fd, []byte("x"), 0)
	fails(t, unix.EBADF, err, "pwrite of a path descriptor")
	ok(t, unix.Truncate(self(p), 10), "truncate through /proc")
	f := open(t, self(p), unix.O_RDWR, 0)
	sameBytes(t, f.read(t, 0, 100), pattern(10), "reopened through /proc")
	ok(t, unix.Rename(dir+"/f", dir+"/g"), "rename")
	ok(t, unix.Unlink(dir+"/g"), "unlink")
	f.close(t)
	sameBytes(t, open(t, self(p), unix.O_RDONLY, 0).read(t, 0, 100), pattern(10), "reopened when no name is left")
}
