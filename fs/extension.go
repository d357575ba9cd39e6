package fs

import (
	"bytes"
	"fmt"
	"os"

	"bazil.org/fuse"
	"golang.org/x/sys/unix"
)

// Opcodes that bazil does not decode.
const (
	opcodeRename2 = 45
	opcodeLseek   = 46
	opcodeTmpfile = 51
	opcodeStatx   = 52
)

// extension serves a request that bazil does not know.
func (f *Filesystem) extension(r *fuse.UnrecognizedRequest) {
	body, err := bodyOf(r)
	if err != nil {
		f.fail(r, fmt.Errorf("reading request of opcode %d: %w: %w", r.Opcode, err, unix.EIO))
		return
	}
	switch r.Opcode {
	case opcodeRename2:
		f.rename2(r, body)
	case opcodeLseek:
		f.lseek(r, body)
	case opcodeTmpfile:
		f.tmpfile(r, body)
	case opcodeStatx:
		f.statx(r, body)
	default:
		f.fail(r, fmt.Errorf("opcode %d is not served: %w", r.Opcode, unix.ENOSYS))
	}
}

// renameIn is struct fuse_rename2_in with the two names behind it.
type renameIn struct {
	newParent        uint64
	flags            uint32
	oldName, newName string
}

func parseRename2(body []byte) (in renameIn, err error) {
	const fixed = 16
	if len(body) < fixed {
		return in, tooShort("RENAME2", body)
	}
	in.newParent = le.Uint64(body)
	in.flags = le.Uint32(body[8:])
	names := bytes.Split(body[fixed:], []byte{0})
	if len(names) != 3 || len(names[2]) != 0 {
		return in, fmt.Errorf("RENAME2 without two names: %w", unix.EINVAL)
	}
	in.oldName, in.newName = string(names[0]), string(names[1])
	return in, nil
}

func (f *Filesystem) rename2(r *fuse.UnrecognizedRequest, body []byte) {
	in, err := parseRename2(body)
	if err == nil {
		err = f.rename(r, in.oldName, in.newParent, in.newName, uint(in.flags))
	}
	f.answerEmpty(r, err)
}

// lseekIn is struct fuse_lseek_in.
type lseekIn struct {
	handle uint64
	offset int64
	whence uint32
}

func parseLseek(body []byte) (in lseekIn, err error) {
	const size = 24
	if len(body) < size {
		return in, tooShort("LSEEK", body)
	}
	return lseekIn{le.Uint64(body), int64(le.Uint64(body[8:])), le.Uint32(body[16:])}, nil
}

func (f *Filesystem) lseek(r *fuse.UnrecognizedRequest, body []byte) {
	position, err := f.seek(body)
	f.answerBytes(r, le.AppendUint64(nil, uint64(position)), err)
}

func (f *Filesystem) seek(body []byte) (int64, error) {
	in, err := parseLseek(body)
	if err != nil {
		return 0, err
	}
	handle, err := f.handles.file(in.handle)
	if err != nil {
		return 0, err
	}
	if in.offset < 0 {
		return 0, fmt.Errorf("LSEEK to %d: %w", in.offset, unix.ENXIO) // before the file is beyond any data, tmpfs says
	}
	switch in.whence {
	case unix.SEEK_DATA:
		return handle.opened.object.Region().NextData(in.offset)
	case unix.SEEK_HOLE:
		return handle.opened.object.Region().NextHole(in.offset)
	}
	return 0, fmt.Errorf("LSEEK whence %d: %w", in.whence, unix.EINVAL)
}

// tmpfileIn is struct fuse_create_in; the name behind it means nothing.
type tmpfileIn struct {
	flags, mode, umask uint32
}

func parseTmpfile(body []byte) (in tmpfileIn, err error) {
	const size = 16
	if len(body) < size {
		return in, tooShort("TMPFILE", body)
	}
	return tmpfileIn{le.Uint32(body), le.Uint32(body[4:]), le.Uint32(body[8:])}, nil
}

func (f *Filesystem) tmpfile(r *fuse.UnrecognizedRequest, body []byte) {
	in, err := parseTmpfile(body)
	if err != nil {
		f.fail(r, err)
		return
	}
	if handle, replied := f.madeBefore(r); handle != nil {
		f.answerMadeFile(r, nameValid, handle, replied)
		return
	}
	entry, object, err := f.tree.Tmpfile(uint64(r.Node), in.mode&0o7777, f.creator(r, os.FileMode(in.umask)))
	if err == nil {
		err = f.answerCreated(r, entry, object, in.flags, nil)
	}
	if err != nil {
		f.fail(r, err)
	}
}

func tooShort(what string, body []byte) error {
	return fmt.Errorf("%s of %d bytes is too short: %w", what, len(body), unix.EINVAL)
}
