package inspection

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// files are those right below .shmfs.
var files = []string{"config", "events", "handles", "maps", "metrics", "objects", "quota", "semaphores", "stats", "users", "version"}

// TestTreeIsThere looks at the tree of a mount with nothing in it, and with something.
func TestTreeIsThere(t *testing.T) {
	inEach(t, places, func(t *testing.T, mount string) {
		if listed := list(t, mount); len(listed) != 0 {
			t.Errorf("the root lists %q, want nothing", listed)
		}
		want := slices.Sorted(slices.Values(append([]string{"object"}, files...)))
		if listed := list(t, info(mount, "")); !slices.Equal(listed, want) {
			t.Errorf(".shmfs lists %q, want %q", listed, want)
		}
		create(t, filepath.Join(mount, "a"), "some bytes")
		must(t, os.Mkdir(filepath.Join(mount, "d"), 0o755))
		must(t, os.Symlink("a", filepath.Join(mount, "d", "l")))
		for _, directory := range []string{"", "object", "object/d"} {
			requireOwn(t, info(mount, directory), unix.S_IFDIR)
		}
		for _, file := range append(slices.Clone(files), "object/a", "object/d/l") {
			requireOwn(t, info(mount, file), unix.S_IFREG)
		}
		if listed := list(t, info(mount, "object/d")); !slices.Equal(listed, []string{"l"}) {
			t.Errorf("object/d lists %q", listed)
		}
		if listed := list(t, info(mount, "object")); !slices.Equal(listed, []string{"a", "d"}) {
			t.Errorf("object lists %q", listed)
		}
		requireError(t, "a name that is not there", unix.Lstat(info(mount, "nothing"), &unix.Stat_t{}), unix.ENOENT)
		requireError(t, "an object that is not there", unix.Lstat(info(mount, "object/x"), &unix.Stat_t{}), unix.ENOENT)
		must(t, os.Remove(filepath.Join(mount, "a")))
		requireError(t, "an object that is gone", unix.Lstat(info(mount, "object/a"), &unix.Stat_t{}), unix.ENOENT)
	})
}

// requireOwn fails the test unless a path is of a type, of size 0 and nobody may write there.
func requireOwn(t *testing.T, path string, kind uint32) {
	t.Helper()
	var stat unix.Stat_t
	if err := unix.Lstat(path, &stat); err != nil {
		t.Errorf("%s: %v", path, err)
		return
	}
	if stat.Mode&unix.S_IFMT != kind || stat.Size != 0 || stat.Blocks != 0 || stat.Mode&0o222 != 0 {
		t.Errorf("%s has mode %#o, size %d, %d blocks", path, stat.Mode, stat.Size, stat.Blocks)
	}
}

func list(t testing.TB, directory string) []string {
	t.Helper()
	entries, err := os.ReadDir(directory)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return slices.Sorted(slices.Values(names))
}

func requireError(t *testing.T, what string, err error, want ...error) {
	t.Helper()
	for _, one := range want {
		if err == one {
			return
		}
	}
	t.Errorf("%s: %v, want %v", what, err, want)
}

// TestTreeCannotBeChanged makes, as root, every call that would change it. Where the kernel has an answer of its own, which it gives
// for any directory or name that is there, that is what comes.
func TestTreeCannotBeChanged(t *testing.T) {
	inEach(t, places, func(t *testing.T, mount string) {
		object := filepath.Join(mount, "a")
		create(t, object, "some bytes")
		must(t, os.Mkdir(filepath.Join(mount, "d"), 0o755))
		for _, target := range []string{"", "stats", "events", "object", "object/a", "object/d"} {
			changeEach(t, mount, info(mount, target))
		}
		for _, fresh := range []string{"x", "object/x", "object/d/x"} {
			makeEach(t, object, info(mount, fresh))
		}
		for _, name := range []string{"stats", "object/a"} {
			requireError(t, "renaming inside the tree", unix.Rename(info(mount, name), info(mount, name+"2")), unix.EPERM)
		}
		if listed := list(t, mount); !slices.Equal(listed, []string{"a", "d"}) {
			t.Errorf("then the root lists %q", listed)
		}
		if content, err := os.ReadFile(object); err != nil || string(content) != "some bytes" {
			t.Errorf("then the object has %q, %v", content, err)
		}
		if !strings.HasPrefix(text(t, mount, "stats"), "mode: ") {
			t.Error("then stats is not what it was")
		}
	})
}

// changeEach makes the calls that would change or remove what is at a path of the tree.
func changeEach(t *testing.T, mount, path string) {
	t.Helper()
	var stat unix.Stat_t
	must(t, unix.Lstat(path, &stat))
	directory := stat.Mode&unix.S_IFMT == unix.S_IFDIR
	either := func(ofDirectory, ofFile error) error {
		if directory {
			return ofDirectory
		}
		return ofFile
	}
	try := func(call string, want error, err error) {
		t.Helper()
		requireError(t, call+" "+strings.TrimPrefix(path, mount), err, want)
	}
	opening := func(flags int) error {
		descriptor, err := unix.Open(path, flags|unix.O_CLOEXEC, 0o644)
		if err == nil {
			_ = unix.Close(descriptor)
		}
		return err
	}
	object, beside := filepath.Join(mount, "a"), filepath.Join(mount, "beside")
	try("chmod", unix.EPERM, unix.Chmod(path, 0o777))
	try("chown", unix.EPERM, unix.Chown(path, ann, ann))
	try("utimes", unix.EPERM, unix.UtimesNanoAt(unix.AT_FDCWD, path, nil, 0))
	try("truncate", either(unix.EISDIR, unix.EPERM), unix.Truncate(path, 0))
	try("setxattr", unix.EPERM, unix.Setxattr(path, "user.a", []byte("1"), 0))
	try("removexattr", unix.EPERM, unix.Removexattr(path, "user.a"))
	try("open for writing", either(unix.EISDIR, unix.EPERM), opening(unix.O_WRONLY))
	try("open for reading and writing", either(unix.EISDIR, unix.EPERM), opening(unix.O_RDWR|unix.O_CREAT))
	try("open O_TRUNC", either(unix.EISDIR, unix.EPERM), opening(unix.O_WRONLY|unix.O_TRUNC))
	try("open O_RDONLY|O_TRUNC", either(unix.EISDIR, unix.EPERM), opening(unix.O_RDONLY|unix.O_TRUNC))
	try("open O_EXCL", unix.EEXIST, opening(unix.O_RDWR|unix.O_CREAT|unix.O_EXCL))
	try("open O_TMPFILE", either(unix.EPERM, unix.ENOTDIR), opening(unix.O_TMPFILE|unix.O_RDWR))
	try("unlink", either(unix.EISDIR, unix.EPERM), unix.Unlink(path))
	try("rmdir", either(unix.EPERM, unix.ENOTDIR), unix.Rmdir(path))
	try("mkdir", unix.EEXIST, unix.Mkdir(path, 0o755))
	try("mknod", unix.EEXIST, unix.Mknod(path, unix.S_IFREG|0o644, 0))
	try("symlink", unix.EEXIST, unix.Symlink("a", path))
	try("link over", unix.EEXIST, unix.Link(object, path))
	try("link from", unix.EPERM, unix.Link(path, beside))
	try("rename over", either(unix.EISDIR, unix.EPERM), unix.Rename(object, path))
	try("rename away", unix.EPERM, unix.Rename(path, beside))
	try("exchange", unix.EPERM, unix.Renameat2(unix.AT_FDCWD, object, unix.AT_FDCWD, path, unix.RENAME_EXCHANGE))
	try("rename without replacing", unix.EEXIST, unix.Renameat2(unix.AT_FDCWD, object, unix.AT_FDCWD, path, unix.RENAME_NOREPLACE))
	try("rename a directory over", either(unix.EPERM, unix.ENOTDIR), unix.Rename(filepath.Join(mount, "d"), path))
}

// makeEach makes the calls that would make something at a path of the tree where nothing is.
func makeEach(t *testing.T, object, path string) {
	t.Helper()
	_, err := unix.Open(path, unix.O_CREAT|unix.O_RDWR|unix.O_CLOEXEC, 0o644)
	requireError(t, "create "+path, err, unix.EPERM)
	requireError(t, "mkdir "+path, unix.Mkdir(path, 0o755), unix.EPERM)
	requireError(t, "mkfifo "+path, unix.Mkfifo(path, 0o644), unix.EPERM)
	requireError(t, "symlink "+path, unix.Symlink("a", path), unix.EPERM)
	requireError(t, "link "+path, unix.Link(object, path), unix.EPERM)
	requireError(t, "rename to "+path, unix.Rename(object, path), unix.EPERM)
	requireError(t, "whiteout "+path, unix.Renameat2(unix.AT_FDCWD, object, unix.AT_FDCWD, path, unix.RENAME_NOREPLACE), unix.EPERM)
}

// TestOneOpenShowsOneState reads what was open before something changed in pieces, and again from the start.
func TestOneOpenShowsOneState(t *testing.T) {
	inEach(t, []place{places[0], places[2]}, func(t *testing.T, mount string) {
		for i := range 300 {
			create(t, filepath.Join(mount, "object-"+string(rune('a'+i%26))+strings.Repeat("x", i/26)), "x")
		}
		for _, name := range []string{"objects", "stats", "users", "quota", "semaphores", "handles", "maps", "metrics", "config", "object/object-a"} {
			descriptor := open(t, info(mount, name), unix.O_RDONLY)
			first := pieces(t, descriptor, 1000)
			create(t, filepath.Join(mount, "more-"+filepath.Base(name)), "more")
			must(t, unix.Truncate(filepath.Join(mount, "object-a"), int64(len(name))<<12))
			if again := pieces(t, descriptor, 777); first != again {
				t.Errorf("%s: one open shows two states", name)
			}
			if fresh := text(t, mount, name); name == "objects" && fresh == first {
				t.Errorf("%s: another open shows the old state", name)
			}
		}
	})
}

// pieces reads a file to its end in pieces of so many bytes.
func pieces(t *testing.T, descriptor, size int) string {
	t.Helper()
	var all strings.Builder
	piece := make([]byte, size)
	for {
		n, err := unix.Pread(descriptor, piece, int64(all.Len()))
		must(t, err)
		if n == 0 {
			return all.String()
		}
		all.Write(piece[:n])
	}
}
