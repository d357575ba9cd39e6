package fs

import (
	"testing"

	"golang.org/x/sys/unix"
)

// FuzzRequests feeds the file system arbitrary messages. Whatever comes, the session goes on, and a request that was decoded
// gets exactly one well-formed reply if one is due.
func FuzzRequests(f *testing.F) {
	f.Add(uint32(opCreate), uint64(1), createBody(unix.O_RDWR, 0o644|unix.S_IFREG, "a"))
	f.Add(uint32(opMkdir), uint64(1), append(words(0o755, 0), "dir\x00"...))
	f.Add(uint32(opLookup), uint64(1), []byte("a\x00"))
	f.Add(uint32(opLookup), uint64(1), []byte("../a\x00"))
	f.Add(uint32(opSetattr), uint64(1), make([]byte, 88))
	f.Add(uint32(opWrite), uint64(1), make([]byte, 44))
	f.Add(uint32(opReaddir), uint64(1), make([]byte, 40))
	f.Add(uint32(opcodeRename2), uint64(1), append(make([]byte, 16), "a\x00b\x00"...))
	f.Add(uint32(opcodeLseek), uint64(1), make([]byte, 24))
	f.Add(uint32(opcodeTmpfile), uint64(1), createBody(unix.O_RDWR, 0o644, ""))
	f.Add(uint32(opcodeStatx), uint64(1), make([]byte, statxInSize))
	f.Add(uint32(opSetxattr), uint64(1), append(words(1, 0, 0, 0), "user.a\x00b"...))
	f.Fuzz(func(t *testing.T, opcode uint32, node uint64, body []byte) {
		if len(body) > maxWrite {
			return
		}
		if opcode == opBatchForget && len(body) >= 4 && uint64(le.Uint32(body)) > uint64(len(body)) {
			return // bazil makes room for as many as the message says, and the kernel never says more than there are
		}
		kernel := newFakeKernel(t)
		kernel.create("a")
		kernel.write(message{opcode: opcode, unique: 99, node: node, body: body})
		if !kernel.step() {
			kernel.silent()
			return
		}
		switch opcode {
		case opForget, opBatchForget, 41: // NOTIFY_REPLY is no request
			kernel.silent()
			return
		case opInterrupt:
			return // answered only when the request is unknown
		}
		if errno, _ := kernel.reply(99); errno > 0 || errno < -4095 {
			t.Errorf("opcode %d: error %d is no errno", opcode, errno)
		}
		kernel.silent()
		if errno, _ := kernel.call(message{opcode: opGetattr, unique: 100, node: 1, body: make([]byte, 16)}); errno != 0 {
			t.Errorf("the root is gone: errno %d", -errno)
		}
	})
}

// FuzzInit feeds the handshake arbitrary first messages: never a panic, never more than was offered.
func FuzzInit(f *testing.F) {
	init := make([]byte, 64)
	le.PutUint32(init, protocolMajor)
	le.PutUint32(init[4:], newestMinor)
	le.PutUint32(init[12:], 1<<32-1)
	le.PutUint32(init[16:], 1<<32-1)
	f.Add(message{opcode: initOpcode, unique: 2, body: init}.encode(), true, true)
	f.Add([]byte{}, false, false)
	f.Fuzz(func(t *testing.T, data []byte, privileged, passthrough bool) {
		_, agreed, err := parseInit(data, terms{privileged: privileged, passthrough: passthrough})
		if err != nil {
			return
		}
		offered := uint64(le.Uint32(data[inHeaderSize+12:]))
		if len(data) >= inHeaderSize+20 {
			offered |= uint64(le.Uint32(data[inHeaderSize+16:])) << 32
		}
		if agreed.flags&^offered != 0 {
			t.Errorf("flags %#x were granted that were not offered", agreed.flags&^offered)
		}
		if agreed.passthrough && !passthrough {
			t.Error("passthrough was granted that was not wanted")
		}
		if agreed.grants(initAtomicTruncate) && !agreed.passthrough {
			t.Error("O_TRUNC comes with OPEN in cached mode")
		}
		if !privileged && agreed.flags&privilegedFlags != 0 {
			t.Errorf("an ordinary user's mount has the flags %#x", agreed.flags&privilegedFlags)
		}
		putInit(make([]byte, initOutSize), agreed)
	})
}
