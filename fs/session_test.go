package fs

import (
	"io"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// TestReadersNeverRunOut keeps several requests under way at once, so that readers come and go all the time: there must
// always be one left, and Serve must return only when the connection ends.
func TestReadersNeverRunOut(t *testing.T) {
	kernel := newFakeKernel(t)
	served := make(chan error, 1)
	go func() { served <- kernel.f.Serve() }()
	disconnect := sync.OnceFunc(func() {
		if err := unix.Shutdown(kernel.socket, unix.SHUT_RDWR); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(disconnect) // also after a failure, since closing waits for the readers
	const total, window = 30000, 6
	answered := map[uint64]bool{}
	reply := make([]byte, 4096)
	for sent := 0; len(answered) < total; {
		for ; sent < total && sent-len(answered) < window; sent++ {
			kernel.write(message{opcode: opGetattr, unique: uint64(2 * (sent + 1)), node: 1, body: make([]byte, 16)})
		}
		if n := kernel.readReply(reply); n != outHeaderSize+attrOutSize {
			t.Fatalf("a reply of %d bytes", n)
		}
		unique := le.Uint64(reply[8:])
		if answered[unique] || unique%2 != 0 || unique > 2*total {
			t.Fatalf("a reply to %d", unique)
		}
		answered[unique] = true
	}
	select {
	case err := <-served:
		t.Fatalf("Serve returned while connected: %v", err)
	default:
	}
	disconnect()
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if idle := kernel.f.idle.Load(); idle != 0 {
		t.Errorf("%d readers are counted as waiting after the end", idle)
	}
}

// TestWaitingIsCountedInOneStep watches the count while readers are sent away: were one counted for even a moment, a reader
// that takes a request in that moment would rely on it, and nobody would be left to read.
func TestWaitingIsCountedInOneStep(t *testing.T) {
	f := newFakeKernel(t).f
	f.idle.Store(maxIdle)
	stop := make(chan struct{})
	var sentAway sync.WaitGroup
	for range 2 {
		sentAway.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if f.waitAgain() {
					t.Error("one reader too many was kept")
					return
				}
			}
		})
	}
	for range 2_000_000 {
		if idle := f.idle.Load(); idle != maxIdle {
			t.Errorf("%d were counted, of %d", idle, maxIdle)
			break
		}
	}
	close(stop)
	sentAway.Wait()
}

// TestFailedReads tells the errors that end the mount in the ordinary way from those that are passed over and from those
// that Serve returns.
func TestFailedReads(t *testing.T) {
	for err, want := range map[error]struct{ goesOn, broken bool }{
		io.EOF:              {},
		unix.ENODEV:         {},
		unix.ECONNABORTED:   {}, // a request was taken when the end came
		unix.ENOENT:         {goesOn: true},
		unix.EINTR:          {goesOn: true},
		unix.EAGAIN:         {goesOn: true},
		io.ErrUnexpectedEOF: {goesOn: true},
		unix.EIO:            {broken: true},
	} {
		f := newFakeKernel(t).f
		goesOn := f.goOn(err)
		if broken := f.broken.Load() != nil; goesOn != want.goesOn || broken != want.broken {
			t.Errorf("after %v: goes on %t, broken %t, want %t and %t", err, goesOn, broken, want.goesOn, want.broken)
		}
	}
}
