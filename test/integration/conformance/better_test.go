package conformance

import (
	"testing"

	"golang.org/x/sys/unix"
)

// betterTests hold on shmfs only: there it is better than tmpfs.
var betterTests = map[string]test{
	"better/growing shows zeros where a mapping scribbled":         betterTail,
	"better/growing by name shows zeros where a mapping scribbled": betterTailByName,
	"better/shrinking and growing shows zeros at any size":         betterShrunkTail,
}

// strictTests hold on shmfs with commit=strict only.
var strictTests = map[string]mountTest{
	"strict/what ftruncate gave is there": strictKept,
	"strict/sizes are charged when set":   strictCharged,
	"strict/a refusal changes nothing":    strictRefusal,
	"strict/every way to grow is charged": strictWays,
}

func scribble(t *testing.T, path string, size int) (*file, []byte) {
	t.Helper()
	f := createWith(t, path, pattern(size))
	memory := f.share(t, page)
	for i := size; i < page; i++ {
		memory[i] = 0xee
	}
	return f, memory
}

func betterTail(t *testing.T, dir string) {
	for _, size := range []int{1, 100, page - 1} {
		for _, grown := range []int{size + 1, page, page + 1, 5 * page} {
			f, memory := scribble(t, dir+"/f", size)
			f.truncate(t, int64(grown))
			want := make([]byte, grown)
			copy(want, pattern(size))
			sameBytes(t, f.read(t, 0, grown+1), want, "grown from %d to %d", size, grown)
			sameBytes(t, memory[:min(grown, page)], want[:min(grown, page)], "the mapping, grown from %d to %d", size, grown)
			ok(t, unix.Unlink(dir+"/f"), "unlink")
		}
	}
}

func betterTailByName(t *testing.T, dir string) {
	f, _ := scribble(t, dir+"/f", 10)
	ok(t, unix.Truncate(dir+"/f", int64(page)), "truncate by name")
	want := make([]byte, page)
	copy(want, pattern(10))
	sameBytes(t, f.read(t, 0, 2*page), want, "the file")
}

func betterShrunkTail(t *testing.T, dir string) {
	f, memory := scribble(t, dir+"/f", 1000)
	f.truncate(t, 500)
	for i := 500; i < page; i++ {
		memory[i] = 0xdd
	}
	f.truncate(t, 2000)
	want := make([]byte, 2000)
	copy(want, pattern(500))
	sameBytes(t, f.read(t, 0, page), want, "the file")
	sameBytes(t, memory[:2000], want, "the mapping")
}

func strictKept(t *testing.T, mount mounter) {
	root := mount(t, "size=4m")
	f := create(t, root+"/f")
	f.truncate(t, 3*mebibyte)
	g := create(t, root+"/g")
	n, err := unix.Pwrite(g.fd, pattern(2*mebibyte), 0)
	ok(t, err, "a write of more than is left")
	isTrue(t, n <= mebibyte, "%d bytes written do not exceed what was left", n)
	_, err = unix.Pwrite(g.fd, []byte("x"), int64(n))
	fails(t, unix.ENOSPC, err, "a write when nothing is left")
	m := startMapper(t)
	m.mapFile(root+"/f", 3*mebibyte)
	for at := 0; at < 3*mebibyte; at += page {
		m.store(0, at, 7)
	}
	f.write(t, 0, pattern(3*mebibyte))
	sameBytes(t, f.read(t, 0, 4*mebibyte), pattern(3*mebibyte), "the file")
}

func strictCharged(t *testing.T, mount mounter) {
	root := mount(t, "size=4m")
	f, g := create(t, root+"/f"), create(t, root+"/g")
	f.truncate(t, 3*mebibyte)
	fails(t, unix.ENOSPC, unix.Ftruncate(g.fd, 2*mebibyte), "ftruncate of more than is left")
	fails(t, unix.ENOSPC, unix.Truncate(root+"/g", 2*mebibyte), "truncate of more than is left")
	fails(t, unix.ENOSPC, unix.Ftruncate(f.fd, 1<<62), "ftruncate to an enormous size")
	g.truncate(t, mebibyte)
	f.truncate(t, mebibyte)
	g.truncate(t, 3*mebibyte)
	g.close(t)
	ok(t, unix.Unlink(root+"/g"), "unlink")
	eventually(t, "the charge goes with the file", func() bool { return unix.Ftruncate(f.fd, 4*mebibyte) == nil })
}

func strictRefusal(t *testing.T, mount mounter) {
	root := mount(t, "size=4m")
	f := createWith(t, root+"/f", pattern(1000))
	before, figures := f.stat(t), statfs(t, root)
	fails(t, unix.ENOSPC, unix.Ftruncate(f.fd, 5*mebibyte), "ftruncate")
	fails(t, unix.ENOSPC, unix.Fallocate(f.fd, 0, 0, 5*mebibyte), "fallocate")
	_, err := unix.Pwrite(f.fd, []byte("x"), 5*mebibyte)
	fails(t, unix.ENOSPC, err, "pwrite")
	equal(t, f.stat(t), before, "fstat after the refusals")
	equal(t, statfs(t, root), figures, "statfs after the refusals")
	sameBytes(t, f.read(t, 0, 2000), pattern(1000), "the file after the refusals")
}

func strictWays(t *testing.T, mount mounter) {
	root := mount(t, "size=4m")
	held := create(t, root+"/held")
	held.truncate(t, 4*mebibyte-int64(2*page))
	source := createWith(t, root+"/source", pattern(page))
	f := create(t, root+"/f")
	_, err := unix.CopyFileRange(source.fd, nil, f.fd, nil, page, 0)
	ok(t, err, "copy_file_range of the last page")
	equal(t, f.stat(t).Size, int64(page), "st_size")
	in, out := int64(0), int64(page)
	_, err = unix.CopyFileRange(source.fd, &in, f.fd, &out, page, 0)
	fails(t, unix.ENOSPC, err, "copy_file_range of one page more")
	g := create(t, root+"/g")
	_, err = unix.Pwrite(g.fd, []byte("x"), 0)
	fails(t, unix.ENOSPC, err, "pwrite to another file")
	appender := open(t, root+"/g", unix.O_WRONLY|unix.O_APPEND, 0)
	_, err = unix.Write(appender.fd, []byte("x"))
	fails(t, unix.ENOSPC, err, "an appending write")
	nameless := tmpfile(t, root, 0, 0o600)
	fails(t, unix.ENOSPC, unix.Ftruncate(nameless.fd, 1), "ftruncate of a nameless file")
	held.truncate(t, 4*mebibyte-int64(3*page))
	nameless.truncate(t, 1)
	nameless.write(t, 0, pattern(page))
}
