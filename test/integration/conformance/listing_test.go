package conformance

import (
	"bytes"
	"encoding/binary"
	"io"
	"slices"

	"golang.org/x/sys/unix"
)

// direntSize is what one entry adds to a directory's st_size on tmpfs, in bytes.
const direntSize = 20

// entry is one record of getdents64.
type entry struct {
	ino    uint64
	cookie int64
	kind   byte
	name   string
}

// batch reads the records one getdents64 of this many bytes gives; none at the end of the directory.
func batch(t T, directory *file, size int) []entry {
	t.Helper()
	buffer := make([]byte, size)
	n, err := unix.Getdents(directory.fd, buffer)
	ok(t, err, "getdents64 of %d bytes", size)
	var entries []entry
	for rest := buffer[:n]; len(rest) > 0; {
		length := binary.NativeEndian.Uint16(rest[16:])
		name, _, _ := bytes.Cut(rest[19:length], []byte{0})
		entries = append(entries, entry{
			ino:    binary.NativeEndian.Uint64(rest),
			cookie: int64(binary.NativeEndian.Uint64(rest[8:])),
			kind:   rest[18],
			name:   string(name),
		})
		rest = rest[length:]
	}
	return entries
}

// list reads the rest of an open directory with buffers of this many bytes.
func list(t T, directory *file, size int) []entry {
	t.Helper()
	var all []entry
	for {
		entries := batch(t, directory, size)
		if len(entries) == 0 {
			return all
		}
		all = append(all, entries...)
	}
}

func rewind(t T, directory *file) {
	t.Helper()
	seekDirectory(t, directory, 0)
}

func seekDirectory(t T, directory *file, cookie int64) {
	t.Helper()
	at, err := unix.Seek(directory.fd, cookie, io.SeekStart)
	ok(t, err, "lseek of a directory to %d", cookie)
	equal(t, at, cookie, "offset in the directory")
}

func openDirectory(t T, path string) *file {
	t.Helper()
	return open(t, path, unix.O_RDONLY|unix.O_DIRECTORY, 0)
}

// names requires that a directory holds exactly these names, each once, beside dot and dot-dot.
func names(t T, path string, want ...string) {
	t.Helper()
	directory := openDirectory(t, path)
	defer directory.close(t)
	var got []string
	for _, e := range list(t, directory, 32<<10) {
		got = append(got, e.name)
	}
	want = append([]string{".", ".."}, want...)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("entries of %.80q: %.400q, want %.400q", path, got, want)
	}
}

// stamped requires that both mtime and ctime of a directory moved.
func stamped(t T, before, after unix.Stat_t, what string) {
	t.Helper()
	isTrue(t, after.Mtim.Nano() > before.Mtim.Nano(), "the mtime of %s moves on from %v (it is %v)", what, before.Mtim, after.Mtim)
	isTrue(t, after.Ctim.Nano() > before.Ctim.Nano(), "the ctime of %s moves on from %v (it is %v)", what, before.Ctim, after.Ctim)
}
