package objects

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func (w *world) listXattrs(t *testing.T, id uint64) []string {
	t.Helper()
	names, err := w.tree.Listxattr(id)
	wantNoError(t, "Listxattr", err)
	list := strings.FieldsFunc(string(names), func(r rune) bool { return r == 0 })
	list = slices.DeleteFunc(list, func(name string) bool { return strings.HasPrefix(name, "security.") })
	slices.Sort(list)
	return list
}

func TestExtendedAttributes(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		entry := w.create(t, "file")
		values := map[string][]byte{
			"user.text":    []byte("value"),
			"user.empty":   {},
			"user.binary":  {0, 1, 0xff, 0},
			"user.large":   bytes.Repeat([]byte("x"), 2000),
			"trusted.root": []byte("only"),
		}
		for name, value := range values {
			wantNoError(t, "Setxattr "+name, w.tree.Setxattr(entry.ID, name, value, 0))
		}
		for name, value := range values {
			got, err := w.tree.Getxattr(entry.ID, name)
			wantNoError(t, "Getxattr "+name, err)
			if !bytes.Equal(got, value) {
				t.Errorf("%s is %q, want %q", name, got, value)
			}
		}
		want := []string{"trusted.root", "user.binary", "user.empty", "user.large", "user.text"}
		wantSame(t, "attributes", w.listXattrs(t, entry.ID), want)
		for _, name := range want {
			wantNoError(t, "Removexattr "+name, w.tree.Removexattr(entry.ID, name))
		}
		wantSame(t, "attributes", w.listXattrs(t, entry.ID), nil)
		w.wantUsed(t, 0)
	})
}

func TestExtendedAttributeErrors(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		entry := w.create(t, "file")
		_, err := w.tree.Getxattr(entry.ID, "user.absent")
		wantError(t, "Getxattr", err, unix.ENODATA)
		wantError(t, "Removexattr", w.tree.Removexattr(entry.ID, "user.absent"), unix.ENODATA)
		wantError(t, "replacing", w.tree.Setxattr(entry.ID, "user.a", nil, unix.XATTR_REPLACE), unix.ENODATA)
		wantNoError(t, "creating", w.tree.Setxattr(entry.ID, "user.a", []byte("1"), unix.XATTR_CREATE))
		wantError(t, "creating again", w.tree.Setxattr(entry.ID, "user.a", []byte("2"), unix.XATTR_CREATE), unix.EEXIST)
		wantNoError(t, "replacing", w.tree.Setxattr(entry.ID, "user.a", []byte("3"), unix.XATTR_REPLACE))
		if got, err := w.tree.Getxattr(entry.ID, "user.a"); err != nil || string(got) != "3" {
			t.Errorf("%q, %v", got, err)
		}
		wantError(t, "no name space", w.tree.Setxattr(entry.ID, "nonsense", nil, 0), unix.EOPNOTSUPP)
		long := "user." + strings.Repeat("n", 255)
		wantError(t, "a name that is too long", w.tree.Setxattr(entry.ID, long, nil, 0), unix.ERANGE)
	})
}

// Attributes are the inode's: they stay without a name, and are a symbolic link's own.
func TestExtendedAttributesAreTheInodes(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		entry := w.create(t, "target")
		link, err := w.tree.Symlink(RootID, "link", "target", Caller{})
		wantNoError(t, "Symlink", err)
		wantNoError(t, "Setxattr", w.tree.Setxattr(link.ID, "trusted.mark", []byte("link"), 0))
		wantSame(t, "attributes of the target", w.listXattrs(t, entry.ID), nil)
		wantSame(t, "attributes of the link", w.listXattrs(t, link.ID), []string{"trusted.mark"})
		wantError(t, "a user attribute of a link", w.tree.Setxattr(link.ID, "user.mark", nil, 0), unix.EPERM)
		w.unlink(t, "target")
		wantNoError(t, "Setxattr without a name", w.tree.Setxattr(entry.ID, "user.mark", []byte("gone"), 0))
		if got, err := w.tree.Getxattr(entry.ID, "user.mark"); err != nil || string(got) != "gone" {
			t.Errorf("%q, %v", got, err)
		}
	})
}

// What the store itself keeps in extended attributes must not be taken for memory of the file's.
func TestAttributesAreNotCharged(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		directory := w.mkdir(t, "directory")
		// So long a list that a disk's file system gives what inherits it a block of its own.
		list := accessControlList(7, 7, 5)
		long := slices.Clone(list[:12])
		for user := range byte(60) {
			long = append(long, 0x02, 0, 7, 0, user+1, 0, 0, 0)
		}
		long = append(long, list[12:20]...)                        // the group
		long = append(long, 0x10, 0, 7, 0, 0xff, 0xff, 0xff, 0xff) // the mask
		long = append(long, list[20:]...)                          // others
		err := w.tree.Setxattr(directory.ID, "system.posix_acl_default", long, 0)
		wantNoError(t, "Setxattr (the temporary directory's file system needs access control lists)", err)
		for name, maker := range makers {
			entry, err := maker.call(w, directory.ID, "new", 0o600, Caller{})
			wantNoError(t, name, err)
			w.wantUsed(t, 0)
			w.removeAny(t, name, directory.ID, "new")
			w.tree.Forget(entry.ID, 1)
			w.wantUsed(t, 0)
		}
	})
}
