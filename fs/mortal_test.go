package fs

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"shmfs/mmapcore"
	"shmfs/mmapcore/record"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"
)

// heldByKeeper is a keeper that outlives a process.
type heldByKeeper struct {
	mu   sync.Mutex
	held map[uint64]*os.File // by node; guarded by mu
}

// keeperOfLife is the keeper as one process knows it: once that is dead it asks for nothing any more.
type keeperOfLife struct {
	*heldByKeeper
	dead bool // guarded by heldByKeeper.mu
}

func (k *keeperOfLife) Keep(node uint64, descriptor int) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.dead {
		return unix.EPIPE
	}
	held, err := unix.FcntlInt(uintptr(descriptor), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return err
	}
	k.drop(node)
	k.held[node] = os.NewFile(uintptr(held), "kept")
	return nil
}

func (k *keeperOfLife) LetGo(node uint64) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.dead {
		k.drop(node)
	}
	return nil
}

// drop closes what is held of a node. The caller holds mu.
func (k *heldByKeeper) drop(node uint64) {
	if file := k.held[node]; file != nil {
		_ = file.Close()
		delete(k.held, node)
	}
}

// mortal is a fake kernel whose file system can die, and what outlives it.
type mortal struct {
	*fakeKernel
	connection *Connection
	keeper     *heldByKeeper
	life       *keeperOfLife // of the living process
	unique     uint64        // of the latest request

	mu   sync.Mutex
	refs map[uint64]uint64 // the kernel's references to nodes; guarded by mu
}

// mortalInodes is how many inodes there are on its mount.
const mortalInodes = 1 << 20

// newMortal returns a kernel whose file system stands on a tmpfs, in cached mode.
func newMortal(t testing.TB) *mortal {
	t.Helper()
	return newMortalUnder(t, Strict)
}

func newMortalUnder(t testing.TB, commit Commit) *mortal {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	timeout := unix.NsecToTimeval(int64(time.Minute)) // a missing reply fails rather than hangs
	if err := unix.SetsockoptTimeval(pair[1], unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
		t.Fatal(err)
	}
	store, err := mmapcore.NewTmpfs(mmapcore.TmpfsOptions{Inodes: mortalInodes, Mode: 0o1777})
	if err != nil {
		t.Fatal(err)
	}
	agreed := agreement{minor: newestMinor, flags: cachedTerms.flags(1<<64 - 1)}
	options := DefaultOptions()
	options.Size, options.Inodes, options.Commit = 1<<20, mortalInodes, commit
	m := &mortal{
		fakeKernel: &fakeKernel{t: t, socket: pair[1], log: &bytes.Buffer{}},
		connection: &Connection{Device: os.NewFile(uintptr(pair[0]), "/dev/fuse")},
		keeper:     &heldByKeeper{held: map[uint64]*os.File{}},
		unique:     100,
		refs:       map[uint64]uint64{},
	}
	if m.connection.Store, err = store.Share(); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	m.connection.Record, err = newRecord(&facts{
		Options: options, Started: unix.NsecToTimespec(time.Now().UnixNano()), Minor: agreed.minor, Flags: agreed.flags, Mode: "cached",
	})
	if err != nil {
		t.Fatal(err)
	}
	m.begin()
	return m
}

// begin has a process go on.
func (m *mortal) begin() {
	m.life = &keeperOfLife{heldByKeeper: m.keeper}
	m.keeper.mu.Lock()
	m.connection.Kept = map[uint64]*os.File{}
	for node, file := range m.keeper.held {
		copied, err := duplicateFile(file)
		if err != nil {
			m.t.Fatal(err)
		}
		m.connection.Kept[node] = copied
	}
	m.keeper.mu.Unlock()
	logger := hclog.New(&hclog.LoggerOptions{Level: hclog.Debug, Output: m.log})
	var err error
	if m.f, err = Resume(m.connection, m.life, logger); err != nil {
		m.t.Errorf("resuming: %v", err) // it may be a goroutine of its own
		return
	}
	m.f.kernelKnows = m.knows
	m.f.forgetDoubtful()
}

// knows is what the kernel would say.
func (m *mortal) knows(id uint64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.refs[id] > 0
}

// learn counts the reference in a reply that begins with an entry, and returns the node.
func (m *mortal) learn(body []byte) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	node := le.Uint64(body)
	m.refs[node]++
	return node
}

// unlearn has the kernel forget a node.
func (m *mortal) unlearn(node uint64) {
	m.mu.Lock()
	count := m.refs[node]
	delete(m.refs, node)
	m.mu.Unlock()
	m.write(message{opcode: opForget, node: node, body: le.AppendUint64(nil, count)})
	m.step()
}

// bury has nothing that the living process may still do reach anybody.
func (m *mortal) bury() {
	m.keeper.mu.Lock()
	defer m.keeper.mu.Unlock()
	m.life.dead = true
}

// end closes what the living process and the kernel have.
func (m *mortal) end() {
	if err := m.f.Close(); err != nil {
		m.t.Errorf("closing the file system: %v", err)
	}
	if err := m.connection.Close(); err != nil {
		m.t.Errorf("closing the connection: %v", err)
	}
	for node := range m.keeper.held {
		m.keeper.drop(node)
	}
	if err := unix.Close(m.socket); err != nil {
		m.t.Errorf("closing the fake kernel's end: %v", err)
	}
}

// ask sends a request and returns the reply, with a number of its own.
func (m *mortal) ask(request message) (int32, []byte) {
	m.unique += 2
	request.unique = m.unique
	m.write(request)
	if !m.step() {
		m.t.Fatalf("opcode %d was not decoded", request.opcode)
	}
	return m.answerTo(request.unique)
}

// answerTo reads the reply to a request, and what the file system tells the kernel before.
func (m *mortal) answerTo(unique uint64) (int32, []byte) {
	data := make([]byte, 2<<20)
	for {
		n := m.readReply(data)
		if n < outHeaderSize || int(le.Uint32(data)) != n {
			m.t.Fatalf("a reply of %d bytes says it has %d", n, le.Uint32(data))
		}
		switch le.Uint64(data[8:]) {
		case 0: // a notification
		case unique:
			return int32(le.Uint32(data[4:])), data[outHeaderSize:n]
		default:
			m.t.Fatalf("a reply to %d, not %d", le.Uint64(data[8:]), unique)
		}
	}
}

// rows describes what the record has of a mount, but for the tree's nodes.
func (m *mortal) rows() string {
	var lines []string
	for name, table := range map[string]interface {
		Each(func(row record.Row, values []uint64) bool)
	}{"handle": m.f.state.handles, "opening": m.f.state.openings, "semaphore": m.f.state.semaphores, "apart": m.f.state.apart, "text": m.f.state.texts, "told": m.f.state.told} {
		table.Each(func(_ record.Row, values []uint64) bool {
			lines = append(lines, fmt.Sprintf("%s %d", name, values[:min(len(values), 4)]))
			return true
		})
	}
	for _, values := range m.f.state.attempts.Each {
		if values[attemptRequest] != 0 {
			lines = append(lines, fmt.Sprintf("attempt %d", values[:attemptName]))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
