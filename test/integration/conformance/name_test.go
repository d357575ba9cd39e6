package conformance

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

var nameTests = map[string]test{
	"every byte":                 nameBytes,
	"every single byte":          nameSingle,
	"255 bytes and not 256":      nameLongest,
	"too long for every call":    nameTooLong,
	"not normalised or folded":   nameExact,
	"paths to PATH_MAX":          namePathMax,
	"trees deeper than PATH_MAX": nameDeep,
	"odd but plain names":        nameOdd,
	"openat2 resolution":         nameResolve,
}

// everyByte gives names that together hold every byte a name may hold.
func everyByte() []string {
	var low, high strings.Builder
	for i := 1; i < 256; i++ {
		if i == '/' {
			continue
		}
		low.WriteByte(byte(i))
		high.WriteByte(byte(256 - i))
	}
	return []string{low.String(), strings.ReplaceAll(high.String(), "/", "")}
}

func nameBytes(t *testing.T, dir string) {
	want := everyByte()
	for i, name := range want {
		createWith(t, dir+"/"+name, []byte{byte(i)})
		contain(t, dir+"/"+name, string(byte(i)))
	}
	names(t, dir, want...)
	for _, name := range want {
		ok(t, unix.Rename(dir+"/"+name, dir+"/x"), "rename")
		ok(t, unix.Rename(dir+"/x", dir+"/"+name), "rename back")
		ok(t, unix.Link(dir+"/"+name, dir+"/link"), "link")
		ok(t, unix.Unlink(dir+"/link"), "unlink")
	}
	names(t, dir, want...)
}

func nameSingle(t *testing.T, dir string) {
	var want []string
	for i := 1; i < 256; i++ {
		if i == '/' || i == '.' {
			continue
		}
		name := string([]byte{byte(i)})
		touchOnly(t, dir+"/"+name, 0o644)
		want = append(want, name)
	}
	names(t, dir, want...)
	for _, name := range want {
		stat(t, dir+"/"+name)
	}
}

func nameLongest(t *testing.T, dir string) {
	name := strings.Repeat("\xff", 255)
	touchOnly(t, dir+"/"+name, 0o644)
	mkdir(t, dir+"/"+strings.Repeat("d", 255), 0o755)
	touchOnly(t, dir+"/"+strings.Repeat("d", 255)+"/"+name, 0o644)
	names(t, dir, name, strings.Repeat("d", 255))
	ok(t, unix.Unlink(dir+"/"+name), "unlink")
	names(t, dir, strings.Repeat("d", 255))
	cannotOpen(t, unix.ENAMETOOLONG, dir+"/"+name+"x", unix.O_RDWR|unix.O_CREAT, 0o644)
}

func nameTooLong(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o644)
	long := dir + "/" + strings.Repeat("n", 256)
	var s unix.Stat_t
	for what, err := range map[string]error{
		"stat":     unix.Stat(long, &s),
		"mkdir":    unix.Mkdir(long, 0o755),
		"mknod":    unix.Mknod(long, unix.S_IFREG|0o644, 0),
		"symlink":  unix.Symlink("x", long),
		"link":     unix.Link(dir+"/f", long),
		"rename":   unix.Rename(dir+"/f", long),
		"exchange": rename2(dir+"/f", long, unix.RENAME_EXCHANGE),
		"unlink":   unix.Unlink(long),
		"rmdir":    unix.Rmdir(long),
		"chmod":    unix.Chmod(long, 0o644),
		"truncate": unix.Truncate(long, 0),
		"below":    unix.Stat(long+"/x", &s),
		"setxattr": unix.Setxattr(long, "user.a", nil, 0),
	} {
		fails(t, unix.ENAMETOOLONG, err, "%s", what)
	}
	names(t, dir, "f")
}

func nameExact(t *testing.T, dir string) {
	want := []string{"a", "A", "\u00e9", "e\u0301", "\xe9", "a ", " a", "a\n", "a\t", "..a", "...", ". ", "a.", "-rf", "~", "\\", "a\\b", "$HOME", "%s%n"}
	for i, name := range want {
		createWith(t, dir+"/"+name, []byte{byte(i)})
	}
	names(t, dir, want...)
	for i, name := range want {
		contain(t, dir+"/"+name, string([]byte{byte(i)}))
	}
}

func namePathMax(t *testing.T, dir string) {
	path := dir
	for len(path)+101 < 4000 {
		path += "/" + strings.Repeat("p", 99)
		mkdir(t, path, 0o755)
	}
	last := path + "/" + strings.Repeat("f", 4095-len(path)-1)
	equal(t, len(last), 4095, "length of the path")
	createWith(t, last, []byte("deep"))
	contain(t, last, "deep")
	ok(t, unix.Rename(last, path+"/short"), "rename")
	ok(t, unix.Rename(path+"/short", last), "rename back")
	cannotOpen(t, unix.ENAMETOOLONG, last+"x", unix.O_RDWR|unix.O_CREAT, 0o644)
	cannotOpen(t, unix.ENAMETOOLONG, strings.Repeat("/", 4095-len(last)+1)+last, unix.O_RDONLY, 0)
	open(t, path+strings.Repeat("/", 4095-len(path)-2)+".", unix.O_RDONLY, 0)
}

func nameDeep(t *testing.T, dir string) {
	const depth = 60
	name := strings.Repeat("d", 200)
	at := openDirectory(t, dir)
	for range depth {
		ok(t, unix.Mkdirat(at.fd, name, 0o755), "mkdirat")
		next := openat(t, at.fd, name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		at = next
	}
	f := openat(t, at.fd, "f", unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, 0o644)
	f.write(t, 0, []byte("deep"))
	sameBytes(t, openat(t, at.fd, "f", unix.O_RDONLY, 0).read(t, 0, 10), []byte("deep"), "the deep file")
	_, err := unix.Readlink(self(f), make([]byte, 8192))
	fails(t, unix.ENAMETOOLONG, err, "the name in /proc/self/fd")
	up := at
	for range depth {
		up = openat(t, up.fd, "..", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	}
	equal(t, up.stat(t).Ino, stat(t, dir).Ino, "the directory reached by as many dot-dots")
	nameDeepStep.run(t, root, dir, itoa(depth))
}

// nameDeepStep removes the tree from within, which no path reaches.
var nameDeepStep = newStep("remove a deep tree", func(p *process, arguments []string) {
	name := strings.Repeat("d", 200)
	ok(p, unix.Chdir(arguments[0]), "chdir")
	var depth int
	_, err := fmt.Sscan(arguments[1], &depth)
	ok(p, err, "reading the depth")
	for range depth {
		ok(p, unix.Chdir(name), "chdir")
	}
	_, err = unix.Getcwd(make([]byte, 4096))
	fails(p, unix.ENAMETOOLONG, err, "getcwd where no path leads")
	ok(p, unix.Unlink("f"), "unlink")
	for range depth {
		ok(p, unix.Chdir(".."), "chdir up")
		ok(p, unix.Rmdir(name), "rmdir")
	}
})

func nameOdd(t *testing.T, dir string) {
	want := []string{".shmfs", ".fuse_hidden0000000100000001", "lost+found", ".Trash", ".nfs0001", "CON", "NUL"}
	for _, name := range want {
		touchOnly(t, dir+"/"+name, 0o644)
	}
	names(t, dir, want...)
	for _, name := range want {
		ok(t, unix.Unlink(dir+"/"+name), "unlink of %s", name)
	}
	names(t, dir)
}

func nameResolve(t *testing.T, dir string) {
	mkdir(t, dir+"/d", 0o755)
	touch(t, dir+"/f", 0o644)
	ok(t, unix.Symlink("../f", dir+"/d/out"), "symlink")
	d := openDirectory(t, dir+"/d")
	resolve := func(path string, resolve uint64) error {
		fd, err := unix.Openat2(d.fd, path, &unix.OpenHow{Flags: unix.O_RDONLY | unix.O_CLOEXEC, Resolve: resolve})
		if err == nil {
			unix.Close(fd)
		}
		return err
	}
	ok(t, resolve("out", 0), "out of the directory")
	fails(t, unix.EXDEV, resolve("out", unix.RESOLVE_BENEATH), "beneath")
	fails(t, unix.ELOOP, resolve("out", unix.RESOLVE_NO_SYMLINKS), "without links")
	ok(t, resolve("../f", unix.RESOLVE_NO_XDEV), "within the mount")
	fails(t, unix.ENOENT, resolve("out", unix.RESOLVE_IN_ROOT), "as if it were the root")
}
