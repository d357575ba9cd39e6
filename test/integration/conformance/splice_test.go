package conformance

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"
)

var spliceTests = map[string]test{
	"copy_file_range between files": spliceCopy,
	"copy_file_range within a file": spliceCopyWithin,
	"copy_file_range refuses":       spliceCopyRefuses,
	"sendfile to a file":            spliceSendfile,
	"sendfile to a socket":          spliceSendfileSocket,
	"splice through a pipe":         splicePipe,
	"splice of what is mapped":      spliceMapped,
	"splice at the end":             spliceEnd,
	"tee and vmsplice into a file":  spliceTee,
	"readahead and advice":          spliceAdvice,
}

func pipe(t T) (read, write *file) {
	t.Helper()
	var fds [2]int
	ok(t, unix.Pipe2(fds[:], unix.O_CLOEXEC), "pipe2")
	return adopt(t, fds[0]), adopt(t, fds[1])
}

func spliceCopy(t *testing.T, dir string) {
	data := pattern(300_000)
	from, to := createWith(t, dir+"/a", data), create(t, dir+"/b")
	done := 0
	for done < len(data) {
		n, err := unix.CopyFileRange(from.fd, nil, to.fd, nil, len(data)-done, 0)
		ok(t, err, "copy_file_range")
		if n == 0 {
			t.Fatalf("copy_file_range copied nothing at %d", done)
		}
		done += n
	}
	sameBytes(t, to.read(t, 0, len(data)+1), data, "the copy")
	n, err := unix.CopyFileRange(from.fd, nil, to.fd, nil, 10, 0)
	ok(t, err, "copy_file_range at the end")
	equal(t, n, 0, "bytes copied at the end")
	in, out := int64(100), int64(50_000)
	n, err = unix.CopyFileRange(from.fd, &in, to.fd, &out, 7777, 0)
	ok(t, err, "copy_file_range with offsets")
	equal(t, n, 7777, "bytes copied")
	equal(t, in, 7877, "offset in the source")
	equal(t, out, 57_777, "offset in the target")
	copy(data[50_000:], pattern(300_000)[100:7877])
	sameBytes(t, to.read(t, 0, len(data)+1), data, "the target")
}

func spliceCopyWithin(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", pattern(1000))
	in, out := int64(0), int64(2000)
	n, err := unix.CopyFileRange(f.fd, &in, f.fd, &out, 500, 0)
	ok(t, err, "copy_file_range within a file")
	equal(t, n, 500, "bytes copied")
	sameBytes(t, f.read(t, 2000, 1000), pattern(500), "the copy")
	sameBytes(t, f.read(t, 1000, 1000), make([]byte, 1000), "the hole between")
	in, out = 0, 100
	_, err = unix.CopyFileRange(f.fd, &in, f.fd, &out, 500, 0)
	fails(t, unix.EINVAL, err, "copy_file_range between ranges that overlap")
}

func spliceCopyRefuses(t *testing.T, dir string) {
	from := createWith(t, dir+"/a", pattern(100))
	to := create(t, dir+"/b")
	r, w := open(t, dir+"/b", unix.O_RDONLY, 0), open(t, dir+"/a", unix.O_WRONLY, 0)
	appender := open(t, dir+"/b", unix.O_WRONLY|unix.O_APPEND, 0)
	refuses := func(want unix.Errno, from, to *file, flags int, what string) {
		t.Helper()
		_, err := unix.CopyFileRange(from.fd, nil, to.fd, nil, 10, flags)
		fails(t, want, err, "%s", what)
	}
	refuses(unix.EBADF, from, r, 0, "to a descriptor for reading")
	refuses(unix.EBADF, w, to, 0, "from a descriptor for writing")
	refuses(unix.EBADF, from, appender, 0, "to a descriptor that appends")
	refuses(unix.EISDIR, openDirectory(t, dir), to, 0, "from a directory")
	refuses(unix.EINVAL, from, to, 1, "with flags")
	in, out := pipe(t)
	refuses(unix.EINVAL, from, out, 0, "to a pipe")
	refuses(unix.EINVAL, in, to, 0, "from a pipe")
	equal(t, to.stat(t).Size, 0, "size of the target")
}

func spliceSendfile(t *testing.T, dir string) {
	data := pattern(200_000)
	from, to := createWith(t, dir+"/a", data), create(t, dir+"/b")
	offset := int64(1000)
	for offset < int64(len(data)) {
		n, err := unix.Sendfile(to.fd, from.fd, &offset, len(data))
		ok(t, err, "sendfile")
		isTrue(t, n > 0, "sendfile at %d sends something", offset)
		if n <= 0 {
			return
		}
	}
	sameBytes(t, to.read(t, 0, len(data)), data[1000:], "what was sent")
	appender := open(t, dir+"/b", unix.O_WRONLY|unix.O_APPEND, 0)
	_, err := unix.Sendfile(appender.fd, from.fd, nil, 10)
	fails(t, unix.EINVAL, err, "sendfile to a descriptor that appends")
}

func spliceSendfileSocket(t *testing.T, dir string) {
	data := pattern(50_000)
	from := createWith(t, dir+"/a", data)
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	ok(t, err, "socketpair")
	out, in := adopt(t, fds[0]), adopt(t, fds[1])
	var offset int64
	n, err := unix.Sendfile(out.fd, from.fd, &offset, len(data))
	ok(t, err, "sendfile")
	out.close(t)
	sameBytes(t, drain(t, in), data[:n], "what came out of the socket")
	equal(t, int(offset), n, "offset")
	isTrue(t, n > 0, "something was sent")
}

// drain reads a stream to its end.
func drain(t T, f *file) []byte {
	t.Helper()
	var all []byte
	buffer := make([]byte, 64<<10)
	for {
		n, err := unix.Read(f.fd, buffer)
		ok(t, err, "reading a stream")
		if n == 0 {
			return all
		}
		all = append(all, buffer[:n]...)
	}
}

func splicePipe(t *testing.T, dir string) {
	data := pattern(5*page + 123)
	from, to := createWith(t, dir+"/a", data), create(t, dir+"/b")
	in, out := pipe(t)
	var read, written int64
	for read < int64(len(data)) {
		n, err := unix.Splice(from.fd, &read, out.fd, nil, len(data), 0)
		ok(t, err, "splice into the pipe")
		for left := n; left > 0; {
			m, err := unix.Splice(in.fd, nil, to.fd, &written, int(left), unix.SPLICE_F_MOVE)
			ok(t, err, "splice out of the pipe")
			left -= m
		}
	}
	sameBytes(t, to.read(t, 0, len(data)+1), data, "what went through the pipe")
	equal(t, written, int64(len(data)), "offset in the target")
	_, err := unix.Splice(from.fd, nil, to.fd, nil, 10, 0)
	fails(t, unix.EINVAL, err, "splice without a pipe")
}

func spliceMapped(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", pattern(2*page))
	memory := f.share(t, 2*page)
	copy(memory, "stored through the mapping")
	in, out := pipe(t)
	var offset int64
	n, err := unix.Splice(f.fd, &offset, out.fd, nil, page, 0)
	ok(t, err, "splice")
	out.close(t)
	sameBytes(t, drain(t, in), memory[:n], "what was spliced")
}

func spliceEnd(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", pattern(100))
	_, out := pipe(t)
	for _, offset := range []int64{100, 101, 1 << 40} {
		n, err := unix.Splice(f.fd, &offset, out.fd, nil, 100, 0)
		ok(t, err, "splice at %d", offset)
		equal(t, n, 0, "bytes spliced")
	}
	offset := int64(90)
	n, err := unix.Splice(f.fd, &offset, out.fd, nil, 100, 0)
	ok(t, err, "splice across the end")
	equal(t, n, 10, "bytes spliced")
}

func spliceTee(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	in, out := pipe(t)
	data := pattern(page)
	_, err := unix.Vmsplice(out.fd, []unix.Iovec{{Base: &data[0], Len: uint64(page)}}, 0)
	ok(t, err, "vmsplice")
	in2, out2 := pipe(t)
	n, err := unix.Tee(in.fd, out2.fd, page, 0)
	ok(t, err, "tee")
	equal(t, n, int64(page), "bytes tee copied")
	m, err := unix.Splice(in.fd, nil, f.fd, nil, page, 0)
	ok(t, err, "splice into the file")
	sameBytes(t, f.read(t, 0, page+1), data[:m], "the file")
	out2.close(t)
	sameBytes(t, drain(t, in2), bytes.Clone(data), "the other pipe")
}

func spliceAdvice(t *testing.T, dir string) {
	f := createWith(t, dir+"/f", pattern(10*page))
	for _, advice := range []int{unix.FADV_NORMAL, unix.FADV_SEQUENTIAL, unix.FADV_RANDOM, unix.FADV_WILLNEED, unix.FADV_DONTNEED, unix.FADV_NOREUSE} {
		ok(t, unix.Fadvise(f.fd, 0, int64(10*page), advice), "posix_fadvise %d", advice)
	}
	fails(t, unix.EINVAL, unix.Fadvise(f.fd, 0, 1, 99), "unknown advice")
	sameBytes(t, f.read(t, 0, 11*page), pattern(10*page), "the contents after all advice")
}
