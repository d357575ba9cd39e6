package fs

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"testing"
	"time"

	"shmfs/fs/greed"

	"bazil.org/fuse"
	"golang.org/x/sys/unix"
)

// crowdedKernel is one in which a user may have two requests served at a time, and has two that do not end before the gate is opened.
type crowdedKernel struct {
	*servedKernel
	node, handle uint64 // of a file that root has open
	gated        uint64 // a node that nobody can open yet
	gate         *gate
	open         func()
	held         []uint64
}

func newCrowdedKernel(t *testing.T) *crowdedKernel {
	t.Helper()
	k := &crowdedKernel{servedKernel: serve(newLimitedKernel(t, "limit-requests=2"))}
	k.node, k.handle = k.make("file")
	k.gated, _ = k.make("gated")
	k.gate, k.open = k.closeGate(k.gated)
	k.held = k.sendAll(k.opening(ann), k.opening(ann))
	k.wantQueued(ann, 2, 0)
	return k
}

// newLimitedKernel returns a fake kernel with limits.
func newLimitedKernel(t testing.TB, limits string) *fakeKernel {
	t.Helper()
	kernel := newFakeKernel(t)
	if err := kernel.f.applyRemount(limits); err != nil {
		t.Fatal(err)
	}
	return kernel
}

// make creates a file, as root, and leaves it open.
func (s *servedKernel) make(name string) (node, handle uint64) {
	s.t.Helper()
	body := s.want(0, s.send(message{opcode: opCreate, node: 1, body: createBody(unix.O_RDWR|unix.O_CREAT, 0o666|unix.S_IFREG, name)})).body
	return le.Uint64(body), le.Uint64(body[entryOutSize:])
}

// opening opens the gated node.
func (k *crowdedKernel) opening(uid uint32) message {
	return message{opcode: opOpen, uid: uid, node: k.gated, body: words(unix.O_RDONLY, 0)}
}

// callBody is struct fuse_read_in of read(2), not of the page cache.
func callBody(handle uint64, offset int64, size uint32) []byte {
	body := readBody(handle, offset, size, 0)
	le.PutUint32(body[20:], uint32(fuse.ReadLockOwner))
	return body
}

// stat asks for a file's attributes.
func (k *crowdedKernel) stat(uid uint32) message {
	return message{opcode: opGetattr, uid: uid, node: k.node, body: make([]byte, 16)}
}

// A user with as many requests as may be served waits for one of those; nobody else does, and it costs no goroutines.
func TestRequestsWaitForTheirOwn(t *testing.T) {
	k := newCrowdedKernel(t)
	before := runtime.NumGoroutine()
	const many = 2000
	var queued []uint64
	for range many {
		queued = append(queued, k.send(k.stat(ann)))
	}
	k.wantQueued(ann, 2, many)
	if now := runtime.NumGoroutine(); now > before+2*maxIdle {
		t.Errorf("%d goroutines, %d before %d requests were made to wait", now, before, many)
	}
	for range 100 {
		k.want(0, k.send(k.stat(ben)))
		k.want(0, k.send(k.stat(0)))
		_, handle := k.make("another")
		k.want(0, k.send(message{opcode: opRelease, node: k.node, body: releaseBody(handle)}))
		k.want(0, k.send(message{opcode: opUnlink, uid: ben, node: 1, body: []byte("another\x00")}))
	}
	k.wantSilent(append(queued, k.held...)...)
	k.open()
	for _, unique := range append(queued, k.held...) {
		k.want(0, unique)
		k.wantSilent(unique)
	}
	k.wantQueued(ann, 0, 0)
}

// What others may have to wait for does not wait behind what takes its time, nor does what makes room.
func TestWhatDoesNotWait(t *testing.T) {
	k := newCrowdedKernel(t)
	queued := k.sendAll(k.stat(ann), k.stat(ann))
	k.wantQueued(ann, 2, 2)
	for name, m := range map[string]message{
		"LOOKUP":          {opcode: opLookup, node: 1, body: []byte("file\x00")},
		"MKDIR":           {opcode: opMkdir, node: 1, body: append(words(0o755, 0), "dir\x00"...)},
		"attributes":      {opcode: opGetattr, node: 1, body: make([]byte, 16)},
		"a page":          {opcode: opRead, node: k.node, body: readBody(k.handle, 0, 4096, 0)},
		"a page, written": {opcode: opWrite, node: k.node, body: writeBody(k.handle, uint32(fuse.WriteCache), []byte("page"))},
	} {
		m.uid = ann
		if reply := k.ask(m); reply.errno != 0 {
			t.Errorf("%s: errno %d", name, -reply.errno)
		}
	}
	created := k.ask(message{opcode: opCreate, uid: ann, node: 1, body: createBody(unix.O_RDWR|unix.O_CREAT, 0o644|unix.S_IFREG, "new")})
	if created.errno != 0 {
		t.Fatalf("CREATE: errno %d", -created.errno)
	}
	k.want(0, k.send(message{opcode: opRelease, uid: ann, node: k.node, body: releaseBody(le.Uint64(created.body[entryOutSize:]))}))
	k.write(message{opcode: opForget, unique: 5, uid: ann, node: le.Uint64(created.body), body: le.AppendUint64(nil, 1)})
	k.want(unix.EAGAIN, k.send(message{opcode: opInterrupt, uid: ann, body: le.AppendUint64(nil, 4)}))
	k.wantSilent(append(queued, k.held...)...)
	k.open()
	for _, unique := range append(queued, k.held...) {
		k.want(0, unique)
	}
}

// Requests that waited, in little memory, are answered as those that did not.
func TestWaitingChangesNoAnswer(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789"), 12000)
	requests := func(k *servedKernel, node, handle uint64) (all []message) {
		for _, m := range []message{
			{opcode: opGetattr, node: node, body: make([]byte, 16)},
			{opcode: opWrite, node: node, body: writeBody(handle, 0, data)},
			{opcode: opWrite, node: node, body: writeBody(handle, 0, nil)},
			{opcode: opRead, node: node, body: callBody(handle, 100, 100000)},
			{opcode: opSetxattr, node: node, body: append(words(5, 0, 0, 0), "user.a\x00value"...)},
			{opcode: opGetxattr, node: node, body: append(words(100, 0), "user.a\x00"...)},
			{opcode: opListxattr, node: node, body: words(100, 0)},
			{opcode: opFallocate, node: node, body: append(le.AppendUint64(le.AppendUint64(le.AppendUint64(nil, handle), 0), 200000), words(0, 0)...)},
			{opcode: opcodeLseek, node: node, body: append(le.AppendUint64(le.AppendUint64(nil, handle), 1), words(unix.SEEK_HOLE, 0)...)},
			{opcode: opcodeRename2, node: 1, body: append(append(le.AppendUint64(nil, 1), words(unix.RENAME_NOREPLACE, 0)...), "file\x00moved\x00"...)},
			{opcode: opcodeRename2, node: 1, body: append(append(le.AppendUint64(nil, 1), words(0, 0)...), "none\x00moved\x00"...)},
			{opcode: opSymlink, node: 1, body: []byte("link\x00target\x00")},
			{opcode: opStatfs, node: 1},
			{opcode: opPoll, node: node, body: append(le.AppendUint64(le.AppendUint64(nil, handle), 1), words(0, unix.POLLIN)...)},
			{opcode: opOpendir, node: 1, body: words(0, 0)},
			{opcode: opFsync, node: node, body: append(le.AppendUint64(nil, handle), words(1, 0)...)},
			{opcode: opWrite, node: node, body: writeBody(1<<40, 0, data)}, // no handle
			{opcode: 4711, node: node, body: []byte("what nobody serves")},
		} {
			m.uid = ann
			all = append(all, m)
		}
		return all
	}
	plain := serve(newFakeKernel(t))
	node, handle := plain.make("file")
	var want []told
	plain.make("gated")
	for _, m := range requests(plain, node, handle) {
		want = append(want, plain.ask(m))
	}
	k := newCrowdedKernel(t)
	k.f.limits.turns.SetLimit(1)
	name := k.held[0] // a turn in the other line as well, which is never given up
	if !k.f.limits.turns.Begin(ann, greed.Names) {
		t.Fatal("no turn")
	}
	all := requests(k.servedKernel, k.node, k.handle)
	var sent []uint64
	for _, m := range all {
		sent = append(sent, k.send(m))
		k.wantQueued(ann, 3, len(sent)) // in this order
	}
	k.open()
	k.want(0, name)
	if next, found := k.f.limits.turns.End(ann, greed.Names); found {
		go k.f.serveTurns(next)
	}
	for i, unique := range sent {
		got := k.await(unique)
		if got.errno != want[i].errno || len(got.body) != len(want[i].body) {
			t.Errorf("opcode %d: errno %d and %d bytes, want %d and %d", all[i].opcode, -got.errno, len(got.body), -want[i].errno, len(want[i].body))
		}
		if all[i].opcode == opRead && !bytes.Equal(got.body, want[i].body) {
			t.Error("what was written is not what is read")
		}
	}
	k.wantQueued(ann, 0, 0)
	if got := k.size(k.node); got != 200000 {
		t.Errorf("the size is %d", got)
	}
}

// size is what GETATTR says, of who is told apart from a kernel that reads its replies in order.
func (k *crowdedKernel) size(node uint64) uint64 {
	k.t.Helper()
	return le.Uint64(k.want(0, k.send(message{opcode: opGetattr, node: node, body: make([]byte, 16)})).body[16+8:])
}

// interrupt sends INTERRUPT for a request.
func (k *crowdedKernel) interrupt(unique uint64) {
	k.t.Helper()
	k.write(message{opcode: opInterrupt, unique: unique + 1, body: le.AppendUint64(nil, unique)})
}

// ended returns the id of a process that is gone.
func ended(t *testing.T) uint32 {
	t.Helper()
	command := exec.Command("/bin/true")
	if err := command.Run(); err != nil {
		t.Fatal(err)
	}
	return uint32(command.Process.Pid)
}

// A request that waits is answered at once if its process is about to end, or if it may be interrupted; other calls never fail with EINTR.
func TestInterruptingWhatWaits(t *testing.T) {
	k := newCrowdedKernel(t)
	body := k.want(0, k.send(message{opcode: opCreate, node: 1, body: createBody(unix.O_RDWR|unix.O_CREAT, 0o666|unix.S_IFREG, "sem.a")})).body
	semaphore := le.Uint64(body[entryOutSize:])
	mine, gone := k.stat(ann), k.stat(ann)
	mine.pid, gone.pid = uint32(os.Getpid()), ended(t)
	removal := message{opcode: opSetattr, uid: ann, pid: gone.pid, node: k.node, body: setattrBody(1 << 3)}
	command := message{opcode: opWrite, uid: ann, pid: mine.pid, node: le.Uint64(body), body: writeBody(semaphore, 0, []byte("3\n"))}
	queued := k.sendAll(mine, gone, removal, command, mine)
	k.wantQueued(ann, 2, len(queued))
	for _, unique := range queued[:4] {
		k.interrupt(unique)
	}
	for _, unique := range queued[1:4] {
		k.want(unix.EINTR, unique)
	}
	k.wantQueued(ann, 2, 2)
	k.wantSilent(queued[0], queued[4])
	k.open()
	k.want(0, queued[0])
	k.want(0, queued[4])
	for _, unique := range queued {
		k.wantSilent(unique)
	}
	if size := k.size(k.node); size != 0 {
		t.Errorf("what was interrupted was done: the size is %d", size)
	}
	if reply := k.ask(message{opcode: opLookup, node: 1, body: []byte("sem.a\x00")}); reply.errno == 0 && le.Uint64(reply.body) != 0 {
		t.Error("what was interrupted was done: there is a semaphore")
	}
}

// What comes again from a process that has died may have been done: it is never answered with EINTR, nor refused.
func TestWhatComesAgainIsNotInterrupted(t *testing.T) {
	k := newCrowdedKernel(t)
	gone := k.stat(ann)
	gone.pid = ended(t)
	unique := k.sendAgain(gone)
	k.wantQueued(ann, 2, 1)
	k.interrupt(unique)
	k.want(unix.EAGAIN, k.send(message{opcode: opInterrupt, body: le.AppendUint64(nil, 4)})) // the one before has been seen
	k.wantQueued(ann, 2, 1)
	k.wantSilent(unique)
	k.open()
	k.want(0, unique)
}

// A request that is interrupted while it is being made to wait is found all the same.
func TestInterruptsRaceWithWaiting(t *testing.T) {
	k := newCrowdedKernel(t)
	gone := k.stat(ann)
	gone.pid = ended(t)
	for range 500 {
		unique := k.send(gone)
		k.write(message{opcode: opInterrupt, unique: unique + 1, body: le.AppendUint64(nil, unique)})
		// The kernel sends an INTERRUPT again that has come too early.
		for again := false; !again; {
			select {
			case reply := <-k.channel(unique):
				if reply.errno != -int32(unix.EINTR) {
					t.Fatalf("errno %d", -reply.errno)
				}
				again = true
			case <-k.channel(unique + 1):
				k.interrupt(unique)
			case <-time.After(patience):
				t.Fatal("it waits, though it was interrupted")
			}
		}
	}
	k.wantQueued(ann, 2, 0)
}

// The end of the mount ends what waits: nothing of it is done.
func TestEndOfWhatWaits(t *testing.T) {
	k := newCrowdedKernel(t)
	resize := message{opcode: opSetattr, uid: ann, node: k.node, body: setattrBody(1 << 3)}
	k.sendAll(resize, resize, resize)
	k.wantQueued(ann, 2, 3)
	k.disconnect()
	k.wantQueued(ann, 2, 0)
	k.open()
	if err := <-k.served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	k.served <- nil
	k.f.inflight.mu.Lock()
	left := len(k.f.inflight.byID)
	k.f.inflight.mu.Unlock()
	if underway := k.f.meter.Snapshot().Underway; left != 0 || underway != 0 {
		t.Errorf("%d requests are known, and %d counted as under way", left, underway)
	}
	if stat, err := k.f.tree.Stat(k.node); err != nil || stat.Size != 0 {
		t.Errorf("the size is %d, %v", stat.Size, err)
	}
}

// A remount gives those their turn who wait, and makes others wait.
func TestLimitOfRequestsChanges(t *testing.T) {
	k := newCrowdedKernel(t)
	remount := func(options string) {
		t.Helper()
		name := k.f.control + controlOptions
		body := append(words(uint32(len(options)), 0, 0, 0), name+"\x00"+options...)
		k.want(0, k.send(message{opcode: opSetxattr, node: 1, body: body}))
	}
	more := k.sendAll(k.opening(ann), k.opening(ann), k.stat(ann))
	k.wantQueued(ann, 2, 3)
	remount("limit-requests=3")
	k.wantQueued(ann, 3, 2)
	remount("limit-requests=0")
	k.want(0, more[2])
	k.wantQueued(ann, 4, 0)
	k.want(0, k.send(k.stat(ann)))
	remount("limit-requests=1")
	last := k.send(k.stat(ann))
	k.wantQueued(ann, 4, 1)
	k.open()
	for _, unique := range slices.Concat(k.held, more[:2], []uint64{last}) {
		k.want(0, unique)
	}
	k.wantQueued(ann, 0, 0)
}

// A request that waits for others gives up its turn: those others may be the user's own, and wait for it.
func TestWaitingGivesUpTheTurn(t *testing.T) {
	k := newCrowdedKernel(t)
	info := le.Uint64(k.want(0, k.send(message{opcode: opLookup, node: 1, body: []byte(infoName + "\x00")})).body)
	events := le.Uint64(k.want(0, k.send(message{opcode: opLookup, node: info, body: []byte("events\x00")})).body)
	handle := le.Uint64(k.want(0, k.send(message{opcode: opOpen, node: events, body: words(unix.O_RDONLY, 0)})).body)
	read := message{opcode: opRead, uid: ann, node: events, body: callBody(handle, 0, 4096)}
	reads := k.sendAll(read, read, read, read)
	after := k.send(k.stat(ann))
	k.wantQueued(ann, 2, 5)
	k.f.limits.turns.SetLimit(1)
	k.gate.erased = true // so that opening it is no event
	k.open()
	k.want(0, after) // though four wait before it, and one is served at a time
	eventually(t, func() error {
		if waiters := k.f.limits.waiters.Held(ann); waiters != 4 {
			return fmt.Errorf("%d wait, want 4", waiters)
		}
		return nil
	})
	k.wantQueued(ann, 0, 0)
	k.wantSilent(reads...)
	k.interrupt(reads[0])
	k.want(unix.EINTR, reads[0])
	created := 0
	eventually(t, func() error {
		created++
		k.make(fmt.Sprint("event ", created)) // for one of them, or several
		for _, unique := range reads[1:] {
			if len(k.channel(unique)) == 0 {
				return fmt.Errorf("request %d, which reads events, is not answered", unique)
			}
		}
		return nil
	})
	for _, unique := range reads[1:] {
		k.want(0, unique)
	}
}
