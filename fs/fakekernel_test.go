package fs

import (
	"bytes"
	"io"
	"os"
	"testing"
	"time"

	"shmfs/mmapcore"
	"shmfs/mmapcore/record"
	"shmfs/objects"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"
)

// cachedTerms are root's in cached mode.
var cachedTerms = terms{privileged: true}

// fakeKernel speaks FUSE to a Filesystem over a socket in place of /dev/fuse: it can say what no kernel would.
type fakeKernel struct {
	t      testing.TB
	f      *Filesystem
	log    *bytes.Buffer
	socket int
}

// message is one request.
type message struct {
	opcode       uint32
	unique, node uint64
	uid, gid     uint32
	pid          uint32 // of the calling thread
	body         []byte
}

func (m message) encode() []byte {
	data := make([]byte, inHeaderSize, inHeaderSize+len(m.body))
	le.PutUint32(data[0:], uint32(inHeaderSize+len(m.body)))
	le.PutUint32(data[4:], m.opcode)
	le.PutUint64(data[8:], m.unique)
	le.PutUint64(data[16:], m.node)
	le.PutUint32(data[24:], m.uid)
	le.PutUint32(data[28:], m.gid)
	le.PutUint32(data[32:], m.pid)
	return append(data, m.body...)
}

// newFakeKernel returns a kernel whose file system stands on a directory store, in cached mode.
func newFakeKernel(t testing.TB) *fakeKernel {
	t.Helper()
	store, err := mmapcore.OpenDirectory(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return newFakeKernelOn(t, store)
}

// newFakeKernelOn is newFakeKernel with another store, which it takes over.
func newFakeKernelOn(t testing.TB, store *mmapcore.Store) *fakeKernel {
	t.Helper()
	tree, err := objects.New(store, objects.NewLedger(1<<20))
	if err != nil {
		t.Fatal(err)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	timeout := unix.NsecToTimeval(int64(time.Minute)) // a missing reply fails rather than hangs
	if err := unix.SetsockoptTimeval(pair[1], unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
		t.Fatal(err)
	}
	log := &bytes.Buffer{}
	kernel := &fakeKernel{t: t, socket: pair[1], log: log}
	logger := hclog.New(&hclog.LoggerOptions{Level: hclog.Debug, Output: io.Writer(log)})
	kernel.f = newFilesystem(tree, newState(t), facts{Options: DefaultOptions(), Started: unix.NsecToTimespec(time.Now().UnixNano())}, logger)
	if err := kernel.f.attach(os.NewFile(uintptr(pair[0]), "/dev/fuse"), agreement{minor: newestMinor, flags: cachedTerms.flags(1<<64 - 1)}); err != nil {
		t.Fatal(err)
	}
	if err := kernel.f.takeUp(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := kernel.f.Close(); err != nil {
			t.Errorf("closing the file system: %v", err)
		}
		if err := unix.Close(pair[1]); err != nil {
			t.Errorf("closing the fake kernel's end: %v", err)
		}
	})
	return kernel
}

// newState begins a record.
func newState(t testing.TB) *state {
	t.Helper()
	memory, err := record.Create("shmfs-test")
	if err != nil {
		t.Fatal(err)
	}
	state, err := openState(memory)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func (k *fakeKernel) write(m message) { k.writeBytes(m.encode()) }

func (k *fakeKernel) writeBytes(data []byte) {
	if _, err := unix.Write(k.socket, data); err != nil {
		k.t.Fatalf("writing a request: %v", err)
	}
}

// step has the file system read and serve the one request that was written; false when it could not be decoded.
func (k *fakeKernel) step() bool {
	request, err := k.f.next()
	if err != nil {
		if !k.f.goOn(err) {
			k.t.Fatalf("a message ended the session: %v", err)
		}
		return false
	}
	k.f.serve(request)
	return true
}

// reply returns the next reply's error, as a negative errno or 0, and body.
func (k *fakeKernel) reply(unique uint64) (int32, []byte) {
	data := make([]byte, 2<<20)
	n := k.readReply(data)
	if n < outHeaderSize || int(le.Uint32(data)) != n {
		k.t.Fatalf("a reply of %d bytes says it has %d", n, le.Uint32(data))
	}
	if got := le.Uint64(data[8:]); got != unique {
		k.t.Fatalf("a reply to %d, not %d", got, unique)
	}
	return int32(le.Uint32(data[4:])), data[outHeaderSize:n]
}

// readReply reads the next reply whole.
func (k *fakeKernel) readReply(into []byte) int {
	for {
		n, err := unix.Read(k.socket, into)
		if err == unix.EINTR { // the runtime's own signals; the socket's timeout makes them show
			continue
		}
		if err != nil {
			k.t.Fatalf("reading a reply: %v", err)
		}
		return n
	}
}

// call sends a request and returns the reply.
func (k *fakeKernel) call(m message) (int32, []byte) {
	k.write(m)
	if !k.step() {
		k.t.Fatalf("opcode %d was not decoded", m.opcode)
	}
	return k.reply(m.unique)
}

// silent fails the test if there is a reply.
func (k *fakeKernel) silent() {
	n, _, err := unix.Recvfrom(k.socket, make([]byte, outHeaderSize), unix.MSG_DONTWAIT|unix.MSG_TRUNC)
	if err != unix.EAGAIN {
		k.t.Fatalf("an unexpected reply (%d bytes, %v)", n, err)
	}
}
