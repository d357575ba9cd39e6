package fs

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"shmfs/fs/journal"
	"shmfs/fs/rights"
	"shmfs/objects"

	"golang.org/x/sys/unix"
)

// Users that the tests are about.
const (
	ann = 12001
	ben = 12002
)

// idle starts a process that does nothing until the test's end, and returns its id.
func idle(t *testing.T, start func(*exec.Cmd) error) uint32 {
	t.Helper()
	command := exec.Command("sleep", "3600")
	if err := start(command); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	return uint32(command.Process.Pid)
}

// byUser starts a command as a user with a supplementary group.
func byUser(user, group uint32) func(*exec.Cmd) error {
	return func(command *exec.Cmd) error {
		command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user, Groups: []uint32{group}}}
		return command.Start()
	}
}

func xattrBody(name, value string) []byte {
	return append(words(uint32(len(value)), 0, 0, 0), name+"\x00"+value...)
}

// TestOnlyWhoMountedRemounts has others set the control attribute of an ordinary user's mount, as the kernel lets them where the root is not
// sticky.
func TestOnlyWhoMountedRemounts(t *testing.T) {
	kernel := newFakeKernel(t)
	kernel.f.control = userControl
	remount := func(uid uint32) int32 {
		errno, _ := kernel.call(message{opcode: opSetxattr, unique: 4, node: 1, uid: uid, body: xattrBody(userControl+controlOptions, "size=2M")})
		return errno
	}
	before := kernel.f.options.Load().Size
	if errno := remount(ann); errno != -int32(unix.EPERM) || kernel.f.options.Load().Size != before {
		t.Errorf("errno %d, the size is %d", -errno, kernel.f.options.Load().Size)
	}
	reload := message{opcode: opSetxattr, unique: 4, node: 1, uid: ann, body: xattrBody(userControl+controlReload, "a request")}
	if errno, _ := kernel.call(reload); errno != -int32(unix.EPERM) {
		t.Errorf("a reload: errno %d", -errno)
	}
	if errno := remount(uint32(os.Geteuid())); errno != 0 || kernel.f.options.Load().Size != 2<<20 {
		t.Errorf("errno %d, the size is %d", -errno, kernel.f.options.Load().Size)
	}
}

// TestTrustedNamesAreListedToFew has root with and without the capability list attributes, and a user.
func TestTrustedNamesAreListedToFew(t *testing.T) {
	kernel := newFakeKernel(t)
	node, _ := kernel.create("a")
	for _, name := range []string{"trusted.secret", "user.open"} {
		if err := kernel.f.tree.Setxattr(node, name, []byte("x"), 0); err != nil {
			t.Fatal(err)
		}
	}
	weak := idle(t, func(command *exec.Cmd) error {
		return rights.Start(command, rights.Of(unix.CAP_CHOWN), func(err error) { t.Error(err) })
	})
	for _, asker := range []struct {
		what     string
		uid, pid uint32
		want     string
	}{
		{"root", 0, uint32(os.Getpid()), "trusted.secret\x00user.open\x00"},
		{"root without the capability", 0, weak, "user.open\x00"},
		{"root of elsewhere", 0, 0, "user.open\x00"},
		{"a user", ann, idle(t, byUser(ann, ann)), "user.open\x00"},
		{"a user by a thread of root's", ann, uint32(os.Getpid()), "user.open\x00"},
	} {
		errno, names := kernel.call(message{opcode: opListxattr, unique: 5, node: node, uid: asker.uid, gid: asker.uid, pid: asker.pid, body: words(4096, 0)})
		if errno != 0 || string(names) != asker.want {
			t.Errorf("%s is listed %q (errno %d), want %q", asker.what, names, -errno, asker.want)
		}
	}
}

// TestStreamsKeepTheirReadersRights has the thread end that opened the events, and its number become another's, who may do more.
func TestStreamsKeepTheirReadersRights(t *testing.T) {
	kernel := newFakeKernel(t)
	const group = 12010
	errno, body := kernel.call(message{opcode: opMkdir, unique: 3, node: 1, body: append(words(0o750, 0), "closed\x00"...)})
	if errno != 0 {
		t.Fatalf("MKDIR: errno %d", -errno)
	}
	change := append(words(1<<2, 0), make([]byte, 80)...) // FATTR_GID
	le.PutUint32(change[76+4:], group)
	if errno, _ := kernel.call(message{opcode: opSetattr, unique: 4, node: le.Uint64(body), body: change}); errno != 0 {
		t.Fatalf("SETATTR: errno %d", -errno)
	}
	member, stranger := idle(t, byUser(ann, group)), idle(t, byUser(ann, ann))
	event := &journal.Event{Object: "closed/name", UID: ben}
	for thread, sees := range map[uint32]bool{member: true, stranger: false} {
		from := asker{uid: ann, gid: ann, thread: thread}.identified()
		from.thread = member + stranger - thread
		sight := kernel.f.newSight(from)
		for range 2 {
			if seen := sight.path(event.Object); seen != sees {
				t.Errorf("a reader that was a member of the group: %v; it is told: %v", sees, seen)
			}
			sight.until = time.Time{} // it asks again
		}
	}
	handle := le.Uint64(kernel.mustOpen(kernel.find(kernel.find(1, infoName), "events"), ann, member))
	if of, err := kernel.f.handles.get(handle); err != nil || of.info.events == nil {
		t.Errorf("the events are not open: %v", err)
	}
}

// TestWhoOpenedAHandleIsKnownAgain has a handle's row read by another process, when its opener is there still and when the number is another's.
func TestWhoOpenedAHandleIsKnownAgain(t *testing.T) {
	const group = 12010
	before := time.Now().Add(-time.Second)
	member := idle(t, byUser(ann, group))
	words := make([]uint64, handleWords)
	words[handleOpener], words[handleGroup] = uint64(member)|ann<<32, ann
	for since, groups := range map[time.Time]int{time.Now(): 1, before: 0} {
		words[handleSince] = uint64(since.UnixNano())
		from := askerOfRow(words)
		if from.uid != ann || from.gid != ann || from.thread != member || from.identity == nil || from.identity.UID != ann || from.identity.GID != ann ||
			len(from.identity.Groups) != groups {
			t.Errorf("who opened it at %v is %+v, %+v; want %d groups", since, from, from.identity, groups)
		}
	}
	if startedBefore(1<<30, time.Now()) || !startedBefore(1, time.Now()) || startedBefore(1, time.Unix(0, 0)) {
		t.Error("threads are taken for others")
	}
}

// find returns the node that a name leads to.
func (k *fakeKernel) find(parent uint64, name string) uint64 {
	k.t.Helper()
	errno, body := k.call(message{opcode: opLookup, unique: 6, node: parent, body: append([]byte(name), 0)})
	if errno != 0 {
		k.t.Fatalf("LOOKUP of %q: errno %d", name, -errno)
	}
	return le.Uint64(body)
}

// mustOpen returns the reply to OPEN.
func (k *fakeKernel) mustOpen(node uint64, uid, thread uint32) []byte {
	k.t.Helper()
	errno, body := k.call(message{opcode: opOpen, unique: 7, node: node, uid: uid, gid: uid, pid: thread, body: words(unix.O_RDONLY, 0)})
	if errno != 0 {
		k.t.Fatalf("OPEN: errno %d", -errno)
	}
	return body
}

// infoText opens a file of the daemon's own tree as somebody and returns what it holds.
func (k *fakeKernel) infoText(path string, uid, thread uint32) string {
	k.t.Helper()
	node := k.find(1, infoName)
	for name := range strings.SplitSeq(path, "/") {
		node = k.find(node, name)
	}
	handle := le.Uint64(k.mustOpen(node, uid, thread))
	body := make([]byte, 40)
	le.PutUint64(body, handle)
	le.PutUint32(body[16:], 1<<16)
	errno, text := k.call(message{opcode: opRead, unique: 8, node: node, body: body})
	if errno != 0 {
		k.t.Fatalf("READ of %s: errno %d", path, -errno)
	}
	return string(text)
}

// TestSemaphoresAreShownToWhoMayReadThem has a user look at two semaphores, of which one is for root alone.
func TestSemaphoresAreShownToWhoMayReadThem(t *testing.T) {
	kernel := newFakeKernel(t)
	for name, mode := range map[string]uint32{"sem.open": 0o644, "sem.private": 0o600} {
		node, handle := kernel.create(name)
		kernel.mustWrite(node, handle, 0, []byte("7\n"))
		if _, err := kernel.f.tree.Change(node, objects.Change{Mode: &mode}); err != nil {
			t.Fatal(err)
		}
	}
	asUser := idle(t, byUser(ann, ann))
	for _, asker := range []struct {
		uid, thread uint32
		private     []string // of sem.private: its line in the table, and the state in its own file
	}{
		{0, uint32(os.Getpid()), []string{"private 7 0 0 glibc 7 ok", "value: 7\n"}},
		{ann, asUser, []string{"private - - - - - unreadable", "state: unreadable\n"}},
	} {
		table := strings.Join(strings.Fields(kernel.infoText("semaphores", asker.uid, asker.thread)), " ")
		if !strings.Contains(table, "open 7 0 0 glibc 7 ok") || !strings.Contains(table, asker.private[0]) {
			t.Errorf("user %d sees %q, want %q", asker.uid, table, asker.private[0])
		}
		if text := kernel.infoText("object/sem.open", asker.uid, asker.thread); !strings.Contains(text, "value: 7\n") {
			t.Errorf("user %d sees of a semaphore that it may read\n%s", asker.uid, text)
		}
		text := kernel.infoText("object/sem.private", asker.uid, asker.thread)
		if !strings.Contains(text, asker.private[1]) || asker.uid != 0 && (strings.Contains(text, "value:") || strings.Contains(text, "hold")) {
			t.Errorf("user %d sees of a semaphore for root alone\n%s", asker.uid, text)
		}
	}
}

// TestHelperThatHasEndedIsNobody has the number of a helper that has ended become another process's.
func TestHelperThatHasEndedIsNobody(t *testing.T) {
	h := newHelped(t)
	other := idle(t, (*exec.Cmd).Start)
	helper := exec.Command("true")
	if err := helper.Run(); err != nil {
		t.Fatal(err)
	}
	helper.Process.Pid = int(other)
	h.current = &helperLink{process: helper.Process}
	if h.has(other) {
		t.Error("another process is taken for the helper")
	}
	h.current = nil
}

// TestOptionsBreakNoLine has options hold what a terminal would obey, or a reader of lines.
func TestOptionsBreakNoLine(t *testing.T) {
	kernel := newFakeKernel(t)
	options := *kernel.f.options.Load()
	options.FSName = "a b\nsize: 1\x1b[2J\u009b31m\xff"
	options.Store = "/srv/a b"
	kernel.f.options.Store(&options)
	config := kernel.infoText("config", 0, uint32(os.Getpid()))
	if !strings.Contains(config, "\nfsname: a\\040b\\012size:\\0401\\033[2J\\302\\23331m\\377\n") || !strings.Contains(config, "\nstore: /srv/a b\n") {
		t.Errorf("config is\n%s", config)
	}
}

// TestLogLinesStayLines has names and commands hold what a terminal would obey, or a reader of lines.
func TestLogLinesStayLines(t *testing.T) {
	kernel := newFakeKernel(t)
	evil := "evil\n[ERROR] shmfs: all is lost\x1b[2J\r\u009b31m\u202e\xff"
	node, handle := kernel.create("sem." + evil)
	kernel.mustWrite(node, handle, 0, []byte("1\n"))
	kernel.call(message{opcode: opWrite, unique: 9, node: node, body: writeBody(handle, 0, []byte(evil))})
	for _, opcode := range []uint32{opLookup, opUnlink} {
		kernel.call(message{opcode: opcode, unique: 9, node: 1, body: []byte(evil + "\x00")})
	}
	kernel.call(message{opcode: opMkdir, unique: 9, node: 1, body: append(words(0o755, 0), "sem."+evil+"\x00"...)})
	kernel.call(message{opcode: opcodeRename2, unique: 9, node: 1, body: append(append(le.AppendUint64(nil, 1), words(9, 0)...), evil+"\x00"+evil+"\x00"...)})
	kernel.call(message{opcode: opSetxattr, unique: 9, node: 1, body: xattrBody("none."+evil, evil)})
	kernel.call(message{opcode: opSetxattr, unique: 9, node: 1, body: xattrBody(kernel.f.control+controlOptions, evil)})
	lines := 0
	for line := range strings.Lines(kernel.log.String()) {
		lines++
		if text := strings.TrimSuffix(line, "\n"); lineOf(text) != text {
			t.Errorf("the log has the line %q", line)
		}
		if strings.HasPrefix(line, "[ERROR]") {
			t.Errorf("a name makes a line: %q", line)
		}
	}
	if lines < 6 {
		t.Errorf("the log has %d lines:\n%s", lines, kernel.log)
	}
}
