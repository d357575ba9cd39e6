//go:build crashpoints

package fs

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func newCrashWorld(t *testing.T) *crashWorld { return newCrashWorldUnder(t, Strict) }

func newCrashWorldUnder(t *testing.T, commit Commit) *crashWorld {
	w := &crashWorld{mortal: newMortalUnder(t, commit), nodes: map[string]uint64{}, handles: map[string]uint64{}}
	w.must("limiting", message{opcode: opSetxattr, node: 1, body: append(words(14, 0, 0, 0), zeroEnded(w.f.control+controlQuota, "1001 objects=1")...)})
	w.makeFile("file", "hello")
	w.makeFile("other", "other text")
	w.make("directory", message{opcode: opMkdir, node: 1, body: append(words(0o777, 0), zeroEnded("directory")...)})
	w.make("empty", message{opcode: opMkdir, node: 1, body: append(words(0o777, 0), zeroEnded("empty")...)})
	w.makeFile("first", "x")
	w.learn(w.must("linking", message{opcode: opLink, node: 1, body: append(le.AppendUint64(nil, w.nodes["first"]), zeroEnded("second")...)}))
	w.must("setting an attribute", message{opcode: opSetxattr, node: w.nodes["file"], body: append(words(3, 0, 0, 0), zeroEnded("user.old", "old")...)})
	w.makeFile("sem.a", "3\n")
	w.makeFile("sem.new", "")
	return w
}

func createOf(flags uint32, name string) func(*crashWorld) message {
	return func(*crashWorld) message {
		return message{opcode: opCreate, node: 1, body: createBody(unix.O_RDWR|unix.O_CREAT|flags, 0o666|unix.S_IFREG, name)}
	}
}

func renameOf2(old, to string, flags uint32) func(*crashWorld) message {
	return func(*crashWorld) message {
		return message{opcode: opcodeRename2, node: 1, body: append(append(le.AppendUint64(nil, 1), words(flags, 0)...), zeroEnded(old, to)...)}
	}
}

func named(opcode uint32, name string) func(*crashWorld) message {
	return func(*crashWorld) message { return message{opcode: opcode, node: 1, body: zeroEnded(name)} }
}

func setAttribute(name string, flags uint32) func(*crashWorld) message {
	return func(w *crashWorld) message {
		return message{opcode: opSetxattr, node: w.nodes["file"], body: append(words(3, flags, 0, 0), zeroEnded(name, "new")...)}
	}
}

func openOf(name string, flags uint32) func(*crashWorld) message {
	return func(w *crashWorld) message {
		return message{opcode: opOpen, node: w.nodes[name], body: words(flags, 0)}
	}
}

func sizeOf(name string, size uint64) func(*crashWorld) message {
	return func(w *crashWorld) message {
		body := make([]byte, 88)
		le.PutUint32(body, 1<<3)
		le.PutUint64(body[16:], size)
		return message{opcode: opSetattr, node: w.nodes[name], body: body}
	}
}

// sizeByHandleOf is sizeOf as ftruncate(2) asks for it.
func sizeByHandleOf(name string, size uint64) func(*crashWorld) message {
	return func(w *crashWorld) message {
		asked := sizeOf(name, size)(w)
		le.PutUint32(asked.body, 1<<3|1<<6)
		le.PutUint64(asked.body[8:], w.handles[name])
		return asked
	}
}

func writeOf(name string, length int) func(*crashWorld) message {
	return func(w *crashWorld) message {
		return message{opcode: opWrite, node: w.nodes[name], body: writeBody(w.handles[name], 0, make([]byte, length))}
	}
}

// allocationOf is a fallocate(2) with its mode.
func allocationOf(name string, mode uint32, offset, length uint64) func(*crashWorld) message {
	return func(w *crashWorld) message {
		body := le.AppendUint64(nil, w.handles[name])
		body = le.AppendUint64(body, offset)
		body = le.AppendUint64(body, length)
		return message{opcode: opFallocate, node: w.nodes[name], body: append(body, words(mode, 0)...)}
	}
}

// reserved has memory reserved behind a file's end before a request.
func reserved(name string, request func(*crashWorld) message) func(*crashWorld) message {
	return func(w *crashWorld) message {
		w.must("reserving", allocationOf(name, unix.FALLOC_FL_KEEP_SIZE, 0, 40000)(w))
		return request(w)
	}
}

func givenTo(name string, uid uint32) func(*crashWorld) message {
	return func(w *crashWorld) message {
		body := make([]byte, 88)
		le.PutUint32(body, 1<<1)
		le.PutUint32(body[76:], uid)
		return message{opcode: opSetattr, node: w.nodes[name], body: body}
	}
}

// crashRequest is a request; what it replies with begins with an entry, has a handle at an offset, or neither.
type crashRequest struct {
	request func(*crashWorld) message
	entry   bool
	handle  int // offset; -1: none
}

var crashRequests = map[string]crashRequest{
	"CREATE":                  {createOf(0, "made"), true, entryOutSize},
	"CREATE O_EXCL":           {createOf(unix.O_EXCL, "made"), true, entryOutSize},
	"CREATE O_EXCL of taken":  {createOf(unix.O_EXCL, "file"), true, -1},
	"CREATE of taken":         {createOf(0, "file"), true, -1},
	"CREATE sem":              {createOf(0, "sem.made"), true, entryOutSize},
	"CREATE sem O_EXCL":       {createOf(unix.O_EXCL, "sem.made"), true, entryOutSize},
	"CREATE sem O_EXCL taken": {createOf(unix.O_EXCL, "sem.a"), true, -1},
	"MKDIR": {func(*crashWorld) message {
		return message{opcode: opMkdir, node: 1, body: append(words(0o755, 0), zeroEnded("made")...)}
	}, true, -1},
	"MKDIR of taken": {func(*crashWorld) message {
		return message{opcode: opMkdir, node: 1, body: append(words(0o755, 0), zeroEnded("file")...)}
	}, true, -1},
	"MKNOD": {func(*crashWorld) message {
		return message{opcode: opMknod, node: 1, body: append(words(unix.S_IFIFO|0o600, 0, 0, 0), zeroEnded("made")...)}
	}, true, -1},
	"MKNOD sem": {func(*crashWorld) message {
		return message{opcode: opMknod, node: 1, body: append(words(unix.S_IFREG|0o600, 0, 0, 0), zeroEnded("sem.made")...)}
	}, true, -1},
	"SYMLINK": {func(*crashWorld) message {
		return message{opcode: opSymlink, node: 1, body: zeroEnded("made", string(slices.Repeat([]byte("t"), 300)))}
	}, true, -1},
	"TMPFILE": {func(*crashWorld) message {
		return message{opcode: opcodeTmpfile, node: 1, body: append(words(unix.O_RDWR, 0o600|unix.S_IFREG, 0, 0), 0)}
	}, true, entryOutSize},
	"LINK": {func(w *crashWorld) message {
		return message{opcode: opLink, node: 1, body: append(le.AppendUint64(nil, w.nodes["file"]), zeroEnded("made")...)}
	}, true, -1},
	"LINK of taken": {func(w *crashWorld) message {
		return message{opcode: opLink, node: 1, body: append(le.AppendUint64(nil, w.nodes["file"]), zeroEnded("other")...)}
	}, true, -1},
	"LINK sem": {func(w *crashWorld) message {
		return message{opcode: opLink, node: 1, body: append(le.AppendUint64(nil, w.nodes["sem.a"]), zeroEnded("sem.b")...)}
	}, true, -1},
	"UNLINK":                {named(opUnlink, "file"), false, -1},
	"UNLINK of a second":    {named(opUnlink, "second"), false, -1},
	"UNLINK of nothing":     {named(opUnlink, "nothing"), false, -1},
	"UNLINK of a directory": {named(opUnlink, "empty"), false, -1},
	"UNLINK sem":            {named(opUnlink, "sem.a"), false, -1},
	"RMDIR":                 {named(opRmdir, "empty"), false, -1},
	"RMDIR of a file":       {named(opRmdir, "file"), false, -1},
	"RENAME": {func(*crashWorld) message {
		return message{opcode: opRename, node: 1, body: append(le.AppendUint64(nil, 1), zeroEnded("file", "moved")...)}
	}, false, -1},
	"RENAME over":               {renameOf2("file", "other", 0), false, -1},
	"RENAME over itself":        {renameOf2("first", "second", 0), false, -1},
	"RENAME of nothing":         {renameOf2("nothing", "none", 0), false, -1},
	"RENAME over a directory":   {renameOf2("file", "directory", 0), false, -1},
	"RENAME of a directory":     {renameOf2("directory", "empty", 0), false, -1},
	"RENAME NOREPLACE":          {renameOf2("file", "moved", unix.RENAME_NOREPLACE), false, -1},
	"RENAME NOREPLACE of taken": {renameOf2("file", "other", unix.RENAME_NOREPLACE), false, -1},
	"RENAME NOREPLACE itself":   {renameOf2("first", "second", unix.RENAME_NOREPLACE), false, -1},
	"RENAME EXCHANGE":           {renameOf2("file", "other", unix.RENAME_EXCHANGE), false, -1},
	"RENAME EXCHANGE nothing":   {renameOf2("file", "nothing", unix.RENAME_EXCHANGE), false, -1},
	"RENAME WHITEOUT":           {renameOf2("file", "moved", unix.RENAME_WHITEOUT), false, -1},
	"RENAME sem to plain":       {renameOf2("sem.a", "plain", 0), false, -1},
	"RENAME plain to sem":       {renameOf2("file", "sem.b", 0), false, -1},
	"SETXATTR":                  {setAttribute("user.new", 0), false, -1},
	"SETXATTR CREATE":           {setAttribute("user.new", unix.XATTR_CREATE), false, -1},
	"SETXATTR CREATE taken":     {setAttribute("user.old", unix.XATTR_CREATE), false, -1},
	"SETXATTR REPLACE":          {setAttribute("user.old", unix.XATTR_REPLACE), false, -1},
	"SETXATTR REPLACE nothing":  {setAttribute("user.new", unix.XATTR_REPLACE), false, -1},
	"REMOVEXATTR": {func(w *crashWorld) message {
		return message{opcode: opRemovexattr, node: w.nodes["file"], body: zeroEnded("user.old")}
	}, false, -1},
	"REMOVEXATTR nothing": {func(w *crashWorld) message {
		return message{opcode: opRemovexattr, node: w.nodes["file"], body: zeroEnded("user.new")}
	}, false, -1},
	"OPEN":         {openOf("file", unix.O_RDWR), false, 0},
	"OPEN O_TRUNC": {openOf("file", unix.O_RDWR|unix.O_TRUNC), false, 0},
	"OPEN sem":     {openOf("sem.a", unix.O_RDWR), false, 0},
	"OPEN of a text": {func(w *crashWorld) message {
		return message{opcode: opOpen, node: infoFirstFile + 2, body: words(unix.O_RDONLY, 0)}
	}, false, 0},
	"RELEASE of a text": {func(w *crashWorld) message {
		body := w.must("opening", message{opcode: opOpen, node: infoFirstFile + 2, body: words(unix.O_RDONLY, 0)})
		return message{opcode: opRelease, node: infoFirstFile + 2, body: append(le.AppendUint64(nil, le.Uint64(body)), make([]byte, 16)...)}
	}, false, -1},
	"OPENDIR": {func(w *crashWorld) message { return message{opcode: opOpendir, node: 1, body: words(0, 0)} }, false, 0},
	"RELEASE": {func(w *crashWorld) message {
		return message{opcode: opRelease, node: w.nodes["file"], body: append(le.AppendUint64(nil, w.handles["file"]), make([]byte, 16)...)}
	}, false, -1},
	"RELEASE of a new sem": {func(w *crashWorld) message {
		return message{opcode: opRelease, node: w.nodes["sem.new"], body: append(le.AppendUint64(nil, w.handles["sem.new"]), make([]byte, 16)...)}
	}, false, -1},
	"RELEASE of a sem that is held": {func(w *crashWorld) message {
		w.must("acquiring", w.command("acquire 2"))
		return message{opcode: opRelease, node: w.nodes["sem.a"], body: append(le.AppendUint64(nil, w.handles["sem.a"]), make([]byte, 16)...)}
	}, false, -1},
	"WRITE acquire": {func(w *crashWorld) message { return w.command("acquire 2") }, false, -1},
	"WRITE release": {func(w *crashWorld) message {
		w.must("acquiring", w.command("acquire 2"))
		return w.command("release")
	}, false, -1},
	"WRITE several commands": {func(w *crashWorld) message { return w.command("post 2\nwait\nacquire\npost") }, false, -1},
	"WRITE":                  {writeOf("file", 9000), false, -1},
	"WRITE of a new sem": {func(w *crashWorld) message {
		return message{opcode: opWrite, node: w.nodes["sem.new"], body: writeBody(w.handles["sem.new"], 0, []byte("5\n"))}
	}, false, -1},
	"SETATTR size":          {sizeOf("file", 7000), false, -1},
	"SETATTR size of a sem": {sizeOf("sem.new", 32), false, -1},
	"SETATTR size to 0":     {sizeOf("other", 0), false, -1},
	"SETATTR of an O_TRUNC of a sem": {func(w *crashWorld) message {
		w.must("opening", openOf("sem.a", unix.O_WRONLY)(w))
		return sizeOf("sem.a", 0)(w)
	}, false, -1},
	"SETATTR owner":         {givenTo("other", 1000), false, -1},
	"SETATTR owner to root": {givenTo("file", 0), false, -1},
	"SETXATTR quota": {func(w *crashWorld) message {
		return message{opcode: opSetxattr, node: 1, body: append(words(17, 0, 0, 0), zeroEnded(w.f.control+controlQuota, "1000 bytes=65536\n")...)}
	}, false, -1},
	"LOOKUP":               {named(opLookup, "file"), true, -1},
	"LOOKUP sem":           {named(opLookup, "sem.a"), true, -1},
	"FALLOCATE":            {allocationOf("file", 0, 0, 20000), false, -1},
	"FALLOCATE KEEP_SIZE":  {allocationOf("file", unix.FALLOC_FL_KEEP_SIZE, 0, 20000), false, -1},
	"FALLOCATE PUNCH_HOLE": {reserved("file", allocationOf("file", unix.FALLOC_FL_KEEP_SIZE|unix.FALLOC_FL_PUNCH_HOLE, 0, 20000)), false, -1},
	// What is reserved behind the end stays when a file grows, and goes when its size is set to what it is.
	"FALLOCATE of reserved":               {reserved("file", allocationOf("file", 0, 0, 20000)), false, -1},
	"WRITE of reserved":                   {reserved("file", writeOf("file", 9000)), false, -1},
	"SETATTR size of reserved":            {reserved("file", sizeOf("file", 7000)), false, -1},
	"SETATTR size of reserved, by handle": {reserved("file", sizeByHandleOf("file", 7000)), false, -1},
	"SETATTR same size of reserved":       {reserved("file", sizeOf("file", 5)), false, -1},
	"SETATTR same size, by handle":        {reserved("file", sizeByHandleOf("file", 5)), false, -1},
	"SETATTR smaller size of reserved":    {reserved("file", sizeByHandleOf("file", 2)), false, -1},
}

// TestCrashEverywhere has a process die at each crash point that a request comes to, and others at those of taking up what it has left. The
// kernel gets the answer that it would have got, what was asked for has happened once, and who reads events was told of it once.
func TestCrashEverywhere(t *testing.T) {
	inProcesses(t, slices.Sorted(maps.Keys(crashRequests)), func(t *testing.T, name string) {
		request := crashRequests[name]
		request.crashEverywhere(t, Strict)
	})
}

// TestCrashUnderLazy does the same where memory is charged when it is touched, with what memory is reserved for.
func TestCrashUnderLazy(t *testing.T) {
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(crashRequests)), func(name string) bool { return !strings.Contains(name, "of reserved") })
	inProcesses(t, names, func(t *testing.T, name string) {
		request := crashRequests[name]
		request.crashEverywhere(t, Lazy)
	})
}

// crashEverywhere is as many deaths as there are crash points, one after another.
func (c *crashRequest) crashEverywhere(t *testing.T, commit Commit) {
	w := newCrashWorldUnder(t, commit)
	asked := c.request(w)
	listener := w.listen()
	errno, body := w.ask(asked)
	events, _ := listener.heard()
	after := w.picture()
	if errno == 0 {
		c.check(w, body)
	}
	w.finish()
	w.end()
	visited := map[string]bool{}
	for visit := 0; ; visit++ {
		w := newCrashWorldUnder(t, commit)
		if died := c.crash(w, visit, errno, after, events, visited); !died {
			break
		}
	}
	if len(visited) == 0 {
		t.Error("no crash point is visited")
	}
	if t.Failed() {
		t.Logf("the points are %q", slices.Sorted(maps.Keys(visited)))
	}
}

// crash is one death. False when there was none.
func (c *crashRequest) crash(w *crashWorld, visit int, want int32, after string, events []string, visited map[string]bool) bool {
	t := w.t
	defer w.end()
	asked := c.request(w)
	listener := w.listen()
	errno, body, point, died := w.crash(visit, asked)
	if !died {
		return false
	}
	visited[point] = true
	if errno != want {
		t.Errorf("dead at %q: errno %d, want %d", point, -errno, -want)
	}
	listener.require(point, events)
	if found := w.picture(); found != after {
		t.Errorf("dead at %q:\n%s\n\nwould be\n%s", point, found, after)
	}
	if errno == 0 {
		c.check(w, body)
	}
	w.finish()
	if t.Failed() {
		t.Errorf("dead at %q", point)
		t.Log(w.log)
		t.FailNow()
	}
	return true
}

// check demands that the reply is of use.
func (c *crashRequest) check(w *crashWorld, body []byte) {
	w.t.Helper()
	if c.entry {
		node := w.learn(body)
		w.must("asking for attributes", message{opcode: opGetattr, node: node, body: make([]byte, 16)})
		if generation, err := w.f.tree.Generation(node); err != nil || uint64(generation) != le.Uint64(body[8:]) {
			w.t.Errorf("the generation is %d, not %d (%v)", generation, le.Uint64(body[8:]), err)
		}
	}
	if c.handle >= 0 {
		if _, err := w.f.handles.get(le.Uint64(body[c.handle:])); err != nil {
			w.t.Errorf("the reply's handle: %v", err)
		}
	}
}
