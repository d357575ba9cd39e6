package fs

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// What we ask of the kernel; it grants what it knows.
const (
	commonFlags = uint64(initAsyncRead | initBigWrites | initAsyncDirectIO | initDontMask | initParallelDirOps |
		initMaxPages | initKillPrivilegeV2 | initSetxattrExt | initExt | initHasResend)

	// privilegedFlags are asked for besides when the mount was made without fusermount3. An ordinary user's store takes no
	// access control lists for others, and has no file handles.
	privilegedFlags = uint64(initExportSupport | initPosixACL)

	passthroughFlags = uint64(initPassthrough | initAtomicTruncate)

	// cachedFlags let semaphores be mapped while their text is read and written. O_TRUNC must come as a SETATTR there: with
	// initAtomicTruncate the kernel would drop the pages of a semaphore that the daemon leaves as it is.
	cachedFlags = uint64(initDirectIOAllowMmap)
)

const (
	protocolMajor = 7
	// oldestMinor is the oldest protocol served: Linux 4.20, the first with max_pages. Older kernels lack what tmpfs semantics
	// need of FUSE.
	oldestMinor = 28
	// newestMinor bounds what we claim to speak, lest a later kernel expect replies of a shape we do not know.
	newestMinor = 45

	maxWrite  = 128 << 10 // bytes; bazil's buffer holds no more
	maxPages  = 256       // pages a request; bounds reads, since maxWrite is lower
	readAhead = 1 << 20   // bytes

	maxBackground       = 64
	congestionThreshold = 48
	initOpcode          = 26
)

// terms are what a mount asks of the kernel.
type terms struct {
	privileged  bool // the mount was made without fusermount3
	passthrough bool // if the kernel offers it
}

// flags are those to ask for where offered are to be had.
func (t terms) flags(offered uint64) uint64 {
	wanted := commonFlags
	if t.privileged {
		wanted |= privilegedFlags
	}
	if t.passthrough && offered&initPassthrough != 0 {
		return wanted | passthroughFlags
	}
	return wanted | cachedFlags
}

// agreement is what INIT settled.
type agreement struct {
	minor       uint32 // of protocol 7
	flags       uint64 // granted
	passthrough bool
}

// grants says whether the kernel granted all the flags.
func (a agreement) grants(flags uint64) bool { return a.flags&flags == flags }

// handshake reads the kernel's INIT from the device and answers it. EPROTO for a kernel too old.
func handshake(device int, asked terms) (agreement, error) {
	buffer := make([]byte, maxWrite+unix.Getpagesize())
	n, err := unix.Read(device, buffer)
	if err != nil {
		return agreement{}, fmt.Errorf("reading the kernel's INIT: %w", err)
	}
	unique, agreed, err := parseInit(buffer[:n], asked)
	if err != nil {
		return agreement{}, err
	}
	reply := make([]byte, outHeaderSize+initOutSize)
	putInit(reply[outHeaderSize:], agreed)
	if err := send(device, unique, reply, 0); err != nil {
		return agreement{}, fmt.Errorf("answering the kernel's INIT: %w", err)
	}
	return agreed, nil
}

// parseInit decodes struct fuse_in_header and fuse_init_in.
func parseInit(message []byte, asked terms) (unique uint64, agreed agreement, err error) {
	const oldInitIn = 16 // without flags2
	if len(message) < inHeaderSize+oldInitIn {
		return 0, agreed, fmt.Errorf("INIT of %d bytes is too short: %w", len(message), unix.EPROTO)
	}
	if opcode := le.Uint32(message[4:]); opcode != initOpcode {
		return 0, agreed, fmt.Errorf("first request has opcode %d, not INIT: %w", opcode, unix.EPROTO)
	}
	unique = le.Uint64(message[8:])
	in := message[inHeaderSize:]
	major, minor := le.Uint32(in), le.Uint32(in[4:])
	if major != protocolMajor || minor < oldestMinor {
		return 0, agreed, fmt.Errorf("the kernel speaks FUSE %d.%d, shmfs needs %d.%d (Linux 4.20) or later: %w",
			major, minor, protocolMajor, oldestMinor, unix.EPROTO)
	}
	offered := uint64(le.Uint32(in[12:]))
	if offered&initExt != 0 && len(in) >= oldInitIn+4 {
		offered |= uint64(le.Uint32(in[16:])) << 32
	}
	agreed.minor = min(minor, newestMinor)
	agreed.flags = asked.flags(offered) & offered
	agreed.passthrough = agreed.grants(initPassthrough)
	return unique, agreed, nil
}

// putInit encodes struct fuse_init_out.
func putInit(to []byte, agreed agreement) {
	le.PutUint32(to[0:], protocolMajor)
	le.PutUint32(to[4:], agreed.minor)
	le.PutUint32(to[8:], readAhead)
	le.PutUint32(to[12:], uint32(agreed.flags))
	le.PutUint16(to[16:], maxBackground)
	le.PutUint16(to[18:], congestionThreshold)
	le.PutUint32(to[20:], maxWrite)
	le.PutUint32(to[24:], 1) // time granularity, nanoseconds
	le.PutUint16(to[28:], maxPages)
	le.PutUint32(to[32:], uint32(agreed.flags>>32))
	if agreed.passthrough {
		le.PutUint32(to[36:], 1) // a backing file must not itself stand on a stacked file system
	}
}
