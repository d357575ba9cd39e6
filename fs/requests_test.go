package fs

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Opcodes as the kernel's fuse.h numbers them.
const (
	opLookup      = 1
	opForget      = 2
	opGetattr     = 3
	opSetattr     = 4
	opMkdir       = 9
	opUnlink      = 10
	opOpen        = 14
	opRead        = 15
	opWrite       = 16
	opStatfs      = 17
	opRelease     = 18
	opSetxattr    = 21
	opGetxattr    = 22
	opOpendir     = 27
	opReaddir     = 28
	opCreate      = 35
	opInterrupt   = 36
	opBatchForget = 42
	opFallocate   = 43
	lastOpcode    = 60
)

func words(values ...uint32) []byte {
	var data []byte
	for _, value := range values {
		data = le.AppendUint32(data, value)
	}
	return data
}

// createBody is struct fuse_create_in and the name.
func createBody(flags, mode uint32, name string) []byte {
	return append(append(words(flags, mode, 0o022, 0), name...), 0)
}

// create makes a file and returns its node and handle.
func (k *fakeKernel) create(name string) (node, handle uint64) {
	k.t.Helper()
	errno, body := k.call(message{opcode: opCreate, unique: 3, node: 1,
		body: createBody(unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, 0o666|unix.S_IFREG, name)})
	if errno != 0 {
		k.t.Fatalf("CREATE: errno %d", -errno)
	}
	if len(body) != entryOutSize+openOutSize {
		k.t.Fatalf("CREATE replied with %d bytes", len(body))
	}
	return le.Uint64(body), le.Uint64(body[entryOutSize:])
}

func TestCreateAppliesUmask(t *testing.T) {
	kernel := newFakeKernel(t)
	node, _ := kernel.create("a")
	errno, body := kernel.call(message{opcode: opGetattr, unique: 4, node: node, body: make([]byte, 16)})
	if errno != 0 {
		t.Fatalf("GETATTR: errno %d", -errno)
	}
	if mode := le.Uint32(body[16+60:]); mode != unix.S_IFREG|0o644 {
		t.Errorf("mode is %o", mode)
	}
}

func TestUnknownOpcodes(t *testing.T) {
	kernel := newFakeKernel(t)
	for _, opcode := range []uint32{0, 7, 37, 39, lastOpcode, 4096, 1<<32 - 1} {
		errno, _ := kernel.call(message{opcode: opcode, unique: 5, node: 1, body: make([]byte, 64)})
		if errno != -int32(unix.ENOSYS) {
			t.Errorf("opcode %d: errno %d", opcode, -errno)
		}
	}
	if !strings.Contains(kernel.log.String(), "opcode 4096 is not served") {
		t.Errorf("the log does not name the opcode:\n%s", kernel.log)
	}
}

// TestShortMessages cuts requests off at every length: each is refused or not decoded, none changes anything.
func TestShortMessages(t *testing.T) {
	kernel := newFakeKernel(t)
	node, handle := kernel.create("keep")
	before := kernel.state()
	write := append(make([]byte, 40), "data"...)
	le.PutUint64(write, handle)
	le.PutUint32(write[16:], 4)
	whole := []message{
		{opcode: opMkdir, body: append(words(0o755, 0), "dir\x00"...)},
		{opcode: opCreate, body: createBody(unix.O_RDWR, 0o644|unix.S_IFREG, "new")},
		{opcode: opUnlink, body: []byte("keep\x00")},
		{opcode: opWrite, body: write},
		{opcode: opcodeRename2, body: append(append(le.AppendUint64(nil, 1), words(0, 0)...), "keep\x00gone\x00"...)},
		{opcode: opcodeTmpfile, body: createBody(unix.O_RDWR, 0o644|unix.S_IFREG, "")},
		{opcode: opcodeLseek, body: make([]byte, 24)},
		{opcode: opcodeStatx, body: make([]byte, statxInSize)},
	}
	for _, m := range whole {
		m.unique, m.node = 6, 1
		if m.opcode == opWrite {
			m.node = node
		}
		for length := range len(m.body) {
			if m.opcode == opcodeTmpfile && length >= 16 {
				continue // the name behind the structure means nothing
			}
			cut := m
			cut.body = m.body[:length]
			kernel.write(cut)
			if !kernel.step() {
				kernel.silent()
				continue
			}
			if errno, _ := kernel.reply(6); errno >= 0 {
				t.Errorf("opcode %d with %d of %d bytes was done", m.opcode, length, len(m.body))
			}
		}
	}
	for length := range inHeaderSize {
		kernel.writeBytes(make([]byte, max(length, 1)))
		if kernel.step() {
			t.Errorf("a message of %d bytes was taken for a request", length)
		}
	}
	if !strings.Contains(kernel.log.String(), "cannot be decoded") {
		t.Error("the log does not say that a message could not be decoded")
	}
	if after := kernel.state(); after != before {
		t.Errorf("malformed messages changed the tree:\n%s\n%s", before, after)
	}
}

// state describes the root directory and everything charged.
func (k *fakeKernel) state() string {
	var text strings.Builder
	errno, body := k.call(message{opcode: opOpendir, unique: 7, node: 1, body: make([]byte, 8)})
	if errno != 0 {
		k.t.Fatalf("OPENDIR: errno %d", -errno)
	}
	handle := le.Uint64(body)
	read := make([]byte, 40)
	le.PutUint64(read, handle)
	le.PutUint32(read[16:], 64<<10)
	_, names := k.call(message{opcode: opReaddir, unique: 8, node: 1, body: read})
	for len(names) > 0 {
		length := le.Uint32(names[16:])
		text.Write(names[direntSize : direntSize+length])
		text.WriteByte('\n')
		names = names[(direntSize+length+7)&^7:]
	}
	release := make([]byte, 24)
	le.PutUint64(release, handle)
	if errno, _ := k.call(message{opcode: 29, unique: 9, node: 1, body: release}); errno != 0 {
		k.t.Fatalf("RELEASEDIR: errno %d", -errno)
	}
	_, usage := k.call(message{opcode: opStatfs, unique: 10, node: 1})
	text.Write(usage[:16])
	return text.String()
}

func TestWrongSizes(t *testing.T) {
	kernel := newFakeKernel(t)
	node, handle := kernel.create("a")
	const sizeValid = 1 << 3
	for _, size := range []uint64{1 << 63, 1<<64 - 1, 1<<63 - 1, 1 << 40, 1<<20 + 1} {
		body := make([]byte, 88)
		le.PutUint32(body, sizeValid)
		le.PutUint64(body[16:], size)
		if errno, _ := kernel.call(message{opcode: opSetattr, unique: 11, node: node, body: body}); errno >= 0 {
			t.Errorf("a size of %d was taken", size)
		}
	}
	for _, extent := range [][2]uint64{{0, 0}, {1 << 63, 1}, {1, 1 << 63}, {1<<63 - 1, 1}, {0, 1<<20 + 1}} {
		body := le.AppendUint64(nil, handle)
		body = le.AppendUint64(body, extent[0])
		body = le.AppendUint64(body, extent[1])
		body = append(body, words(0, 0)...)
		if errno, _ := kernel.call(message{opcode: opFallocate, unique: 12, node: node, body: body}); errno >= 0 {
			t.Errorf("an allocation of %d bytes at %d was done", extent[1], extent[0])
		}
	}
	errno, body := kernel.call(message{opcode: opGetattr, unique: 13, node: node, body: make([]byte, 16)})
	if size := le.Uint64(body[16+8:]); errno != 0 || size != 0 {
		t.Errorf("the size is %d, errno %d", size, -errno)
	}
}

func TestUnknownNodesAndHandles(t *testing.T) {
	kernel := newFakeKernel(t)
	const nobody = 1 << 50
	for opcode, want := range map[uint32]unix.Errno{opGetattr: unix.ESTALE, opOpen: unix.ESTALE, opOpendir: unix.ESTALE,
		opRead: unix.EBADF, opRelease: 0} {
		body := make([]byte, 64)
		le.PutUint64(body, nobody)
		if errno, _ := kernel.call(message{opcode: opcode, unique: 14, node: nobody, body: body}); errno != -int32(want) {
			t.Errorf("opcode %d: errno %d, want %d", opcode, -errno, want)
		}
	}
	kernel.write(message{opcode: opForget, unique: 15, node: nobody, body: le.AppendUint64(nil, 1<<60)})
	kernel.step()
	kernel.silent()
}

// TestInterruptOvertakes has an INTERRUPT arrive for a request that was never seen: the kernel must be told to send it again.
func TestInterruptOvertakes(t *testing.T) {
	kernel := newFakeKernel(t)
	errno, _ := kernel.call(message{opcode: opInterrupt, unique: 17, body: le.AppendUint64(nil, 16)})
	if errno != -int32(unix.EAGAIN) {
		t.Errorf("errno %d", -errno)
	}
	kernel.f.inflight.begin(16)
	kernel.write(message{opcode: opInterrupt, unique: 17, body: le.AppendUint64(nil, 16)})
	kernel.step()
	kernel.silent()
	kernel.f.inflight.end(16)
}

func TestControlAttributes(t *testing.T) {
	kernel := newFakeKernel(t)
	get := func(name string) (int32, string) {
		errno, body := kernel.call(message{opcode: opGetxattr, unique: 18, node: 1, body: append(words(4096, 0), name+"\x00"...)})
		return errno, string(body)
	}
	if errno, text := get(kernel.f.control + controlOptions); errno != 0 || text != kernel.f.options.Load().String() {
		t.Errorf("options: errno %d, %q", -errno, text)
	}
	set := append(words(8, 0, 0, 0), kernel.f.control+controlOptions+"\x00size=2Gx"...)
	if errno, _ := kernel.call(message{opcode: opSetxattr, unique: 19, node: 1, body: set}); errno != -int32(unix.EINVAL) {
		t.Errorf("a bad remount: errno %d", -errno)
	}
	set = append(words(7, 0, 0, 0), kernel.f.control+controlOptions+"\x00size=2M"...)
	if errno, _ := kernel.call(message{opcode: opSetxattr, unique: 20, node: 1, body: set}); errno != 0 {
		t.Errorf("a remount: errno %d", -errno)
	}
	if size := kernel.f.options.Load().Size; size != 2<<20 {
		t.Errorf("the size is %d", size)
	}
}

func TestPanicCostsOnlyTheRequest(t *testing.T) {
	kernel := newFakeKernel(t)
	tree := kernel.f.tree
	kernel.f.tree = nil // makes any request that needs it panic
	errno, _ := kernel.call(message{opcode: opGetattr, unique: 21, node: 1, body: make([]byte, 16)})
	if errno != -int32(unix.EIO) {
		t.Errorf("errno %d", -errno)
	}
	kernel.f.tree = tree
	if errno, _ := kernel.call(message{opcode: opGetattr, unique: 22, node: 1, body: make([]byte, 16)}); errno != 0 {
		t.Errorf("errno %d after a panic", -errno)
	}
}
