package conformance

import (
	"testing"

	"golang.org/x/sys/unix"
)

var limitTests = map[string]mountTest{
	"a write fills the space and stops":      limitWrite,
	"reserving what is left":                 limitFallocate,
	"punching gives space to others":         limitPunch,
	"a full file system still changes names": limitFullNames,
	"stores into holes when full":            limitHoles,
	"ftruncate beyond the size":              limitTruncate,
	"inodes":                                 limitInodes,
	"inodes used again":                      limitInodesAgain,
	"the figures follow the options":         limitFigures,
	"overwriting when full":                  limitOverwrite,
	"space held without a name":              limitUnlinked,
}

// mebibyte is the size, in bytes, of the small mounts.
const mebibyte = 1 << 20

// fill writes to a new file until nothing fits, and returns it.
func fill(t *testing.T, path string) *file {
	t.Helper()
	f := create(t, path)
	free := int(statfs(t, path).Bfree) * page
	n, err := unix.Pwrite(f.fd, pattern(free+3*page), 0)
	ok(t, err, "a write of more than is free")
	equal(t, n, free, "bytes of the short write")
	_, err = unix.Pwrite(f.fd, []byte("x"), int64(n))
	fails(t, unix.ENOSPC, err, "a write when nothing is free")
	return f
}

func limitWrite(t *testing.T, mount mounter) {
	root := mount(t, "size=1m")
	f := fill(t, root+"/f")
	equal(t, f.stat(t).Size, mebibyte, "st_size")
	equal(t, statfs(t, root).Bfree, 0, "f_bfree")
	sameBytes(t, f.read(t, 0, 2*mebibyte), pattern(mebibyte), "the file that filled the space")
	g := create(t, root+"/g")
	_, err := unix.Pwrite(g.fd, []byte("x"), 0)
	fails(t, unix.ENOSPC, err, "a write to another file")
	equal(t, g.stat(t).Size, 0, "st_size of the other file")
	f.truncate(t, mebibyte-int64(page))
	g.write(t, 0, pattern(page))
	_, err = unix.Pwrite(f.fd, []byte("x"), mebibyte-int64(page))
	fails(t, unix.ENOSPC, err, "a write after the other took the page")
	g.close(t)
	ok(t, unix.Unlink(root+"/g"), "unlink")
	eventually(t, "the page comes back", func() bool { return statfs(t, root).Bfree == 1 })
	f.write(t, mebibyte-int64(page), pattern(page))
	_, err = unix.Pwrite(f.fd, []byte("x"), 1<<40)
	fails(t, unix.ENOSPC, err, "a write far behind the end")
	equal(t, f.stat(t).Size, mebibyte, "st_size")
}

func limitFallocate(t *testing.T, mount mounter) {
	root := mount(t, "size=1m")
	f, g := create(t, root+"/f"), create(t, root+"/g")
	ok(t, unix.Fallocate(f.fd, keepSize, 0, mebibyte-int64(2*page)), "fallocate")
	equal(t, statfs(t, root).Bfree, 2, "pages left")
	fails(t, unix.ENOSPC, unix.Fallocate(g.fd, 0, 0, int64(3*page)), "fallocate of more than is left")
	equal(t, g.stat(t).Size, 0, "st_size after the refusal")
	equal(t, g.stat(t).Blocks, 0, "st_blocks after the refusal")
	ok(t, unix.Fallocate(g.fd, 0, 0, int64(2*page)), "fallocate of what is left")
	f.write(t, 0, pattern(mebibyte-2*page)) // what was reserved is there
}

// punchFull punches ten pages of a file that takes all space.
func punchFull(t *testing.T, mount mounter) (root string, f *file) {
	t.Helper()
	root = mount(t, "size=1m")
	f = fill(t, root+"/f")
	ok(t, unix.Fallocate(f.fd, punchHole, 0, int64(10*page)), "punching")
	return root, f
}

func limitPunch(t *testing.T, mount mounter) {
	root, _ := punchFull(t, mount)
	equal(t, statfs(t, root).Bfree, 10, "pages left after punching")
	create(t, root+"/g").write(t, 0, pattern(10*page))
}

// limitPunchStrict is commit=strict: what is in the file's size may be stored to at any time, so nobody else gets it.
func limitPunchStrict(t *testing.T, mount mounter) {
	root, f := punchFull(t, mount)
	equal(t, statfs(t, root).Bfree, 0, "pages left after punching")
	_, err := unix.Pwrite(create(t, root+"/g").fd, []byte("x"), 0)
	fails(t, unix.ENOSPC, err, "a write to another file")
	f.write(t, 0, pattern(10*page))
	sameBytes(t, f.read(t, 0, mebibyte), pattern(mebibyte), "the file written again where it was punched")
}

// limitHolesStrict is commit=strict: there are no holes to store into for which there is no room.
func limitHolesStrict(t *testing.T, mount mounter) {
	root := mount(t, "size=1m")
	f := create(t, root+"/f")
	f.truncate(t, mebibyte)
	_, err := unix.Pwrite(create(t, root+"/g").fd, []byte("x"), 0)
	fails(t, unix.ENOSPC, err, "a write to another file")
	m := startMapper(t)
	m.mapFile(root+"/f", mebibyte)
	for p := range mebibyte / page {
		m.store(0, p*page, 1)
	}
	f.write(t, int64(5*page), []byte("x"))
}

// limitHolesCached is page-cache mode with commit=lazy: the kernel takes the store, and msync tells that it did not fit.
func limitHolesCached(t *testing.T, mount mounter) {
	root := mount(t, "size=1m")
	f := create(t, root+"/f")
	f.truncate(t, mebibyte)
	m := startMapper(t)
	m.mapFile(root+"/f", mebibyte)
	fill(t, root+"/g")
	m.store(0, 5*page, 1)
	m.refuses(unix.ENOSPC, "sync 0 0 %d %d", mebibyte, unix.MS_SYNC)
	_, err := unix.Pwrite(f.fd, []byte("x"), int64(6*page))
	fails(t, unix.ENOSPC, err, "a write into the hole")
}

func limitTruncateStrict(t *testing.T, mount mounter) {
	root := mount(t, "size=1m")
	f := create(t, root+"/f")
	fails(t, unix.ENOSPC, unix.Ftruncate(f.fd, 10*mebibyte), "ftruncate")
	equal(t, f.stat(t).Size, 0, "st_size")
	f.truncate(t, mebibyte)
	equal(t, statfs(t, root).Bfree, 0, "f_bfree")
}

func limitFullNames(t *testing.T, mount mounter) {
	root := mount(t, "size=1m")
	f := fill(t, root+"/f")
	mkdir(t, root+"/d", 0o755)
	touch(t, root+"/d/empty", 0o644)
	ok(t, unix.Symlink("short", root+"/l"), "symlink")
	ok(t, unix.Rename(root+"/f", root+"/d/f"), "rename")
	ok(t, unix.Link(root+"/d/f", root+"/g"), "link")
	ok(t, unix.Chmod(root+"/g", 0o600), "chmod")
	ok(t, unix.Unlink(root+"/d/f"), "unlink")
	equal(t, f.stat(t).Nlink, 1, "st_nlink")
}

func limitHoles(t *testing.T, mount mounter) {
	root := mount(t, "size=1m")
	f := create(t, root+"/f")
	f.truncate(t, mebibyte)
	m := startMapper(t)
	m.mapFile(root+"/f", mebibyte)
	m.store(0, 0, 1)
	fill(t, root+"/g")
	m.store(0, 1, 1)
	m.expect("SIGBUS", "store 0 %d 1", 5*page)
	_, err := unix.Pwrite(f.fd, []byte("x"), int64(5*page))
	fails(t, unix.ENOSPC, err, "a write into the hole")
	f.write(t, 5, []byte("x"))
	equal(t, f.stat(t).Size, mebibyte, "st_size")
}

func limitTruncate(t *testing.T, mount mounter) {
	root := mount(t, "size=1m")
	f := create(t, root+"/f")
	f.truncate(t, 10*mebibyte)
	equal(t, f.stat(t).Size, 10*mebibyte, "st_size")
	equal(t, int(statfs(t, root).Bfree), mebibyte/page, "f_bfree")
}

func limitInodes(t *testing.T, mount mounter) {
	root := mount(t, "nr_inodes=10")
	equal(t, statfs(t, root).Files, 10, "f_files")
	free := int(statfs(t, root).Ffree)
	equal(t, free, 9, "f_ffree beside the root")
	for i := range free - 1 {
		touch(t, root+"/"+itoa(i), 0o644)
	}
	ok(t, unix.Link(root+"/0", root+"/link"), "link, which counts as an inode on tmpfs")
	equal(t, statfs(t, root).Ffree, 0, "f_ffree")
	cannotOpen(t, unix.ENOSPC, root+"/f", unix.O_RDWR|unix.O_CREAT, 0o644)
	cannotOpen(t, unix.ENOSPC, root, unix.O_RDWR|unix.O_TMPFILE, 0o644)
	for what, err := range map[string]error{
		"mkdir":    unix.Mkdir(root+"/d", 0o755),
		"symlink":  unix.Symlink("x", root+"/l"),
		"mkfifo":   unix.Mkfifo(root+"/p", 0o644),
		"link":     unix.Link(root+"/0", root+"/another"),
		"whiteout": rename2(root+"/0", root+"/x", unix.RENAME_WHITEOUT),
	} {
		fails(t, unix.ENOSPC, err, "%s when no inode is free", what)
	}
	open(t, root+"/3", unix.O_RDWR, 0).write(t, 0, pattern(page))
	ok(t, unix.Rename(root+"/3", root+"/three"), "rename")
	ok(t, unix.Unlink(root+"/link"), "unlink")
	equal(t, statfs(t, root).Ffree, 1, "f_ffree after unlink of a link")
	ok(t, unix.Unlink(root+"/1"), "unlink")
	eventually(t, "the inode comes back", func() bool { return statfs(t, root).Ffree == 2 })
	mkdir(t, root+"/d", 0o755)
	ok(t, unix.Rmdir(root+"/d"), "rmdir")
}

// limitInodesAgain removes a file that was open and makes another, when there is no inode beside.
func limitInodesAgain(t *testing.T, mount mounter) {
	root := mount(t, "nr_inodes=10")
	free := int(statfs(t, root).Ffree)
	for i := range free {
		touch(t, root+"/"+itoa(i), 0o644)
	}
	for i := range 500 {
		path := root + "/" + itoa(i%free)
		f := open(t, path, unix.O_RDWR, 0)
		ok(t, unix.Unlink(path), "unlink")
		f.close(t)
		touch(t, path, 0o644)
	}
}

func limitFigures(t *testing.T, mount mounter) {
	for options, blocks := range map[string]int{"size=1m": mebibyte / page, "size=12288k": 12 * mebibyte / page, "size=5000000": (5000000 + page - 1) / page} {
		root := mount(t, options)
		s := statfs(t, root)
		equal(t, int(s.Blocks), blocks, "f_blocks of %s", options)
		equal(t, s.Bfree, s.Blocks, "f_bfree of %s", options)
		equal(t, s.Bavail, s.Blocks, "f_bavail of %s", options)
	}
}

func limitOverwrite(t *testing.T, mount mounter) {
	root := mount(t, "size=1m")
	f := fill(t, root+"/f")
	f.write(t, 0, pattern(mebibyte)[1:])
	f.write(t, int64(10*page), []byte("overwritten"))
	sameBytes(t, f.read(t, int64(10*page), 11), []byte("overwritten"), "the file")
	memory := f.share(t, mebibyte)
	for p := range mebibyte / page {
		memory[p*page] = byte(p)
	}
	ok(t, unix.Fsync(f.fd), "fsync")
	f.truncate(t, int64(100*page))
	memory[0] = 9
	equal(t, f.read(t, 0, 1)[0], 9, "the first byte")
}

func limitUnlinked(t *testing.T, mount mounter) {
	root := mount(t, "size=1m")
	f := fill(t, root+"/f")
	ok(t, unix.Unlink(root+"/f"), "unlink")
	g := create(t, root+"/g")
	_, err := unix.Pwrite(g.fd, []byte("x"), 0)
	fails(t, unix.ENOSPC, err, "a write while the removed file is open")
	f.close(t)
	eventually(t, "the space comes back", func() bool { return int(statfs(t, root).Bfree) == mebibyte/page })
	g.write(t, 0, pattern(mebibyte))
}
