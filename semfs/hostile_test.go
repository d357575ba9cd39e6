package semfs

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"shmfs/mmapcore"

	"golang.org/x/sys/unix"
)

func canceled() *mmapcore.Cancellation {
	cancellation := mmapcore.NewCancellation()
	cancellation.Cancel()
	return cancellation
}

// While another process writes nonsense into the memory, every call returns, and another semaphore works as ever.
func TestScribbledOver(t *testing.T) {
	f, other := newFixture(t), newFixture(t)
	wantNoError(t, "Initialise", f.Initialise(Glibc, 0))
	wantNoError(t, "Initialise", other.Initialise(Glibc, 0))
	scribbler := f.peerCommand(t.Context(), "musl", "scribble", 0)
	wantNoError(t, "starting the scribbler", scribbler.Start())
	ending := time.Now().Add(time.Second)
	calls := operations(f.Semaphore)
	calls["State"] = func() error { _, err := f.State(); return err }
	calls["Set at random"] = func() error { return f.Set(rand.Uint32N(3)) }
	waits := mmapcore.NewCancellation()
	calls["Wait for ever"] = func() error { return f.Wait(waits, mmapcore.NoTimeout) }
	calls["WaitReadable for ever"] = func() error { return f.WaitReadable(waits) }
	var users sync.WaitGroup
	var failed, worked atomic.Int64
	for _, call := range calls {
		users.Go(func() {
			for time.Now().Before(ending) {
				if call() != nil {
					failed.Add(1)
				} else {
					worked.Add(1)
				}
			}
		})
	}
	for time.Now().Before(ending) {
		if err := other.Post(1); err != nil {
			t.Fatal(err)
		}
		wantNoError(t, "Wait on another", other.Wait(nil, 0))
	}
	waits.Cancel()
	ended := make(chan struct{})
	go func() { users.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(limit):
		t.Error("a call did not return")
	}
	wantNoError(t, "ending the scribbler", scribbler.Process.Kill())
	_ = scribbler.Wait() // it was killed
	<-ended
	if failed.Load() == 0 || worked.Load() == 0 {
		t.Errorf("%d calls failed and %d worked, want some of each", failed.Load(), worked.Load())
	}
	wantNoError(t, "Initialise", f.Initialise(Glibc, 1))
	wantNoError(t, "Take", f.Take(1))
	wantQuiet(t, f.Semaphore)
}

// A waiter that is woken and finds no semaphore any more returns, and does no harm to what is there.
func TestWokenToNonsense(t *testing.T) {
	for name, nonsense := range map[string]func(t *testing.T, f fixture){
		"size":   func(t *testing.T, f fixture) { wantNoError(t, "Resize", f.region.Resize(Size+1)) },
		"layout": func(t *testing.T, f fixture) { wantNoError(t, "Store32", f.mapping.Store32(sharingOffset, 5)) },
		"value":  func(t *testing.T, f fixture) { wantNoError(t, "Store32", f.mapping.Store32(wordsOffset, topBit)) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			wantNoError(t, "Initialise", f.Initialise(Glibc, 0))
			done := make(chan error)
			go func() { done <- f.Wait(nil, mmapcore.NoTimeout) }()
			go func() { done <- f.WaitReadable(nil) }()
			awaitWaiters(t, f.Semaphore, 2)
			nonsense(t, f)
			woken := 0
			for deadline := time.Now().Add(limit); woken < 2 && time.Now().Before(deadline); {
				// They may be counted and not asleep yet.
				if _, err := f.mapping.FutexWake(wordsOffset, 2); err != nil {
					t.Fatal(err)
				}
				select {
				case err := <-done:
					wantError(t, "a wait", err, unix.EINVAL)
					woken++
				default:
				}
			}
			if woken < 2 {
				t.Fatalf("%d of 2 returned", woken)
			}
		})
	}
}

// Units and waiters of a musl since 1.2.4, whose functions are done here step by step as they do it, with 32 bits at a time.
func TestMuslOfTheOtherMark(t *testing.T) {
	const each = 3000
	f := newFixture(t)
	wantNoError(t, "Initialise", f.Initialise(Musl, 0))
	mapping, err := f.region.Map(0, 4096, mmapcore.ReadWrite)
	wantNoError(t, "Map", err)
	t.Cleanup(func() { wantNoError(t, "Unmap", mapping.Unmap()) })
	peer := topBitPeer{t, mapping}
	var users sync.WaitGroup
	for range 2 {
		users.Go(func() { peer.times(each, peer.wait) })
	}
	awaitWaiters(t, f.Semaphore, 2) // the first of them leaves the mark
	for range 2 {
		users.Go(func() { peer.times(each, peer.post) })
		users.Go(func() { peer.times(each, func() { wantNothingButEINTR(t, f.Post(1)) }) })
		users.Go(func() { peer.times(each, func() { wantNothingButEINTR(t, f.Wait(nil, limit)) }) })
	}
	users.Wait()
	wantQuiet(t, f.Semaphore)
}

// topBitPeer is a thread of a program with such a musl.
type topBitPeer struct {
	t       *testing.T
	mapping *mmapcore.Mapping
}

func (p topBitPeer) times(count int, call func()) {
	for range count {
		call()
	}
}

// must is for calls that fail only when the test is wrong.
func must[V any](value V, err error) V {
	if err != nil {
		panic(err)
	}
	return value
}

func (p topBitPeer) post() {
	for {
		word, waiters := must(p.mapping.Load32(0)), must(p.mapping.Load32(4))
		posted, count := word+1, 1
		if waiters <= 1 {
			posted, count = posted&^topBit, MaxValue
		}
		if !must(p.mapping.CompareAndSwap32(0, word, posted)) {
			continue
		}
		if word&topBit != 0 || waiters > 0 {
			must(p.mapping.FutexWake(0, count))
		}
		return
	}
}

func (p topBitPeer) tryWait() bool {
	for {
		word := must(p.mapping.Load32(0))
		if word&MaxValue == 0 {
			return false
		}
		if must(p.mapping.CompareAndSwap32(0, word, word-1)) {
			return true
		}
	}
}

func (p topBitPeer) wait() {
	for !p.tryWait() {
		must(p.mapping.Add32(4, 1))
		must(p.mapping.CompareAndSwap32(0, 0, topBit))
		_ = p.mapping.FutexWait(0, topBit, limit) // for whatever reason it ends, the value is looked at
		must(p.mapping.Add32(4, ^uint32(0)))
	}
}
