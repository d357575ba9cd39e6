package conformance

import (
	"testing"

	"golang.org/x/sys/unix"
)

var statfsTests = map[string]test{
	"magic number":                           statfsMagic,
	"figures of an empty mount":              statfsFigures,
	"pages move with data":                   statfsPages,
	"inodes move with names":                 statfsInodes,
	"sparse files use nothing":               statfsSparse,
	"by every way":                           statfsWays,
	"stores through mappings count":          func(t *testing.T, dir string) { storePages(t, dir, 20, 20, 20, 20) },
	"pages move with fallocate and punching": func(t *testing.T, dir string) { reservePages(t, dir, 4, 2) },
}

func statfsMagic(t *testing.T, dir string) {
	equal(t, statfs(t, dir).Type, unix.TMPFS_MAGIC, "f_type")
}

func statfsFigures(t *testing.T, dir string) {
	s := statfs(t, dir)
	equal(t, s.Bsize, int64(page), "f_bsize")
	equal(t, s.Frsize, int64(page), "f_frsize")
	equal(t, s.Blocks, uint64(256<<20/page), "f_blocks of 256 MiB")
	equal(t, s.Bavail, s.Bfree, "f_bavail beside f_bfree")
	equal(t, s.Namelen, 255, "f_namelen")
	isTrue(t, s.Ffree > 0 && s.Ffree < s.Files, "%d of %d inodes are free", s.Ffree, s.Files)
	equal(t, s.Flags&(unix.ST_NOSUID|unix.ST_NODEV|unix.ST_RDONLY|unix.ST_NOEXEC), unix.ST_NOSUID|unix.ST_NODEV, "f_flags")
}

func statfsPages(t *testing.T, dir string) {
	before := statfs(t, dir)
	f := create(t, dir+"/f")
	for pages := 1; pages <= 300; pages += 37 {
		f.write(t, 0, pattern(pages*page))
		equal(t, before.Bfree-statfs(t, dir).Bfree, uint64(pages), "pages used")
	}
	f.truncate(t, int64(10*page))
	equal(t, before.Bfree-statfs(t, dir).Bfree, 10, "pages used after truncation")
	f.truncate(t, int64(page+1))
	equal(t, before.Bfree-statfs(t, dir).Bfree, 2, "pages used by a page and a byte")
	equal(t, statfs(t, dir).Blocks, before.Blocks, "f_blocks")
	f.truncate(t, 0)
	equal(t, statfs(t, dir).Bfree, before.Bfree, "f_bfree when all is empty")
}

func statfsInodes(t *testing.T, dir string) {
	before := statfs(t, dir)
	used := func(want uint64, what string) {
		t.Helper()
		equal(t, before.Ffree-statfs(t, dir).Ffree, want, "inodes used after %s", what)
	}
	touch(t, dir+"/f", 0o644)
	used(1, "a file")
	mkdir(t, dir+"/d", 0o755)
	used(2, "a directory")
	ok(t, unix.Mkfifo(dir+"/p", 0o644), "mkfifo")
	used(3, "a FIFO")
	ok(t, unix.Symlink("x", dir+"/l"), "symlink")
	used(4, "a symbolic link")
	for _, name := range []string{"p", "l", "f"} {
		ok(t, unix.Unlink(dir+"/"+name), "unlink")
	}
	ok(t, unix.Rmdir(dir+"/d"), "rmdir")
	eventually(t, "all inodes are free again", func() bool { return statfs(t, dir).Ffree == before.Ffree })
	equal(t, statfs(t, dir).Files, before.Files, "f_files")
}

func statfsSparse(t *testing.T, dir string) {
	before := statfs(t, dir)
	f := create(t, dir+"/f")
	f.truncate(t, int64(1000*page))
	equal(t, statfs(t, dir).Bfree, before.Bfree, "f_bfree after a file grew by ftruncate")
	equal(t, f.stat(t).Blocks, 0, "st_blocks")
	f.write(t, int64(999*page), []byte("x"))
	equal(t, before.Bfree-statfs(t, dir).Bfree, 1, "pages used by one byte")
}

func statfsWays(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	want := statfs(t, dir)
	var s unix.Statfs_t
	ok(t, unix.Fstatfs(f.fd, &s), "fstatfs")
	equal(t, s, want, "fstatfs of a file")
	ok(t, unix.Fstatfs(open(t, dir, pathDescriptor, 0).fd, &s), "fstatfs")
	equal(t, s, want, "fstatfs of a path descriptor")
	fails(t, unix.ENOENT, unix.Statfs(dir+"/none", &s), "statfs of nothing")
	fails(t, unix.ENOTDIR, unix.Statfs(dir+"/f/x", &s), "statfs below a file")
}

// storePages stores to 20 pages of a hole and requires what they take of f_bfree and add to st_blocks, in pages; then the
// same after msync.
func storePages(t *testing.T, dir string, free, blocks, freeSynced, blocksSynced int64) {
	t.Helper()
	f := create(t, dir+"/f")
	f.truncate(t, int64(64*page))
	before := statfs(t, dir)
	memory := f.share(t, 64*page)
	for p := range 20 {
		memory[p*page] = 1
	}
	equal(t, int64(before.Bfree-statfs(t, dir).Bfree), free, "pages used by stores")
	equal(t, f.stat(t).Blocks, blocks*blocksPerPage, "st_blocks after stores")
	ok(t, unix.Msync(memory, unix.MS_SYNC), "msync")
	equal(t, int64(before.Bfree-statfs(t, dir).Bfree), freeSynced, "pages used by stores after msync")
	equal(t, f.stat(t).Blocks, blocksSynced*blocksPerPage, "st_blocks after stores and msync")
}

// storePagesCached is storePages in page-cache mode. Before msync nothing is certain: the kernel writes back when it likes.
func storePagesCached(t *testing.T, dir string, freeSynced, blocksSynced int64) {
	t.Helper()
	f := create(t, dir+"/f")
	f.truncate(t, int64(64*page))
	before := statfs(t, dir)
	memory := f.share(t, 64*page)
	for p := range 20 {
		memory[p*page] = 1
	}
	ok(t, unix.Msync(memory, unix.MS_SYNC), "msync")
	equal(t, int64(before.Bfree-statfs(t, dir).Bfree), freeSynced, "pages used by stores after msync")
	equal(t, f.stat(t).Blocks, blocksSynced*blocksPerPage, "st_blocks after stores and msync")
}

// reservePages reserves four pages behind a hole of one, punches two of them, and requires the pages used after each.
func reservePages(t *testing.T, dir string, reserved, punched uint64) {
	t.Helper()
	before := statfs(t, dir)
	f := create(t, dir+"/f")
	ok(t, unix.Fallocate(f.fd, 0, int64(page), int64(4*page)), "fallocate")
	equal(t, before.Bfree-statfs(t, dir).Bfree, reserved, "pages used after fallocate")
	ok(t, unix.Fallocate(f.fd, punchHole, int64(2*page), int64(2*page)), "punching")
	equal(t, before.Bfree-statfs(t, dir).Bfree, punched, "pages used after punching")
	f.truncate(t, 0)
	equal(t, statfs(t, dir).Bfree, before.Bfree, "f_bfree after truncation")
}

// statfsSparseCharged is commit=strict: what ftruncate set is used.
func statfsSparseCharged(t *testing.T, dir string) {
	before := statfs(t, dir)
	f := create(t, dir+"/f")
	f.truncate(t, int64(1000*page))
	equal(t, before.Bfree-statfs(t, dir).Bfree, 1000, "pages used after a file grew by ftruncate")
	equal(t, f.stat(t).Blocks, 0, "st_blocks")
	f.write(t, int64(999*page), []byte("x"))
	equal(t, before.Bfree-statfs(t, dir).Bfree, 1000, "pages used after a byte was written")
	equal(t, f.stat(t).Blocks, blocksPerPage, "st_blocks after a byte was written")
	f.truncate(t, 0)
	equal(t, statfs(t, dir).Bfree, before.Bfree, "f_bfree when all is empty")
}

func statfsMagicFuse(t *testing.T, dir string) {
	equal(t, statfs(t, dir).Type, unix.FUSE_SUPER_MAGIC, "f_type")
}
