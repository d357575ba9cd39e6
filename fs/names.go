package fs

import (
	"errors"
	"os"

	"shmfs/objects"

	"bazil.org/fuse"
	"golang.org/x/sys/unix"
)

func (f *Filesystem) lookup(r *fuse.LookupRequest) {
	entry, err := f.tree.Lookup(uint64(r.Node), r.Name)
	if !errors.Is(err, unix.ENOENT) {
		f.answerEntry(r, entry, err)
		return
	}
	var message [outHeaderSize + entryOutSize]byte
	putAbsent(message[outHeaderSize:])
	_ = f.answer(r, message[:])
}

func (f *Filesystem) remove(r *fuse.RemoveRequest) {
	if r.Dir {
		f.answerEmpty(r, f.tree.Rmdir(uint64(r.Node), r.Name))
		return
	}
	f.answerEmpty(r, f.tree.Unlink(uint64(r.Node), r.Name))
}

// creator is who a created file will belong to, with the umask that is still to be applied: none when the kernel has done it.
func (f *Filesystem) creator(request fuse.Request, umask os.FileMode) objects.Caller {
	header := request.Hdr()
	caller := objects.Caller{UID: header.Uid, GID: header.Gid}
	if f.agreed.flags&initDontMask != 0 {
		caller.Umask = uint32(umask.Perm())
	}
	return caller
}

// unixMode undoes bazil's conversion of a mode.
func unixMode(mode os.FileMode) uint32 {
	bits := uint32(mode.Perm())
	for _, flag := range modeFlags {
		if mode&flag.mode != 0 {
			bits |= flag.bit
		}
	}
	switch {
	case mode&os.ModeCharDevice != 0:
		bits |= unix.S_IFCHR
	case mode&os.ModeDevice != 0:
		bits |= unix.S_IFBLK
	case mode.IsRegular():
		bits |= unix.S_IFREG
	}
	return bits
}

var modeFlags = []struct {
	mode os.FileMode
	bit  uint32
}{
	{os.ModeSetuid, unix.S_ISUID},
	{os.ModeSetgid, unix.S_ISGID},
	{os.ModeSticky, unix.S_ISVTX},
	{os.ModeDir, unix.S_IFDIR},
	{os.ModeSymlink, unix.S_IFLNK},
	{os.ModeNamedPipe, unix.S_IFIFO},
	{os.ModeSocket, unix.S_IFSOCK},
}
