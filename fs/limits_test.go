package fs

import (
	"fmt"
	"strings"
	"testing"

	"shmfs/fs/table"

	"golang.org/x/sys/unix"
)

// way is one to get a handle.
type way struct {
	name string
	m    message
	at   int // where in the reply the handle is
}

// waysToOpen are all ways to get a handle; each creates names of its own.
func (s *servedKernel) waysToOpen(node uint64, number int) []way {
	info := le.Uint64(s.want(0, s.send(message{opcode: opLookup, node: 1, body: []byte(infoName + "\x00")})).body)
	version := le.Uint64(s.want(0, s.send(message{opcode: opLookup, node: info, body: []byte("version\x00")})).body)
	semaphore, _ := s.make(fmt.Sprint("sem.there", number))
	create := func(name string) message {
		return message{opcode: opCreate, node: 1, body: createBody(unix.O_RDWR|unix.O_CREAT, 0o666|unix.S_IFREG, fmt.Sprint(name, number))}
	}
	return []way{
		{"OPEN", message{opcode: opOpen, node: node, body: words(unix.O_RDWR, 0)}, 0},
		{"OPEN with O_NOATIME", message{opcode: opOpen, node: node, body: words(unix.O_RDONLY|unix.O_NOATIME, 0)}, 0},
		{"OPENDIR", message{opcode: opOpendir, node: 1, body: words(0, 0)}, 0},
		{"CREATE", create("new"), entryOutSize},
		{"CREATE of a semaphore", create("sem.new"), entryOutSize},
		{"OPEN of a semaphore", message{opcode: opOpen, node: semaphore, body: words(unix.O_RDONLY, 0)}, 0},
		{"TMPFILE", message{opcode: opcodeTmpfile, node: 1, body: createBody(unix.O_RDWR, 0o644|unix.S_IFREG, "")}, entryOutSize},
		{"OPEN in the daemon's tree", message{opcode: opOpen, node: version, body: words(unix.O_RDONLY, 0)}, 0},
		{"OPENDIR in the daemon's tree", message{opcode: opOpendir, node: info, body: words(0, 0)}, 0},
	}
}

// mustOpen sends what opens something, by a user, and returns the handle.
func (s *servedKernel) mustOpen(uid uint32, one way) uint64 {
	s.t.Helper()
	one.m.uid = uid
	reply := s.ask(one.m)
	if reply.errno != 0 {
		s.t.Fatalf("%s of user %d: errno %d", one.name, uid, -reply.errno)
	}
	return le.Uint64(reply.body[one.at:])
}

// release closes a handle, as the kernel does: in nobody's name.
func (s *servedKernel) release(handle uint64) {
	s.t.Helper()
	s.want(0, s.send(message{opcode: opRelease, node: 1, body: releaseBody(handle)}))
}

// However something is opened, it counts, and beyond the limit it is refused before anything is done.
func TestLimitOfHandles(t *testing.T) {
	kernel := newLimitedKernel(t, "limit-handles=9")
	k := serve(kernel)
	node, _ := k.make("file")
	if errno := k.ask(message{opcode: opSetattr, node: node, body: setattrBody(1 << 3)}).errno; errno != 0 { // the size is 1
		t.Fatalf("SETATTR: errno %d", -errno)
	}
	var handles []uint64
	for i, one := range k.waysToOpen(node, 1) {
		handles = append(handles, k.mustOpen(ann, one))
		if held := k.f.limits.handles.Held(ann); held != int64(i+1) {
			t.Errorf("%d handles after %s, want %d", held, one.name, i+1)
		}
	}
	before := k.names()
	ways := k.waysToOpen(node, 2)
	before += k.named("sem.there2")
	truncate := way{"OPEN with O_TRUNC", message{opcode: opOpen, node: node, body: words(unix.O_RDWR|unix.O_TRUNC, 0)}, 0}
	for _, one := range append(ways, truncate) {
		one.m.uid = ann
		if errno := k.ask(one.m).errno; errno != -int32(unix.EMFILE) {
			t.Errorf("%s beyond the limit: errno %d, want EMFILE", one.name, -errno)
		}
		k.release(k.mustOpen(0, way{"OPEN", ways[0].m, 0}))
	}
	if after := k.names(); after != before {
		t.Errorf("what was refused was done: there are %q, before %q", after, before)
	}
	if stat, err := k.f.tree.Stat(node); err != nil || stat.Size != 1 {
		t.Errorf("what was refused was done: the size is %d, %v", stat.Size, err)
	}
	for _, one := range k.waysToOpen(node, 3) {
		k.release(k.mustOpen(ben, one))
	}
	for _, handle := range handles {
		k.release(handle)
	}
	if held := k.f.limits.handles.All(); held[ann] != 0 || held[ben] != 0 {
		t.Errorf("closed handles are counted: %v", held)
	}
	if refused := k.f.limits.handles.Refused(); refused != uint64(len(ways)+1) {
		t.Errorf("%d were refused, want %d", refused, len(ways)+1)
	}
}

// names are those in the root but for what waysToOpen makes for others.
func (s *servedKernel) names() string {
	s.t.Helper()
	var names strings.Builder
	for _, name := range []string{"new1", "sem.new1", "new2", "sem.new2", "sem.there1", "sem.there2"} {
		names.WriteString(s.named(name))
	}
	return names.String()
}

// named returns a name if there is one.
func (s *servedKernel) named(name string) string {
	s.t.Helper()
	reply := s.ask(message{opcode: opLookup, node: 1, body: append([]byte(name), 0)})
	if reply.errno != 0 || le.Uint64(reply.body) == 0 {
		return ""
	}
	return name + " "
}

// What fails to be opened is counted no more.
func TestFailedOpensAreNotCounted(t *testing.T) {
	k := serve(newLimitedKernel(t, "limit-handles=1,limit-readers=1"))
	k.make("file")
	info := le.Uint64(k.want(0, k.send(message{opcode: opLookup, node: 1, body: []byte(infoName + "\x00")})).body)
	version := le.Uint64(k.want(0, k.send(message{opcode: opLookup, node: info, body: []byte("version\x00")})).body)
	for range 3 {
		for name, m := range map[string]message{
			"OPEN of nothing":         {opcode: opOpen, node: 1 << 50, body: words(unix.O_RDWR, 0)},
			"OPENDIR of nothing":      {opcode: opOpendir, node: 1 << 50, body: words(0, 0)},
			"CREATE of what is there": {opcode: opCreate, node: 1, body: createBody(unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, 0o666, "file")},
			"CREATE in nothing":       {opcode: opCreate, node: 1 << 50, body: createBody(unix.O_RDWR|unix.O_CREAT, 0o666, "file")},
			"TMPFILE in nothing":      {opcode: opcodeTmpfile, node: 1 << 50, body: createBody(unix.O_RDWR, 0o666, "")},
			"OPEN to write":           {opcode: opOpen, node: version, body: words(unix.O_WRONLY, 0)},
			"OPEN of no object":       {opcode: opOpen, node: infoBit | mirrorBit | 1<<40, body: words(unix.O_RDONLY, 0)},
		} {
			m.uid = ann
			if errno := k.ask(m).errno; errno == 0 || errno == -int32(unix.EMFILE) {
				t.Errorf("%s: errno %d", name, -errno)
			}
		}
	}
	for range 3 {
		k.release(k.mustOpen(ann, way{"OPEN", message{opcode: opOpen, node: version, body: words(unix.O_RDONLY, 0)}, 0}))
	}
	if handles, readers := k.f.limits.handles.Held(ann), k.f.limits.readers.Held(ann); handles != 0 || readers != 0 {
		t.Errorf("%d handles and %d files of the tree are counted", handles, readers)
	}
}

// What comes again from a process that has died was admitted once, and is not refused.
func TestWhatComesAgainIsNotRefused(t *testing.T) {
	k := serve(newLimitedKernel(t, "limit-handles=1,limit-readers=1,limit-waiters=1"))
	events := way{"OPEN of events", message{opcode: opOpen, uid: ann, node: k.tree("events"), body: words(unix.O_RDONLY, 0)}, 0}
	first := k.mustOpen(ann, events)
	second := le.Uint64(k.want(0, k.sendAgain(events.m)).body)
	create := message{opcode: opCreate, uid: ann, node: 1, body: createBody(unix.O_RDWR|unix.O_CREAT, 0o666|unix.S_IFREG, "new")}
	k.want(unix.EMFILE, k.send(create))
	third := le.Uint64(k.want(0, k.sendAgain(create)).body[entryOutSize:])
	read := func(handle uint64) message {
		return message{opcode: opRead, uid: ann, node: events.m.node, body: callBody(handle, 0, 4096)}
	}
	k.want(0, k.send(read(first))) // the events so far
	k.want(0, k.send(read(second)))
	waiting := []uint64{k.send(read(first))}
	eventually(t, func() error {
		if held := k.f.limits.waiters.Held(ann); held != 1 {
			return fmt.Errorf("%d wait", held)
		}
		return nil
	})
	k.want(unix.EAGAIN, k.send(read(first)))
	waiting = append(waiting, k.sendAgain(read(second)))
	eventually(t, func() error {
		if held := k.f.limits.waiters.Held(ann); held != 2 {
			return fmt.Errorf("%d wait", held)
		}
		return nil
	})
	k.make("another")
	for _, unique := range waiting {
		k.want(0, unique)
	}
	for _, handle := range []uint64{first, second, third} {
		k.release(handle)
	}
	if handles, readers := k.f.limits.handles.Held(ann), k.f.limits.readers.Held(ann); handles != 0 || readers != 0 {
		t.Errorf("%d handles and %d files of the tree are counted", handles, readers)
	}
}

// Who closes a file and opens another at once is not refused because the kernel tells of the closing a little later.
func TestOpenWaitsForARelease(t *testing.T) {
	k := serve(newLimitedKernel(t, "limit-handles=1"))
	node, _ := k.make("file")
	one := way{"OPEN", message{opcode: opOpen, uid: ann, node: node, body: words(unix.O_RDWR, 0)}, 0}
	handle := k.mustOpen(ann, one)
	open := k.send(one.m)
	eventually(t, func() error {
		if figure := k.f.limits.turns.Figures()[ann]; figure.Turns == 0 && len(k.channel(open)) == 0 {
			return fmt.Errorf("the OPEN has not begun")
		}
		return nil
	})
	k.release(handle)
	reply := k.await(open)
	if reply.errno != 0 && reply.errno != -int32(unix.EMFILE) { // the latter if this took longer than its patience
		t.Errorf("errno %d", -reply.errno)
	}
	if reply.errno == 0 {
		k.release(le.Uint64(reply.body))
	}
	k.release(k.mustOpen(ann, one))
}

// tree returns the node of a file of the daemon's own tree.
func (s *servedKernel) tree(name string) uint64 {
	s.t.Helper()
	info := le.Uint64(s.want(0, s.send(message{opcode: opLookup, node: 1, body: []byte(infoName + "\x00")})).body)
	return le.Uint64(s.want(0, s.send(message{opcode: opLookup, node: info, body: append([]byte(name), 0)})).body)
}

// text opens and reads a file of the daemon's own tree.
func (s *servedKernel) text(uid uint32, name string) string {
	s.t.Helper()
	node := s.tree(name)
	handle := s.mustOpen(uid, way{"OPEN", message{opcode: opOpen, node: node, body: words(unix.O_RDONLY, 0)}, 0})
	defer s.release(handle)
	return string(s.want(0, s.send(message{opcode: opRead, uid: uid, node: node, body: callBody(handle, 0, 1<<20)})).body)
}

// Files of the daemon's own tree, whose texts it keeps, have a limit of their own; so do calls that wait.
func TestLimitsOfReadersAndWaiters(t *testing.T) {
	k := serve(newLimitedKernel(t, "limit-readers=3,limit-waiters=2"))
	open := func(name string) way {
		return way{"OPEN of " + name, message{opcode: opOpen, node: k.tree(name), body: words(unix.O_RDONLY, 0)}, 0}
	}
	events, stats := open("events"), open("stats")
	first, second := k.mustOpen(ann, events), k.mustOpen(ann, stats)
	third := k.mustOpen(ann, events)
	for _, one := range []way{events, stats, open("objects")} {
		one.m.uid = ann
		k.want(unix.EMFILE, k.send(one.m))
		k.release(k.mustOpen(ben, one))
	}
	k.release(second)
	k.release(k.mustOpen(ann, stats))

	read := func(uid uint32, handle uint64) message {
		return message{opcode: opRead, uid: uid, node: events.m.node, body: callBody(handle, 0, 4096)}
	}
	waiting := k.sendAll(read(ann, first), read(ann, third))
	wait := func(uid uint32, want int64) {
		t.Helper()
		eventually(t, func() error {
			if held := k.f.limits.waiters.Held(uid); held != want {
				return fmt.Errorf("%d calls of user %d wait, want %d", held, uid, want)
			}
			return nil
		})
	}
	wait(ann, 2)
	k.want(unix.EAGAIN, k.send(read(ann, first)))
	ofBen := k.mustOpen(ben, events)
	others := k.send(read(ben, ofBen))
	wait(ben, 1)
	k.requireFigures(ann, map[string]string{"HANDLES": "2", "READERS": "2", "WAITERS": "2", "QUEUED": "0"})
	if text := k.text(0, "stats"); !strings.Contains(text, "\nwaiters: 3\n") || !strings.Contains(text, "\nrefused-readers: 3\n") ||
		!strings.Contains(text, "\nrefused-waiters: 1\n") || !strings.Contains(text, "\nrefused-handles: 0\n") || !strings.Contains(text, "\nqueued: 0\n") {
		t.Errorf("stats:\n%s", text)
	}
	k.write(message{opcode: opInterrupt, unique: 7, body: le.AppendUint64(nil, waiting[0])})
	k.want(unix.EINTR, waiting[0])
	again := k.send(read(ann, first)) // at once: who was interrupted is counted no more
	wait(ann, 2)
	k.wantSilent(again, waiting[1], others)
	k.make("new")
	for _, unique := range []uint64{again, waiting[1], others} {
		k.want(0, unique)
	}
	wait(ann, 0)
	for _, handle := range []uint64{first, third, ofBen} {
		k.release(handle)
	}
	if readers := k.f.limits.readers.Total(); readers != 0 {
		t.Errorf("%d files of the tree are counted", readers)
	}
}

// requireFigures fails the test unless a user's line in the table of users says so.
func (s *servedKernel) requireFigures(uid uint32, want map[string]string) {
	s.t.Helper()
	text := s.text(0, "users")
	parsed, err := table.Parse([]byte(text))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, fields := range parsed.Rows {
		if fields[0] != fmt.Sprint(uid) {
			continue
		}
		for i, name := range parsed.Header {
			if wanted, is := want[name]; is && fields[i] != wanted {
				s.t.Errorf("%s of user %d is %s, want %s, in\n%s", name, uid, fields[i], wanted, text)
			}
		}
		return
	}
	s.t.Errorf("user %d is not in\n%s", uid, text)
}

// Root, and who runs the daemon, have no limit.
func TestWhoHasNoLimit(t *testing.T) {
	kernel := newLimitedKernel(t, "limit-handles=1,limit-readers=1,limit-requests=1")
	kernel.f.limits.own = ben
	k := serve(kernel)
	node, _ := k.make("file")
	_, open := k.closeGate(node)
	var opens []uint64
	for range 5 {
		for _, uid := range []uint32{0, ben} {
			opens = append(opens, k.send(message{opcode: opOpen, uid: uid, node: node, body: words(unix.O_RDWR, 0)}))
			k.text(uid, "version")
		}
	}
	open()
	for _, unique := range opens {
		k.want(0, unique)
	}
	k.release(k.mustOpen(ann, way{"OPEN", message{opcode: opOpen, node: node, body: words(unix.O_RDWR, 0)}, 0}))
}

// The log says who is at which limit, and no more often than may be.
func TestLogOfLimits(t *testing.T) {
	kernel := newLimitedKernel(t, "limit-handles=1")
	k := serve(kernel)
	node, _ := k.make("file")
	one := way{"OPEN", message{opcode: opOpen, uid: ann, node: node, body: words(unix.O_RDWR, 0)}, 0}
	k.mustOpen(ann, one)
	create := message{opcode: opCreate, uid: ann, node: 1, body: createBody(unix.O_RDWR|unix.O_CREAT, 0o666, "new")}
	const often = 2000
	for range often {
		k.want(unix.EMFILE, k.send(create))
	}
	k.disconnect()
	k.served <- <-k.served
	lines := strings.Split(k.log.String(), "\n")
	told := 0
	for _, line := range lines {
		if !strings.Contains(line, "a user is at a limit") {
			continue
		}
		told++
		for _, part := range []string{"user 12001 has 1 open files and directories, and limit-handles=1 allows no more", "too many open files", "CREATE"} {
			if !strings.Contains(strings.ToUpper(line), strings.ToUpper(part)) {
				t.Errorf("the line %q does not say %q", line, part)
			}
		}
	}
	if told == 0 || told > often/4 {
		t.Errorf("%d lines for %d refusals", told, often)
	}
	if strings.Count(k.log.String(), "request failed") > 10 {
		t.Error("refusals are logged besides")
	}
}
