package fs

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// change is a request that would change something, without its node.
type change struct {
	name   string
	opcode uint32
	body   []byte
}

// changesOf are all requests that change a node, or a name in it if it is a directory.
func (k *infoKernel) changesOf(name string) []change {
	named := func(fixed ...uint32) []byte { return append(words(fixed...), name+"\x00"...) }
	to := func(node uint64, names string) []byte { return append(le.AppendUint64(nil, node), names...) }
	return []change{
		{"SETATTR of the mode", opSetattr, setattrBody(1 << 0)},
		{"SETATTR of the owner", opSetattr, setattrBody(1 << 1)},
		{"SETATTR of the size", opSetattr, setattrBody(1 << 3)},
		{"SETATTR of times", opSetattr, setattrBody(1<<4 | 1<<5)},
		{"SETATTR of nothing", opSetattr, setattrBody(0)},
		{"SYMLINK", opSymlink, []byte(name + "\x00target\x00")},
		{"MKNOD", opMknod, named(unix.S_IFREG|0o644, 0, 0, 0)},
		{"MKDIR", opMkdir, named(0o755, 0)},
		{"UNLINK", opUnlink, named()},
		{"RMDIR", opRmdir, named()},
		{"RENAME within", opRename, to(1, name+"\x00new\x00")},
		{"RENAME to here", opRename, to(k.nodes[""], "keep\x00"+name+"\x00")},
		{"RENAME to a mirror", opRename, to(k.nodes["object"], "keep\x00"+name+"\x00")},
		{"RENAME2", opcodeRename2, append(append(le.AppendUint64(nil, 1), words(0, 0)...), name+"\x00new\x00"...)},
		{"RENAME2 to exchange", opcodeRename2,
			append(append(le.AppendUint64(nil, 1), words(unix.RENAME_EXCHANGE, 0)...), name+"\x00keep\x00"...)},
		{"LINK", opLink, to(k.keep, name+"\x00")},
		{"CREATE", opCreate, createBody(unix.O_RDWR|unix.O_CREAT, 0o644|unix.S_IFREG, name)},
	}
}

// changesOfNode are those that a node's file alone can have.
func changesOfNode() []change {
	return []change{
		{"OPEN to write", opOpen, words(unix.O_WRONLY, 0)},
		{"OPEN to read and write", opOpen, words(unix.O_RDWR, 0)},
		{"OPEN to truncate", opOpen, words(unix.O_RDONLY|unix.O_TRUNC, 0)},
		{"WRITE", opWrite, append(make([]byte, 16), append(words(4, 0, 0, 0, 0, 0), "data"...)...)},
		{"FALLOCATE", opFallocate, append(make([]byte, 16), words(16, 0, 0, 0)...)},
		{"SETXATTR", opSetxattr, append(words(1, 0, 0, 0), "user.a\x00b"...)},
		{"REMOVEXATTR", opRemovexattr, []byte("user.a\x00")},
		{"TMPFILE", opcodeTmpfile, createBody(unix.O_RDWR, 0o644|unix.S_IFREG, "")},
	}
}

// others are changes outside that reach in: their node is the root.
func (k *infoKernel) others() []change {
	var all []change
	for _, one := range k.changesOf(infoName) {
		if one.opcode != opSetattr { // which is about the node alone
			all = append(all, one)
		}
	}
	for path, node := range k.nodes {
		to := func(names string) []byte { return append(le.AppendUint64(nil, node), names...) }
		all = append(all,
			change{"LINK of " + path, opLink, to("new\x00")},
			change{"RENAME into " + path, opRename, to("keep\x00new\x00")},
			change{"RENAME2 into " + path, opcodeRename2, append(append(le.AppendUint64(nil, node), words(0, 0)...), "keep\x00new\x00"...)},
		)
	}
	names := "keep\x00" + infoName + "\x00"
	return append(all,
		change{"RENAME over the tree", opRename, append(le.AppendUint64(nil, 1), names...)},
		change{"RENAME2 over the tree", opcodeRename2, append(append(le.AppendUint64(nil, 1), words(0, 0)...), names...)},
		change{"RENAME2 exchanged with the tree", opcodeRename2,
			append(append(le.AppendUint64(nil, 1), words(unix.RENAME_EXCHANGE, 0)...), names...)},
	)
}

// eachChange calls a function with every change of every node of the tree, of names in it and of its own.
func (k *infoKernel) eachChange(names []string, do func(what string, m message)) {
	for path, node := range k.nodes {
		for _, name := range names {
			for _, one := range k.changesOf(name) {
				do(fmt.Sprintf("%s of %q in .shmfs/%s", one.name, name, path), message{opcode: one.opcode, node: node, body: one.body})
			}
		}
		for _, one := range changesOfNode() {
			do(fmt.Sprintf("%s of .shmfs/%s", one.name, path), message{opcode: one.opcode, node: node, body: one.body})
		}
	}
	for _, one := range k.others() {
		do(one.name, message{opcode: one.opcode, node: 1, body: one.body})
	}
}

func TestInfoTreeRefusesEveryChange(t *testing.T) {
	kernel := newInfoKernel(t)
	before := kernel.whole()
	names := []string{"new", "keep", "version", infoName}
	kernel.eachChange(names, func(what string, m message) { kernel.wantErrno(what, m, unix.EPERM) })
	if after := kernel.whole(); after != before {
		t.Errorf("refused changes changed\n%s\nto\n%s", before, after)
	}
	kernel.forgetAll()
	kernel.wantNoReferences()
}

// Cut off at any length, a change is refused or not decoded.
func TestInfoTreeRefusesShortMessages(t *testing.T) {
	kernel := newInfoKernel(t)
	before := kernel.whole()
	kernel.eachChange([]string{"keep"}, func(what string, m message) {
		whole := m.body
		for length := range len(whole) {
			m.unique, m.body = 94, whole[:length]
			kernel.write(m)
			if !kernel.step() {
				kernel.silent()
				continue
			}
			if errno, _ := kernel.reply(94); errno >= 0 {
				t.Errorf("%s with %d of %d bytes was done", what, length, len(whole))
			}
		}
	})
	if after := kernel.whole(); after != before {
		t.Errorf("malformed changes changed\n%s\nto\n%s", before, after)
	}
	kernel.forgetAll()
	kernel.wantNoReferences()
}
