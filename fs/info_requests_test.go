package fs

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"shmfs/objects"

	"golang.org/x/sys/unix"
)

// More opcodes as the kernel's fuse.h numbers them.
const (
	opSymlink     = 6
	opMknod       = 8
	opRmdir       = 11
	opRename      = 12
	opLink        = 13
	opFsync       = 20
	opListxattr   = 23
	opRemovexattr = 24
	opFlush       = 25
	opReleasedir  = 29
	opIoctl       = 39
	opPoll        = 40
)

// infoKernel is a fake kernel whose mount holds a file and a directory with a file, of which it knows nothing.
type infoKernel struct {
	*fakeKernel
	keep, dir, inside uint64            // their nodes in the objects' tree
	nodes             map[string]uint64 // of the daemon's own tree, by path below it
}

func newInfoKernel(t testing.TB) *infoKernel {
	t.Helper()
	k := &infoKernel{fakeKernel: newFakeKernel(t), nodes: make(map[string]uint64)}
	var handle uint64
	k.keep, handle = k.create("keep")
	k.mustCall(message{opcode: opRelease, node: k.keep, body: releaseBody(handle)})
	k.dir = le.Uint64(k.mustCall(message{opcode: opMkdir, node: 1, body: append(words(0o755, 0), "dir\x00"...)}))
	created := k.mustCall(message{opcode: opCreate, node: k.dir, body: createBody(unix.O_RDWR|unix.O_CREAT, 0o644|unix.S_IFREG, "in")})
	k.inside = le.Uint64(created)
	k.mustCall(message{opcode: opRelease, node: k.inside, body: releaseBody(le.Uint64(created[entryOutSize:]))})
	for _, node := range []uint64{k.keep, k.dir, k.inside} {
		k.forget(node, 1)
	}
	k.wantNoReferences()
	for _, path := range []string{
		"", "events", "version", "objects", "stats", "maps", "object", "object/keep", "object/dir", "object/dir/in",
	} {
		k.nodes[path] = k.walk(path)
	}
	return k
}

// walk looks a path below .shmfs up, name by name, and holds on to the last node only.
func (k *infoKernel) walk(path string) uint64 {
	k.t.Helper()
	node := k.lookup(1, infoName)
	for name := range strings.SplitSeq(path, "/") {
		if name == "" {
			continue
		}
		parent := node
		node = k.lookup(parent, name)
		k.forget(parent, 1)
	}
	return node
}

func (k *infoKernel) lookup(parent uint64, name string) uint64 {
	k.t.Helper()
	return le.Uint64(k.mustCall(message{opcode: opLookup, node: parent, body: []byte(name + "\x00")}))
}

// forget gives references to a node back.
func (k *infoKernel) forget(node, count uint64) {
	k.t.Helper()
	k.write(message{opcode: opForget, unique: 98, node: node, body: le.AppendUint64(nil, count)})
	k.step()
	k.silent()
}

// forgetAll gives those to the tree's nodes back, in one request.
func (k *infoKernel) forgetAll() {
	k.t.Helper()
	body := words(uint32(len(k.nodes)), 0)
	for _, node := range k.nodes {
		body = le.AppendUint64(le.AppendUint64(body, node), 1)
	}
	k.write(message{opcode: opBatchForget, unique: 97, body: body})
	k.step()
	k.silent()
}

// mustCall fails the test unless a request is done.
func (k *fakeKernel) mustCall(m message) []byte {
	k.t.Helper()
	m.unique = 96
	errno, body := k.call(m)
	if errno != 0 {
		k.t.Fatalf("opcode %d on node %#x: errno %d", m.opcode, m.node, -errno)
	}
	return body
}

func (k *fakeKernel) wantErrno(what string, m message, want unix.Errno) {
	k.t.Helper()
	m.unique = 95
	if errno, _ := k.call(m); errno != -int32(want) {
		k.t.Errorf("%s: errno %d, want %d", what, -errno, want)
	}
}

// wantNoReferences fails unless nothing refers to the objects, nor is anything open.
func (k *infoKernel) wantNoReferences() {
	k.t.Helper()
	for _, node := range []uint64{k.keep, k.dir, k.inside} {
		if k.f.tree.Referred(node) {
			k.t.Errorf("node %d is referred to", node)
		}
	}
	if count := k.f.handles.count(); count != 0 {
		k.t.Errorf("%d handles are left", count)
	}
}

// whole is everything that no request to the tree may change.
func (k *infoKernel) whole() string {
	var text strings.Builder
	text.WriteString(k.state())
	for _, node := range []uint64{objects.RootID, k.keep, k.dir, k.inside} {
		stat, err := k.f.tree.Stat(node)
		stat.Atim = unix.Timespec{} // listing a directory moves it
		names, errNames := k.f.tree.Listxattr(node)
		fmt.Fprintf(&text, "%+v %v %q %v\n", stat, err, names, errNames)
	}
	return text.String()
}

// releaseBody is struct fuse_release_in.
func releaseBody(handle uint64) []byte {
	return append(le.AppendUint64(nil, handle), make([]byte, 16)...)
}

// readBody is struct fuse_read_in.
func readBody(handle uint64, offset int64, size, flags uint32) []byte {
	body := le.AppendUint64(le.AppendUint64(nil, handle), uint64(offset))
	return append(append(append(body, words(size, 0)...), make([]byte, 8)...), words(flags, 0)...)
}

// setattrBody is struct fuse_setattr_in, that sets what valid says to 1.
func setattrBody(valid uint32) []byte {
	body := bytes.Repeat([]byte{1, 0, 0, 0, 0, 0, 0, 0}, 11)
	le.PutUint32(body, valid)
	return body
}

// What only looks is done, and every reference that it took is one that the kernel gives back.
func TestInfoTreeKeepsCountOfReferences(t *testing.T) {
	kernel := newInfoKernel(t)
	for path, node := range kernel.nodes {
		kernel.mustCall(message{opcode: opGetattr, node: node, body: make([]byte, 16)})
		kernel.mustCall(message{opcode: opcodeStatx, node: node, body: make([]byte, statxInSize)})
		kernel.mustCall(message{opcode: opListxattr, node: node, body: words(4096, 0)})
		attribute := append(words(4096, 0), "user.a\x00"...)
		kernel.wantErrno("GETXATTR", message{opcode: opGetxattr, node: node, body: attribute}, unix.ENODATA)
		lookup := message{opcode: opLookup, node: node, body: []byte("nothing\x00")}
		kernel.wantErrno("LOOKUP of nothing in "+path, lookup, kernel.missing(path))
	}
	for _, node := range []uint64{kernel.keep, kernel.dir, kernel.inside} {
		if !kernel.f.tree.Referred(node) {
			t.Errorf("node %d is not referred to while its mirror is", node)
		}
	}
	kernel.lookup(kernel.nodes["object"], "keep")
	kernel.lookup(kernel.nodes["object"], "keep")
	kernel.forget(kernel.nodes["object/keep"], 2)
	if !kernel.f.tree.Referred(kernel.keep) {
		t.Error("two references given back were three")
	}
	kernel.forgetAll()
	kernel.wantNoReferences()
	kernel.forget(kernel.nodes["object/keep"], 1<<60) // more than there are
	unknown := message{opcode: opGetattr, node: mirrorOf(1 << 50), body: make([]byte, 16)}
	kernel.wantErrno("GETATTR of what nobody ever had", unknown, unix.ESTALE)
}

// missing is how the kernel learns that a path has nothing of a name.
func (k *infoKernel) missing(path string) unix.Errno {
	if slices.Contains([]string{"", "object", "object/dir"}, path) {
		return unix.ENOENT
	}
	return unix.ENOTDIR
}

func TestInfoFilesAreReadWhole(t *testing.T) {
	kernel := newInfoKernel(t)
	for path, node := range kernel.nodes {
		if kernel.missing(path) == unix.ENOENT || path == "events" {
			continue
		}
		handle := le.Uint64(kernel.mustCall(message{opcode: opOpen, node: node, body: words(unix.O_RDONLY, 0)}))
		whole := kernel.mustCall(message{opcode: opRead, node: node, body: readBody(handle, 0, 1<<16, 0)})
		if len(whole) == 0 || whole[len(whole)-1] != '\n' {
			t.Errorf("%s holds %q", path, whole)
		}
		var pieces []byte
		for {
			piece := kernel.mustCall(message{opcode: opRead, node: node, body: readBody(handle, int64(len(pieces)), 7, 0)})
			if len(piece) == 0 {
				break
			}
			pieces = append(pieces, piece...)
		}
		if !bytes.Equal(whole, pieces) {
			t.Errorf("%s in pieces is\n%s\nand whole\n%s", path, pieces, whole)
		}
		for _, offset := range []int64{-1, 1 << 62, -1 << 63} {
			kernel.mustCall(message{opcode: opRead, node: node, body: readBody(handle, offset, 1<<16, 0)})
		}
		// FLUSH's error is close(2)'s, unless it is that one.
		kernel.wantErrno("FLUSH", message{opcode: opFlush, node: node, body: releaseBody(handle)}, unix.ENOSYS)
		sync := append(le.AppendUint64(nil, handle), words(0, 0)...)
		kernel.wantErrno("FSYNC", message{opcode: opFsync, node: node, body: sync}, unix.EINVAL)
		kernel.wantErrno("IOCTL", message{opcode: opIoctl, node: node, body: make([]byte, 32)}, unix.ENOSYS)
		seek := append(le.AppendUint64(nil, handle), make([]byte, 16)...)
		kernel.wantErrno("LSEEK", message{opcode: opcodeLseek, node: node, body: seek}, unix.ENXIO)
		kernel.mustCall(message{opcode: opRelease, node: node, body: releaseBody(handle)})
		kernel.wantErrno("READ after RELEASE", message{opcode: opRead, node: node, body: readBody(handle, 0, 1, 0)}, unix.EBADF)
	}
	kernel.forgetAll()
	kernel.wantNoReferences()
}

func TestInfoEventsAreReadAndClosed(t *testing.T) {
	kernel := newInfoKernel(t)
	node := kernel.nodes["events"]
	handle := le.Uint64(kernel.mustCall(message{opcode: opOpen, node: node, body: words(unix.O_RDONLY, 0)}))
	read := message{opcode: opRead, node: node, body: readBody(handle, 0, 4096, unix.O_NONBLOCK)}
	kernel.wantErrno("READ without events", read, unix.EAGAIN)
	kernel.mustCall(message{opcode: opMkdir, node: 1, body: append(words(0o755, 0), "more\x00"...)})
	text := string(kernel.mustCall(read))
	if !strings.Contains(text, `"event":"create","object":"more"`) || !strings.HasSuffix(text, "}\n") {
		t.Errorf("the events are %q", text)
	}
	kernel.wantErrno("READ after the event", read, unix.EAGAIN)
	if readers := kernel.f.journal.Readers(); readers != 1 {
		t.Errorf("%d readers", readers)
	}
	kernel.mustCall(message{opcode: opRelease, node: node, body: releaseBody(handle)})
	if readers := kernel.f.journal.Readers(); readers != 0 {
		t.Errorf("%d readers after RELEASE", readers)
	}
	kernel.forgetAll()
	kernel.wantNoReferences()
}

// A directory shows each name once, with the number that its node has, in however small pieces it is read.
func TestInfoDirectoriesAreListed(t *testing.T) {
	kernel := newInfoKernel(t)
	own := []string{"object", "events"}
	for _, file := range infoFiles {
		own = append(own, file.name)
	}
	for path, want := range map[string][]string{"": own, "object": {"keep", "dir"}, "object/dir": {"in"}} {
		for _, size := range []uint32{64, 200, 4096} {
			names := kernel.list(kernel.nodes[path], size)
			for name, inode := range names {
				if name == "." || name == ".." {
					continue
				}
				node := kernel.lookup(kernel.nodes[path], name)
				if node != inode {
					t.Errorf("%s/%s is node %#x, listed as %#x", path, name, node, inode)
				}
				kernel.forget(node, 1)
			}
			for _, name := range append(want, ".", "..") {
				if _, found := names[name]; !found {
					t.Errorf("%q does not show %s", path, name)
				}
			}
			if len(names) != len(want)+2 {
				t.Errorf("%q shows %v", path, names)
			}
		}
	}
	kernel.wantErrno("OPENDIR of a file", message{opcode: opOpendir, node: kernel.nodes["version"], body: make([]byte, 8)}, unix.ENOTDIR)
	kernel.wantErrno("OPEN of a directory", message{opcode: opOpen, node: kernel.nodes[""], body: make([]byte, 8)}, unix.ESTALE)
	kernel.forgetAll()
	kernel.wantNoReferences()
}

// list returns a directory's names with their inode numbers, read by so many bytes at a time.
func (k *infoKernel) list(node uint64, size uint32) map[string]uint64 {
	k.t.Helper()
	handle := le.Uint64(k.mustCall(message{opcode: opOpendir, node: node, body: make([]byte, 8)}))
	names := make(map[string]uint64)
	for cursor := int64(0); ; {
		listed := k.mustCall(message{opcode: opReaddir, node: node, body: readBody(handle, cursor, size, 0)})
		if len(listed) == 0 {
			break
		}
		for len(listed) > 0 {
			length := le.Uint32(listed[16:])
			name := string(listed[direntSize : direntSize+length])
			if _, again := names[name]; again {
				k.t.Fatalf("%q is shown twice", name)
			}
			names[name] = le.Uint64(listed)
			cursor = int64(le.Uint64(listed[8:]))
			listed = listed[(direntSize+length+7)&^7:]
		}
	}
	k.mustCall(message{opcode: opReleasedir, node: node, body: releaseBody(handle)})
	return names
}

// What is removed while its mirror is known leaves no reference behind.
func TestMirrorOfWhatIsRemoved(t *testing.T) {
	kernel := newInfoKernel(t)
	kernel.mustCall(message{opcode: opUnlink, node: 1, body: []byte("keep\x00")})
	kernel.wantErrno("LOOKUP", message{opcode: opLookup, node: kernel.nodes["object"], body: []byte("keep\x00")}, unix.ENOENT)
	kernel.mustCall(message{opcode: opGetattr, node: kernel.nodes["object/keep"], body: make([]byte, 16)})
	handle := le.Uint64(kernel.mustCall(message{opcode: opOpen, node: kernel.nodes["object/keep"], body: words(unix.O_RDONLY, 0)}))
	text := kernel.mustCall(message{opcode: opRead, node: kernel.nodes["object/keep"], body: readBody(handle, 0, 4096, 0)})
	if want := "name: " + nameless(kernel.keep) + "\n"; !strings.HasPrefix(string(text), want) {
		t.Errorf("the text is\n%s\nwhich does not begin with %q", text, want)
	}
	kernel.mustCall(message{opcode: opRelease, node: kernel.nodes["object/keep"], body: releaseBody(handle)})
	kernel.forgetAll()
	kernel.wantNoReferences()
	kernel.wantErrno("GETATTR", message{opcode: opGetattr, node: kernel.nodes["object/keep"], body: make([]byte, 16)}, unix.ESTALE)
}

// FuzzInfoTree feeds the daemon's own tree arbitrary requests. Whatever comes, nothing panics and nothing changes.
func FuzzInfoTree(f *testing.F) {
	paths := []string{"", "version", "stats", "object", "object/keep", "object/dir", "object/dir/in", "events"}
	for i := range paths {
		f.Add(uint32(opLookup), uint64(i), []byte("keep\x00"))
		f.Add(uint32(opOpen), uint64(i), words(unix.O_RDONLY, 0))
		f.Add(uint32(opReaddir), uint64(i), readBody(1, 3, 4096, 0))
		f.Add(uint32(opSetattr), uint64(i), setattrBody(1<<3))
		f.Add(uint32(opcodeStatx), uint64(i), make([]byte, statxInSize))
		f.Add(uint32(opForget), uint64(i), le.AppendUint64(nil, 1))
	}
	f.Add(uint32(opLookup), uint64(len(paths)), []byte("keep\x00"))
	f.Add(uint32(opWrite), uint64(4), append(make([]byte, 16), append(words(4, 0, 0, 0, 0, 0), "data"...)...))
	f.Add(uint32(opLink), uint64(3), append(le.AppendUint64(nil, 1), "new\x00"...))
	f.Add(uint32(opRename), uint64(3), append(le.AppendUint64(nil, 1), "keep\x00new\x00"...))
	f.Add(uint32(opcodeRename2), uint64(3), append(make([]byte, 16), "keep\x00new\x00"...))
	f.Add(uint32(opCreate), uint64(5), createBody(unix.O_RDWR, 0o644|unix.S_IFREG, "new"))
	f.Add(uint32(opBatchForget), uint64(0), append(words(1, 0), make([]byte, 16)...))
	f.Fuzz(func(t *testing.T, opcode uint32, which uint64, body []byte) {
		if len(body) > maxWrite || opcode == opInterrupt {
			return // an INTERRUPT has no node
		}
		if opcode == opBatchForget && len(body) >= 4 && uint64(le.Uint32(body)) > uint64(len(body)) {
			return // bazil makes room for as many as the message says, and the kernel never says more than there are
		}
		kernel := newInfoKernel(t)
		kernel.mustCall(message{opcode: opOpen, node: kernel.nodes["stats"], body: words(unix.O_RDONLY, 0)})
		kernel.mustCall(message{opcode: opOpendir, node: kernel.nodes["object"], body: make([]byte, 8)})
		node := which&^apartBit | infoBit
		if which < uint64(len(paths)) {
			node = kernel.nodes[paths[which]]
		}
		before := kernel.whole()
		kernel.write(message{opcode: opcode, unique: 99, node: node, body: body})
		decoded := kernel.step()
		if decoded && opcode != opForget && opcode != opBatchForget && opcode != 41 { // NOTIFY_REPLY is no request
			if errno, _ := kernel.reply(99); errno > 0 || errno < -4095 {
				t.Errorf("opcode %d: error %d is no errno", opcode, errno)
			}
		}
		kernel.silent()
		if after := kernel.whole(); after != before {
			t.Errorf("opcode %d on node %#x changed\n%s\nto\n%s", opcode, node, before, after)
		}
		if strings.Contains(kernel.log.String(), "panic") {
			t.Errorf("opcode %d on node %#x:\n%s", opcode, node, kernel.log)
		}
	})
}
