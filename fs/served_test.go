package fs

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long a test waits for what must come.
const patience = 60 * time.Second

// servedKernel is a fake kernel whose file system reads requests by itself, and whose replies may come in any order.
type servedKernel struct {
	*fakeKernel
	disconnect func()
	served     chan error // what Serve returned

	mu      sync.Mutex
	last    uint64               // number of the last request; guarded by mu
	replies map[uint64]chan told // by the request's number; guarded by mu
}

// told is a reply.
type told struct {
	errno int32
	body  []byte
}

// serve has a fake kernel's file system read requests until the test ends.
func serve(k *fakeKernel) *servedKernel {
	s := &servedKernel{fakeKernel: k, served: make(chan error, 1), replies: make(map[uint64]chan told), last: 1000}
	s.disconnect = sync.OnceFunc(func() {
		if err := unix.Shutdown(k.socket, unix.SHUT_RDWR); err != nil {
			k.t.Error(err)
		}
	})
	var collecting sync.WaitGroup
	collecting.Go(s.collect)
	go func() { s.served <- k.f.Serve() }()
	k.t.Cleanup(func() {
		s.disconnect()
		if err := <-s.served; err != nil {
			k.t.Errorf("Serve: %v", err)
		}
		collecting.Wait()
	})
	return s
}

// collect hands out replies until the connection ends.
func (s *servedKernel) collect() {
	data := make([]byte, 2<<20)
	for {
		n, err := unix.Read(s.socket, data)
		if err == unix.EINTR || err == unix.EAGAIN { // the runtime's own signals; the socket's timeout
			continue
		}
		if n < outHeaderSize || err != nil {
			return
		}
		reply := told{int32(le.Uint32(data[4:])), append([]byte(nil), data[outHeaderSize:n]...)}
		s.channel(le.Uint64(data[8:])) <- reply
	}
}

// channel is where the reply to a request comes.
func (s *servedKernel) channel(unique uint64) chan told {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.replies[unique] == nil {
		s.replies[unique] = make(chan told, 4) // an answer too many must be seen
	}
	return s.replies[unique]
}

// send sends a request under a new number.
func (s *servedKernel) send(m message) (unique uint64) {
	s.t.Helper()
	s.mu.Lock()
	s.last += 2
	m.unique = s.last
	s.mu.Unlock()
	s.write(m)
	return m.unique
}

// sendAgain sends a request as the kernel does that was sent to a process which has died.
func (s *servedKernel) sendAgain(m message) (unique uint64) {
	s.t.Helper()
	s.mu.Lock()
	s.last += 2
	m.unique = s.last | resent
	s.mu.Unlock()
	s.write(m)
	return m.unique
}

// sendAll sends requests one after the other.
func (s *servedKernel) sendAll(all ...message) (uniques []uint64) {
	s.t.Helper()
	for _, m := range all {
		uniques = append(uniques, s.send(m))
	}
	return uniques
}

// await returns the reply to a request.
func (s *servedKernel) await(unique uint64) told {
	s.t.Helper()
	select {
	case reply := <-s.channel(unique):
		return reply
	case <-time.After(patience):
		s.t.Fatalf("request %d is not answered", unique)
		return told{}
	}
}

// ask sends a request and returns the reply.
func (s *servedKernel) ask(m message) told {
	s.t.Helper()
	return s.await(s.send(m))
}

// want fails the test unless a request is answered with an errno, or 0.
func (s *servedKernel) want(errno unix.Errno, unique uint64) told {
	s.t.Helper()
	reply := s.await(unique)
	if reply.errno != -int32(errno) {
		s.t.Errorf("request %d: errno %d, want %d", unique, -reply.errno, errno)
	}
	return reply
}

// wantSilent fails the test if a request was answered already.
func (s *servedKernel) wantSilent(uniques ...uint64) {
	s.t.Helper()
	for _, unique := range uniques {
		if answers := len(s.channel(unique)); answers > 0 {
			s.t.Errorf("request %d has %d answers", unique, answers)
		}
	}
}

// wantQueued returns when so many of a user's requests are served and so many wait for their turn.
func (s *servedKernel) wantQueued(uid uint32, turns, queued int) {
	s.t.Helper()
	eventually(s.t, func() error {
		figure := s.f.limits.turns.Figures()[uid]
		if figure.Turns != turns || figure.Queued != queued {
			return fmt.Errorf("user %d has %+v, want %d turns and %d queued", uid, figure, turns, queued)
		}
		return nil
	})
}

// eventually returns when a condition has come true, as it must.
func eventually(t testing.TB, condition func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := condition()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
}

// closeGate makes whoever opens a node wait; the test opens the gate again, or its end does.
func (s *servedKernel) closeGate(node uint64) (closed *gate, open func()) {
	closed = &gate{done: make(chan struct{})}
	s.f.openings.mu.Lock()
	s.f.openings.gates[node] = closed
	s.f.openings.mu.Unlock()
	open = sync.OnceFunc(func() {
		s.f.openings.mu.Lock()
		delete(s.f.openings.gates, node)
		s.f.openings.mu.Unlock()
		close(closed.done)
	})
	s.t.Cleanup(open)
	return closed, open
}
