package fs

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// attributesKernel is a fake kernel for requests about the attributes of one node.
type attributesKernel struct {
	*fakeKernel
	node uint64
	uid  uint64 // of who asks
}

// ask sends a request. Whatever it is, there is one reply to it, or none if it could not be decoded.
func (k *attributesKernel) ask(opcode uint32, body []byte) (errno int32, reply []byte, decoded bool) {
	k.t.Helper()
	k.write(message{opcode: opcode, unique: 50, node: k.node, uid: uint32(k.uid), gid: uint32(k.uid), pid: uint32(os.Getpid()), body: body})
	if !k.step() {
		k.silent()
		return 0, nil, false
	}
	errno, reply = k.reply(50)
	k.silent()
	if errno > 0 || errno < -4095 {
		k.t.Errorf("opcode %d: error %d is no errno", opcode, errno)
	}
	return errno, bytes.Clone(reply), true
}

// get returns an attribute's value.
func (k *attributesKernel) get(name string, room uint32) (int32, []byte) {
	k.t.Helper()
	errno, value, decoded := k.ask(opGetxattr, append(words(room, 0), name+"\x00"...))
	if !decoded {
		k.t.Fatalf("GETXATTR of %q was not decoded", name)
	}
	return errno, value
}

// FuzzAttributes sets, reads, lists and removes attributes of arbitrary names, sizes and values: of the root, of a file, of a semaphore and in the
// daemon's own tree. What is set is there whole, what is refused changes nothing, and options that are set are such as can be given.
func FuzzAttributes(f *testing.F) {
	for which := range uint8(4) {
		for _, name := range []string{
			"user.a", "trusted.a", "trusted.shmfs.options", "trusted.shmfs.pid", "user.shmfs.options", "user.shmfs.on-orphan", "security.capability",
			"security.a", "system.posix_acl_access", "system.posix_acl_default", "system.a", "none", "", ".", "user.", "user.\n\x1b[2J", strings.Repeat("x", 300),
		} {
			f.Add([]byte(name), []byte("keep"), uint32(4), uint32(0), which, uint32(100), false)
		}
		f.Add([]byte("trusted.shmfs.options"), []byte("size=2M,nr_inodes=0"), uint32(19), uint32(0), which, uint32(0), false)
		f.Add([]byte("user.a"), []byte("more than it says"), uint32(4), uint32(unix.XATTR_CREATE), which, uint32(3), true)
		f.Add([]byte("user.a"), []byte{}, uint32(1<<31), uint32(unix.XATTR_REPLACE), which, uint32(1<<31), false)
	}
	f.Fuzz(func(t *testing.T, name, value []byte, size, flags uint32, which uint8, room uint32, stranger bool) {
		if len(name)+len(value) > maxWrite {
			return
		}
		kernel := &attributesKernel{fakeKernel: newFakeKernel(t)}
		if stranger {
			kernel.uid = ann
		}
		file, _ := kernel.create("file")
		semaphore, handle := kernel.create("sem.a")
		kernel.mustWrite(semaphore, handle, 0, []byte("1\n"))
		kernel.node = []uint64{1, file, semaphore, kernel.find(kernel.find(1, infoName), "stats")}[which%4]
		before := kernel.f.options.Load().String()

		errno, _, decoded := kernel.ask(opSetxattr, append(words(size, flags, 0, 0), append(append(bytes.Clone(name), 0), value...)...))
		set := decoded && errno == 0
		if set && isInfo(kernel.node) {
			t.Errorf("%q of the daemon's own tree was set", name)
		}
		// Whoever else is read, nothing comes of it but an answer.
		kernel.ask(opGetxattr, append(words(room, 0), append(bytes.Clone(name), 0)...))
		kernel.ask(opListxattr, words(room, 0))
		text := string(name)
		whole := !bytes.Contains(name, []byte{0}) && int(size) == len(value)
		controls := kernel.node == 1 && strings.HasPrefix(text, kernel.f.control)
		if set && whole {
			kernel.requireThere(text, value, controls)
		}
		if after := kernel.f.options.Load().String(); after != before {
			if !set || text != kernel.f.control+controlOptions {
				t.Errorf("%q, set: %v, changed the options to %q", name, set, after)
			}
			if again, err := ParseOptions(after); err != nil || again.String() != after {
				t.Errorf("the options %q are read as %q, %v", after, again.String(), err)
			}
		}
		errno, _, decoded = kernel.ask(opRemovexattr, append(bytes.Clone(name), 0))
		if set && whole && !controls && (!decoded || errno != 0) {
			t.Errorf("%q was set and cannot be removed: errno %d", name, -errno)
		}
		if strings.Contains(kernel.log.String(), "panic") {
			t.Errorf("a panic:\n%s", kernel.log)
		}
		if errno, _ := kernel.call(message{opcode: opGetattr, unique: 100, node: 1, body: make([]byte, 16)}); errno != 0 {
			t.Errorf("the root is gone: errno %d", -errno)
		}
	})
}

// requireThere fails the test unless an attribute that was set is read as it was set.
func (k *attributesKernel) requireThere(name string, value []byte, controls bool) {
	k.t.Helper()
	const most = 64 << 10
	errno, got := k.get(name, most)
	if strings.HasPrefix(name, "system.") && errno == -int32(unix.ENODATA) {
		return // an access control list that says no more than the mode
	}
	if errno != 0 {
		k.t.Errorf("%q was set and cannot be read: errno %d", name, -errno)
		return
	}
	converted := strings.HasPrefix(name, "system.") || strings.HasPrefix(name, "security.") || controls // by the kernel, or by us
	if !converted && !bytes.Equal(got, value) {
		k.t.Errorf("%q was set to %q and is %q", name, value, got)
	}
	if errno, size := k.get(name, 0); errno != 0 || len(size) != 8 || int(le.Uint32(size)) != len(got) {
		k.t.Errorf("the size of %q is %v (errno %d), want %d", name, size, -errno, len(got))
	}
	if len(got) > 1 {
		if errno, _ := k.get(name, uint32(len(got)-1)); errno != -int32(unix.ERANGE) {
			k.t.Errorf("%q in too little room: errno %d", name, -errno)
		}
	}
	_, names, _ := k.ask(opListxattr, words(most, 0))
	listed := bytes.Contains(append([]byte{0}, names...), []byte("\x00"+name+"\x00"))
	hidden := controls || strings.HasPrefix(name, trustedClass) && k.uid != 0
	if listed == hidden {
		k.t.Errorf("%q is listed: %v, want %v", name, listed, !hidden)
	}
}

// TestRefusalsAreFew has somebody write what is no command, again and again.
func TestRefusalsAreFew(t *testing.T) {
	kernel := newFakeKernel(t)
	node, handle := kernel.create("sem.a")
	kernel.mustWrite(node, handle, 0, []byte("1\n"))
	const many = 20 * mostRefusals
	for range many {
		errno, _ := kernel.call(message{opcode: opWrite, unique: 9, node: node, body: writeBody(handle, 0, []byte("nonsense\n"))})
		if errno != -int32(unix.EINVAL) {
			t.Fatalf("errno %d", -errno)
		}
	}
	// It takes less than some seconds.
	if told := strings.Count(kernel.log.String(), "command refused"); told < 1 || told > many/2 {
		t.Errorf("%d of %d are in the log", told, many)
	}
}
