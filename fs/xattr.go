package fs

import (
	"bytes"
	"fmt"
	"strings"

	"shmfs/fs/caller"

	"bazil.org/fuse"
	"golang.org/x/sys/unix"
)

func (f *Filesystem) getxattr(r *fuse.GetxattrRequest) {
	value, handled, err := f.readControl(r)
	if !handled {
		err = f.checkAttribute(r.Name)
	}
	if !handled && err == nil {
		value, err = f.tree.Getxattr(uint64(r.Node), r.Name)
	}
	f.answerSized(r, r.Size, value, err)
}

func (f *Filesystem) listxattr(r *fuse.ListxattrRequest) {
	names, err := f.tree.Listxattr(uint64(r.Node))
	if bytes.Contains(names, []byte(trustedClass)) && !seesTrusted(r) {
		names = withoutTrusted(names)
	}
	f.answerSized(r, r.Size, names, err)
}

const trustedClass = "trusted."

// seesTrusted says whether who asks has the capability without which the kernel shows nobody these attributes; root of a container has not.
func seesTrusted(r fuse.Request) bool {
	header := r.Hdr()
	identity := caller.Of(header.Pid, header.Uid, header.Gid)
	return identity.Capabilities&(1<<unix.CAP_SYS_ADMIN) != 0
}

// withoutTrusted leaves out the names that only root may see, as tmpfs does.
func withoutTrusted(names []byte) []byte {
	var visible []byte
	for name := range bytes.SplitAfterSeq(names, []byte{0}) {
		if !bytes.HasPrefix(name, []byte(trustedClass)) {
			visible = append(visible, name...)
		}
	}
	return visible
}

// answerSized replies to a request that asks for the size of a value (room is 0) or for the value if there is room for it.
func (f *Filesystem) answerSized(r fuse.Request, room uint32, value []byte, err error) {
	switch {
	case err != nil:
		f.fail(r, err)
	case room == 0:
		body := make([]byte, 8) // struct fuse_getxattr_out
		le.PutUint32(body, uint32(len(value)))
		f.answerBytes(r, body, nil)
	case int(room) < len(value):
		f.fail(r, fmt.Errorf("attribute of %d bytes for a buffer of %d: %w", len(value), room, unix.ERANGE))
	default:
		f.answerBytes(r, value, nil)
	}
}

func (f *Filesystem) setxattr(r *fuse.SetxattrRequest) {
	if handled, err := f.writeControl(r); handled {
		f.answerEmpty(r, err)
		return
	}
	err := f.checkAttribute(r.Name)
	if err == nil {
		err = f.checkOrphanAttribute(uint64(r.Node), r.Name, r.Xattr)
	}
	if err == nil {
		err = f.settingOrphanAttribute(uint64(r.Node), r.Name, numberOf(r), func() error { return f.setxattrOnce(r) })
	}
	if err == nil && r.SetxattrFlags&setxattrKillSetgid != 0 {
		err = f.tree.DropSetgid(uint64(r.Node))
	}
	f.answerEmpty(r, err)
}

func (f *Filesystem) removexattr(r *fuse.RemovexattrRequest) {
	err := f.checkAttribute(r.Name)
	if err == nil {
		err = f.removexattrOnce(r)
	}
	f.answerEmpty(r, err)
}

// removexattrOnce removes an attribute. One that is not there is no attempt, nor is an access control list, of which there may be none.
func (f *Filesystem) removexattrOnce(r *fuse.RemovexattrRequest) error {
	if strings.HasPrefix(r.Name, "system.") {
		return f.tree.Removexattr(uint64(r.Node), r.Name)
	}
	if _, done := f.outcome(r); !done {
		if _, err := f.tree.Getxattr(uint64(r.Node), r.Name); err != nil {
			return err
		}
	}
	what := attempt{kind: attemptRemoveAttribute, node: uint64(r.Node), name: r.Name}
	_, _, err := f.once(r, what, func() (uint64, error) { return 0, f.tree.Removexattr(uint64(r.Node), r.Name) })
	return err
}

// setxattrOnce sets an attribute. Only one that must not be there yet makes a difference when it is set again.
func (f *Filesystem) setxattrOnce(r *fuse.SetxattrRequest) error {
	set := func() (uint64, error) {
		return 0, f.tree.Setxattr(uint64(r.Node), r.Name, r.Xattr, int(r.Flags))
	}
	if r.Flags&unix.XATTR_CREATE == 0 {
		_, err := set()
		return err
	}
	if _, err := f.tree.Getxattr(uint64(r.Node), r.Name); err == nil {
		if _, done := f.outcome(r); !done {
			return fmt.Errorf("setting attribute %q: %w", r.Name, unix.EEXIST)
		}
	}
	_, _, err := f.once(r, attempt{kind: attemptSetAttribute, node: uint64(r.Node), name: r.Name}, set)
	return err
}

// checkAttribute refuses access control lists where the kernel would store but not obey them.
func (f *Filesystem) checkAttribute(name string) error {
	if f.agreed.flags&initPosixACL == 0 && strings.HasPrefix(name, "system.posix_acl_") {
		return fmt.Errorf("access control lists in this mode: %w", unix.EOPNOTSUPP)
	}
	return nil
}
