package conformance

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

var xattrTests = map[string]test{
	"set, get, list, remove":       xattrBasic,
	"create and replace":           xattrFlags,
	"sizes and ERANGE":             xattrSizes,
	"limits":                       xattrLimits,
	"any byte in names and values": xattrBytes,
	"kinds of file":                xattrKinds,
	"namespaces":                   xattrNamespaces,
	"trusted is root's":            xattrTrusted,
	"rights":                       xattrRights,
	"moves ctime only":             xattrStamps,
	"belong to the inode":          xattrInode,
	"missing files":                xattrMissing,
}

func getXattr(t T, path, name string) string {
	t.Helper()
	value := make([]byte, 70000)
	n, err := unix.Lgetxattr(path, name, value)
	ok(t, err, "lgetxattr of %q", name)
	return string(value[:n])
}

func listXattr(t T, path string) []string {
	t.Helper()
	buffer := make([]byte, 70000)
	n, err := unix.Llistxattr(path, buffer)
	ok(t, err, "llistxattr")
	found := strings.Split(strings.TrimSuffix(string(buffer[:n]), "\x00"), "\x00")
	if n == 0 {
		found = nil
	}
	slices.Sort(found)
	return found
}

func xattrsAre(t T, path string, want ...string) {
	t.Helper()
	if got := listXattr(t, path); !slices.Equal(got, want) {
		t.Errorf("attributes of %q: %q, want %q", path, got, want)
	}
}

func xattrBasic(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	xattrsAre(t, dir+"/f")
	ok(t, unix.Setxattr(dir+"/f", "user.a", []byte("one"), 0), "setxattr")
	ok(t, unix.Fsetxattr(f.fd, "user.b", []byte("two"), 0), "fsetxattr")
	ok(t, unix.Lsetxattr(dir+"/f", "user.empty", nil, 0), "lsetxattr")
	equal(t, getXattr(t, dir+"/f", "user.a"), "one", "user.a")
	equal(t, getXattr(t, dir+"/f", "user.b"), "two", "user.b")
	equal(t, getXattr(t, dir+"/f", "user.empty"), "", "user.empty")
	xattrsAre(t, dir+"/f", "user.a", "user.b", "user.empty")
	ok(t, unix.Setxattr(dir+"/f", "user.a", []byte("longer than before"), 0), "setxattr again")
	equal(t, getXattr(t, dir+"/f", "user.a"), "longer than before", "user.a")
	ok(t, unix.Fremovexattr(f.fd, "user.a"), "fremovexattr")
	ok(t, unix.Removexattr(dir+"/f", "user.empty"), "removexattr")
	xattrsAre(t, dir+"/f", "user.b")
	_, err := unix.Getxattr(dir+"/f", "user.a", make([]byte, 10))
	fails(t, unix.ENODATA, err, "getxattr of what was removed")
	fails(t, unix.ENODATA, unix.Removexattr(dir+"/f", "user.a"), "removexattr of what was removed")
}

func xattrFlags(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o644)
	set := func(flags int) error { return unix.Setxattr(dir+"/f", "user.a", []byte("x"), flags) }
	fails(t, unix.ENODATA, set(unix.XATTR_REPLACE), "replacing what is not there")
	ok(t, set(unix.XATTR_CREATE), "creating")
	fails(t, unix.EEXIST, set(unix.XATTR_CREATE), "creating what is there")
	ok(t, set(unix.XATTR_REPLACE), "replacing")
	fails(t, unix.EINVAL, set(1<<10), "unknown flags")
	fails(t, unix.EEXIST, set(unix.XATTR_CREATE|unix.XATTR_REPLACE), "both flags")
}

func xattrSizes(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o644)
	ok(t, unix.Setxattr(dir+"/f", "user.a", []byte("0123456789"), 0), "setxattr")
	n, err := unix.Getxattr(dir+"/f", "user.a", nil)
	ok(t, err, "asking the size")
	equal(t, n, 10, "size")
	_, err = unix.Getxattr(dir+"/f", "user.a", make([]byte, 9))
	fails(t, unix.ERANGE, err, "getxattr into 9 bytes")
	n, err = unix.Getxattr(dir+"/f", "user.a", make([]byte, 10))
	ok(t, err, "getxattr into 10 bytes")
	equal(t, n, 10, "size")
	n, err = unix.Listxattr(dir+"/f", nil)
	ok(t, err, "asking the size of the list")
	equal(t, n, 7, "size of the list")
	_, err = unix.Listxattr(dir+"/f", make([]byte, 6))
	fails(t, unix.ERANGE, err, "listxattr into 6 bytes")
	n, err = unix.Listxattr(dir+"/f", make([]byte, 7))
	ok(t, err, "listxattr into 7 bytes")
	equal(t, n, 7, "size of the list")
}

func xattrLimits(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o644)
	long := "user." + strings.Repeat("n", 250)
	ok(t, unix.Setxattr(dir+"/f", long, []byte("x"), 0), "a name of 255 bytes")
	equal(t, getXattr(t, dir+"/f", long), "x", "the value of the long name")
	fails(t, unix.ERANGE, unix.Setxattr(dir+"/f", long+"n", []byte("x"), 0), "a name of 256 bytes")
	fails(t, unix.ERANGE, unix.Setxattr(dir+"/f", "", []byte("x"), 0), "an empty name")
	fails(t, unix.EINVAL, unix.Setxattr(dir+"/f", "user.", []byte("x"), 0), "a name of a prefix alone")
	ok(t, unix.Removexattr(dir+"/f", long), "removexattr")
	fails(t, unix.E2BIG, unix.Setxattr(dir+"/f", "user.a", make([]byte, 65537), 0), "a value of 65537 bytes")
	ok(t, unix.Setxattr(dir+"/f", "user.a", pattern(65536), 0), "a value of 65536 bytes")
	equal(t, getXattr(t, dir+"/f", "user.a"), string(pattern(65536)), "the longest value")
}

func xattrBytes(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o644)
	value := make([]byte, 256)
	var name strings.Builder
	name.WriteString("user.")
	for i := range 256 {
		value[i] = byte(i)
		if i > 0 && i <= 250 {
			name.WriteByte(byte(i))
		}
	}
	ok(t, unix.Setxattr(dir+"/f", name.String(), value, 0), "setxattr")
	equal(t, getXattr(t, dir+"/f", name.String()), string(value), "value")
	xattrsAre(t, dir+"/f", name.String())
	ok(t, unix.Setxattr(dir+"/f", "user.UPPER", []byte("A"), 0), "setxattr")
	_, err := unix.Getxattr(dir+"/f", "user.upper", value)
	fails(t, unix.ENODATA, err, "the name in other letters")
}

func xattrKinds(t *testing.T, dir string) {
	mkdir(t, dir+"/d", 0o755)
	ok(t, unix.Setxattr(dir+"/d", "user.a", []byte("x"), 0), "setxattr of a directory")
	equal(t, getXattr(t, dir+"/d", "user.a"), "x", "the directory's attribute")
	ok(t, unix.Symlink("d", dir+"/l"), "symlink")
	ok(t, unix.Mkfifo(dir+"/p", 0o644), "mkfifo")
	ok(t, unix.Mknod(dir+"/s", unix.S_IFSOCK|0o644, 0), "mknod")
	value := make([]byte, 10)
	for _, name := range []string{"/l", "/p", "/s"} {
		fails(t, unix.EPERM, unix.Lsetxattr(dir+name, "user.a", []byte("x"), 0), "lsetxattr of %s", name)
		_, err := unix.Lgetxattr(dir+name, "user.a", value)
		fails(t, unix.ENODATA, err, "lgetxattr of %s", name)
		ok(t, unix.Lsetxattr(dir+name, "trusted.a", []byte("x"), 0), "trusted attribute of %s", name)
		equal(t, getXattr(t, dir+name, "trusted.a"), "x", "the attribute of %s", name)
		xattrsAre(t, dir+name, "trusted.a")
	}
	_, err := unix.Getxattr(dir+"/l", "user.a", value)
	ok(t, err, "getxattr through a link")
}

func xattrNamespaces(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o644)
	for _, name := range []string{"nonsense.a", "a", "user", "USER.a", "system.a", "system.nfs4_acl", "os2.a"} {
		fails(t, unix.EOPNOTSUPP, unix.Setxattr(dir+"/f", name, []byte("x"), 0), "setxattr of %q", name)
		_, err := unix.Getxattr(dir+"/f", name, make([]byte, 10))
		fails(t, unix.EOPNOTSUPP, err, "getxattr of %q", name)
		fails(t, unix.EOPNOTSUPP, unix.Removexattr(dir+"/f", name), "removexattr of %q", name)
	}
	ok(t, unix.Setxattr(dir+"/f", "security.of-some-module", []byte("x"), 0), "setxattr of security.*")
	xattrsAre(t, dir+"/f", "security.of-some-module")
}

func xattrTrusted(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o666)
	ok(t, unix.Setxattr(dir+"/f", "trusted.a", []byte("secret"), 0), "setxattr")
	ok(t, unix.Setxattr(dir+"/f", "user.a", []byte("open"), 0), "setxattr")
	xattrsAre(t, dir+"/f", "trusted.a", "user.a")
	xattrTrustedStep.run(t, alice, dir+"/f")
	equal(t, getXattr(t, dir+"/f", "trusted.a"), "secret", "the attribute")
}

var xattrTrustedStep = newStep("reach for trusted attributes", func(p *process, arguments []string) {
	path := arguments[0]
	_, err := unix.Getxattr(path, "trusted.a", make([]byte, 10))
	fails(p, unix.ENODATA, err, "getxattr")
	fails(p, unix.EPERM, unix.Setxattr(path, "trusted.a", []byte("x"), 0), "setxattr")
	fails(p, unix.EPERM, unix.Removexattr(path, "trusted.a"), "removexattr")
	fails(p, unix.EPERM, unix.Setxattr(path, "security.a", []byte("x"), 0), "setxattr of security.*")
	xattrsAre(p, path, "user.a")
})

func xattrRights(t *testing.T, dir string) {
	for mode, name := range map[uint32]string{0o600: "/none", 0o644: "/read", 0o622: "/write", 0o666: "/both"} {
		touch(t, dir+name, mode)
		ok(t, unix.Setxattr(dir+name, "user.a", []byte("x"), 0), "setxattr")
	}
	mkdir(t, dir+"/sticky", 0o1777)
	xattrRightsStep.run(t, alice, dir)
}

var xattrRightsStep = newStep("reach for others' attributes", func(p *process, arguments []string) {
	dir, value := arguments[0], make([]byte, 10)
	for name, want := range map[string][2]string{"/none": {"EACCES", "EACCES"}, "/read": {"success", "EACCES"},
		"/write": {"EACCES", "success"}, "/both": {"success", "success"}} {
		_, err := unix.Getxattr(dir+name, "user.a", value)
		equal(p, errnoName(err), want[0], "getxattr of %s", name)
		equal(p, errnoName(unix.Setxattr(dir+name, "user.a", value, 0)), want[1], "setxattr of %s", name)
		equal(p, errnoName(unix.Removexattr(dir+name, "user.a")), want[1], "removexattr of %s", name)
		_, err = unix.Listxattr(dir+name, value)
		ok(p, err, "listxattr of %s", name)
	}
	fails(p, unix.EPERM, unix.Setxattr(dir+"/sticky", "user.a", value, 0), "setxattr of another's sticky directory")
	fails(p, unix.EPERM, unix.Lsetxattr(dir+"/none", "trusted.a", value, 0), "setxattr of trusted.*")
})

func xattrStamps(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	for what, change := range map[string]func() error{
		"setxattr":      func() error { return unix.Setxattr(dir+"/f", "user.a", []byte("x"), 0) },
		"setting again": func() error { return unix.Setxattr(dir+"/f", "user.a", []byte("x"), 0) },
	} {
		before := f.stat(t)
		tick(t)
		ok(t, change(), "%s", what)
		after := f.stat(t)
		isTrue(t, after.Ctim.Nano() > before.Ctim.Nano(), "%s moves ctime", what)
		equal(t, after.Mtim, before.Mtim, "mtime after %s", what)
	}
	before := f.stat(t)
	tick(t)
	ok(t, unix.Removexattr(dir+"/f", "user.a"), "removexattr")
	isTrue(t, nanos(f.stat(t).Ctim) > before.Ctim.Nano(), "removexattr moves ctime")
}

func xattrInode(t *testing.T, dir string) {
	f := create(t, dir+"/f")
	ok(t, unix.Setxattr(dir+"/f", "user.a", []byte("x"), 0), "setxattr")
	ok(t, unix.Rename(dir+"/f", dir+"/g"), "rename")
	ok(t, unix.Link(dir+"/g", dir+"/h"), "link")
	equal(t, getXattr(t, dir+"/h", "user.a"), "x", "by another name")
	touch(t, dir+"/f", 0o644)
	xattrsAre(t, dir+"/f")
	ok(t, unix.Unlink(dir+"/g"), "unlink")
	ok(t, unix.Unlink(dir+"/h"), "unlink")
	value := make([]byte, 10)
	n, err := unix.Fgetxattr(f.fd, "user.a", value)
	ok(t, err, "fgetxattr without a name")
	sameBytes(t, value[:n], []byte("x"), "without a name")
	p := open(t, dir+"/f", pathDescriptor, 0)
	fails(t, unix.EBADF, unix.Fsetxattr(p.fd, "user.a", value, 0), "fsetxattr of a path descriptor")
}

func xattrMissing(t *testing.T, dir string) {
	_, err := unix.Getxattr(dir+"/none", "user.a", nil)
	fails(t, unix.ENOENT, err, "getxattr")
	_, err = unix.Listxattr(dir+"/none", nil)
	fails(t, unix.ENOENT, err, "listxattr")
	fails(t, unix.ENOENT, unix.Setxattr(dir+"/none", "user.a", nil, 0), "setxattr")
	fails(t, unix.ENOENT, unix.Removexattr(dir+"/none", "user.a"), "removexattr")
}
