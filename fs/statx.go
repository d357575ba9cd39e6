package fs

import (
	"bazil.org/fuse"
	"golang.org/x/sys/unix"
)

const (
	statxInSize  = 24
	statxOutSize = 32 + 256
)

func parseStatx(body []byte) (mask uint32, err error) {
	if len(body) < statxInSize {
		return 0, tooShort("STATX", body)
	}
	return le.Uint32(body[20:]), nil
}

// statx answers what GETATTR cannot: the birth time.
func (f *Filesystem) statx(r *fuse.UnrecognizedRequest, body []byte) {
	mask, err := parseStatx(body)
	if err != nil {
		f.fail(r, err)
		return
	}
	stat, err := f.tree.Statx(uint64(r.Node), mask)
	if err != nil {
		f.fail(r, err)
		return
	}
	message := make([]byte, outHeaderSize+statxOutSize)
	putStatx(message[outHeaderSize:], &stat)
	_ = f.answer(r, message)
}

// putStatx encodes struct fuse_statx_out.
func putStatx(to []byte, stat *unix.Statx_t) {
	valid := unix.Stat_t{Mode: uint32(stat.Mode)}
	putDuration(to[0:], to[8:], attributesValid(&valid))
	x := to[32:]
	le.PutUint32(x[0:], stat.Mask)
	le.PutUint32(x[4:], stat.Blksize)
	le.PutUint64(x[8:], stat.Attributes)
	le.PutUint32(x[16:], stat.Nlink)
	le.PutUint32(x[20:], stat.Uid)
	le.PutUint32(x[24:], stat.Gid)
	le.PutUint16(x[28:], stat.Mode)
	le.PutUint64(x[32:], stat.Ino)
	le.PutUint64(x[40:], stat.Size)
	le.PutUint64(x[48:], stat.Blocks)
	le.PutUint64(x[56:], stat.Attributes_mask)
	for i, time := range []unix.StatxTimestamp{stat.Atime, stat.Btime, stat.Ctime, stat.Mtime} {
		at := x[64+16*i:]
		le.PutUint64(at, uint64(time.Sec))
		le.PutUint32(at[8:], time.Nsec)
	}
	le.PutUint32(x[128:], stat.Rdev_major)
	le.PutUint32(x[132:], stat.Rdev_minor)
}
