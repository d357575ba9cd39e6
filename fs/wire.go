package fs

import (
	"encoding/binary"
	"time"

	"shmfs/objects"

	"golang.org/x/sys/unix"
)

// The layouts in this file are those of the kernel's include/uapi/linux/fuse.h, which bazil either lacks or cannot fill in:
// its attributes drop the sticky bit, its open replies have no backing id.

// Flags of INIT. Those above bit 31 travel in flags2.
const (
	initAsyncRead         = 1 << 0
	initAtomicTruncate    = 1 << 3
	initExportSupport     = 1 << 4
	initBigWrites         = 1 << 5
	initAsyncDirectIO     = 1 << 15
	initDontMask          = 1 << 6 // the umask is ours to apply
	initParallelDirOps    = 1 << 18
	initPosixACL          = 1 << 20
	initMaxPages          = 1 << 22
	initKillPrivilegeV2   = 1 << 28
	initSetxattrExt       = 1 << 29
	initExt               = 1 << 30 // flags2 is valid
	initDirectIOAllowMmap = 1 << 36 // files whose reads and writes come to the daemon can be mapped shared (Linux 6.6)
	initPassthrough       = 1 << 37
	initHasResend         = 1 << 39
)

// Flags of an OPEN reply.
const (
	openDirectIO       = 1 << 0
	openKeepCache      = 1 << 1
	openStream         = 1 << 4 // there is no file position
	openNoFlush        = 1 << 5 // nothing to write back at close
	openParallelWrites = 1 << 6 // writes inside the file do not exclude each other
	openPassthrough    = 1 << 7
)

// Flags in requests.
const (
	openKillPrivileges    = 1 << 0  // OPEN's open_flags: clear setuid and setgid, the file is truncated
	writeKillPrivileges   = 1 << 2  // WRITE's write_flags
	setattrKillPrivileges = 1 << 11 // SETATTR's valid
	fsyncDataOnly         = 1 << 0  // FSYNC's fsync_flags
	setxattrKillSetgid    = 1 << 0  // SETXATTR's setxattr_flags: the access ACL is set by somebody outside the file's group
)

const (
	inHeaderSize  = 40
	outHeaderSize = 16
	attrSize      = 88
	entryOutSize  = 40 + attrSize
	openOutSize   = 16
	attrOutSize   = 16 + attrSize
	statfsOutSize = 80
	initOutSize   = 64
)

var le = binary.LittleEndian // FUSE is native-endian, and every machine shmfs runs on is little-endian

// Names change only through the mount, so the kernel may remember them, and that they are absent, for good. Directories'
// attributes change only with them. A file's change under a mapping, unseen, so those are asked for each time. What a semaphore's
// name leads to is the daemon's to choose at each lookup, and it appears without the kernel being told.
const (
	nameValid      = 24 * time.Hour
	semaphoreValid = 0
	directoryValid = 24 * time.Hour
	fileValid      = 0
)

func attributesValid(stat *unix.Stat_t) time.Duration {
	if stat.Mode&unix.S_IFMT == unix.S_IFDIR {
		return directoryValid
	}
	return fileValid
}

// putAttr encodes struct fuse_attr.
func putAttr(to []byte, stat *unix.Stat_t) {
	le.PutUint64(to[0:], stat.Ino)
	le.PutUint64(to[8:], uint64(stat.Size))
	le.PutUint64(to[16:], uint64(stat.Blocks))
	le.PutUint64(to[24:], uint64(stat.Atim.Sec))
	le.PutUint64(to[32:], uint64(stat.Mtim.Sec))
	le.PutUint64(to[40:], uint64(stat.Ctim.Sec))
	le.PutUint32(to[48:], uint32(stat.Atim.Nsec))
	le.PutUint32(to[52:], uint32(stat.Mtim.Nsec))
	le.PutUint32(to[56:], uint32(stat.Ctim.Nsec))
	le.PutUint32(to[60:], stat.Mode)
	le.PutUint32(to[64:], uint32(stat.Nlink))
	le.PutUint32(to[68:], stat.Uid)
	le.PutUint32(to[72:], stat.Gid)
	le.PutUint32(to[76:], uint32(stat.Rdev)) // stat(2) and the kernel pack device numbers alike
	le.PutUint32(to[80:], uint32(stat.Blksize))
	le.PutUint32(to[84:], 0) // flags
}

// putEntry encodes struct fuse_entry_out; the name may be remembered for valid.
func putEntry(to []byte, entry *objects.Entry, valid time.Duration) {
	le.PutUint64(to[0:], entry.ID)
	le.PutUint64(to[8:], uint64(entry.Generation))
	putDuration(to[16:], to[32:], valid)
	putDuration(to[24:], to[36:], attributesValid(&entry.Stat))
	putAttr(to[40:], &entry.Stat)
}

// putAbsent encodes a fuse_entry_out that says there is no such name, to be remembered for valid.
func putAbsent(to []byte, valid time.Duration) {
	putDuration(to[16:], to[32:], valid)
}

// putAttrOut encodes struct fuse_attr_out.
func putAttrOut(to []byte, stat *unix.Stat_t) {
	putDuration(to[0:], to[8:], attributesValid(stat))
	putAttr(to[16:], stat)
}

// putStatfs encodes struct fuse_statfs_out.
func putStatfs(to []byte, figures *unix.Statfs_t) {
	le.PutUint64(to[0:], figures.Blocks)
	le.PutUint64(to[8:], figures.Bfree)
	le.PutUint64(to[16:], figures.Bavail)
	le.PutUint64(to[24:], figures.Files)
	le.PutUint64(to[32:], figures.Ffree)
	le.PutUint32(to[40:], uint32(figures.Bsize))
	le.PutUint32(to[44:], uint32(figures.Namelen))
	le.PutUint32(to[48:], uint32(figures.Frsize))
}

// opening is what an OPEN or CREATE reply says.
type opening struct {
	handle    uint64
	flags     uint32
	backingID int32
}

// putOpening encodes struct fuse_open_out.
func putOpening(to []byte, o opening) {
	le.PutUint64(to[0:], o.handle)
	le.PutUint32(to[8:], o.flags)
	le.PutUint32(to[12:], uint32(o.backingID))
}

func putDuration(seconds, nanoseconds []byte, d time.Duration) {
	le.PutUint64(seconds, uint64(d/time.Second))
	le.PutUint32(nanoseconds, uint32(d%time.Second))
}
