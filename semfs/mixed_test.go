package semfs

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"shmfs/mmapcore"

	"golang.org/x/sys/unix"
)

// Units that either side posts are taken by either side, each once, and nobody is left waiting.
func TestUnitsAreHandedRound(t *testing.T) {
	const each = 6250 // by 8, half of them in processes
	onEachLibc(t, 0, func(t *testing.T, name string, f fixture) {
		var users sync.WaitGroup
		for _, command := range []string{"post", "post", "post", "post", "wait", "wait", "briefly", "briefly"} {
			users.Go(func() {
				if said := f.peer(name, command, each); said != "done 0" {
					t.Errorf("%s: %s", command, said)
				}
			})
		}
		for range 4 {
			users.Go(func() {
				for range each {
					if err := f.Post(1); err != nil {
						t.Errorf("Post: %v", err)
						return
					}
				}
			})
			users.Go(func() {
				for range each {
					if err := f.Wait(nil, limit); err != nil {
						t.Errorf("Wait: %v", err)
						return
					}
				}
			})
		}
		users.Wait()
		state, err := f.State()
		wantNoError(t, "State", err)
		if state.Value != 0 || state.Waiters != 0 {
			t.Errorf("at the end %+v", state)
		}
	})
}

// A few units circulate among more users than there are units, so that nearly all of them sleep at any time.
func TestFewUnitsCirculate(t *testing.T) {
	const each = 2000
	onEachLibc(t, 2, func(t *testing.T, name string, f fixture) {
		watch, watcher := mmapcore.NewCancellation(), make(chan error)
		go func() { // it must not keep anybody from being woken
			for {
				if err := f.WaitReadable(watch); err != nil {
					watcher <- err
					return
				}
			}
		}()
		var users sync.WaitGroup
		for range 3 {
			users.Go(func() {
				if said := f.peer(name, "circulate", each); said != "done 0" {
					t.Error(said)
				}
			})
			users.Go(func() {
				for range each {
					if err := errors.Join(f.Wait(nil, limit), f.Post(1)); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		users.Wait()
		watch.Cancel()
		for range 2 { // with units there it would be readable for ever
			wantNoError(t, "Take", f.Take(1))
		}
		wantError(t, "WaitReadable", <-watcher, unix.EINTR)
		state, err := f.State()
		wantNoError(t, "State", err)
		if state.Value != 0 || state.Waiters != 0 {
			t.Errorf("at the end %+v", state)
		}
	})
}

// Each waits for the other's post: a lost wake-up would stop them.
func TestWakingFromEitherSide(t *testing.T) {
	onEachLibc(t, 0, func(t *testing.T, name string, f fixture) {
		for round := range 20 {
			said := make(chan string)
			go func() { said <- f.peer(name, "wait", 1) }()
			awaitWaiters(t, f.Semaphore, 1)
			wantNoError(t, "Post", f.Post(1))
			if line := <-said; line != "done 0" {
				t.Fatalf("round %d: the peer's wait: %s", round, line)
			}
			waited := make(chan error)
			go func() { waited <- f.Wait(nil, limit) }()
			awaitWaiters(t, f.Semaphore, 1)
			if line := f.peer(name, "post", 1); line != "done 0" {
				t.Fatalf("round %d: the peer's post: %s", round, line)
			}
			wantNoError(t, "Wait", <-waited)
		}
		wantQuiet(t, f.Semaphore)
	})
}

func wantQuiet(t *testing.T, s *Semaphore) {
	t.Helper()
	state, err := s.State()
	wantNoError(t, "State", err)
	if state.Layout == nil || state.Value != 0 || state.Waiters != 0 {
		t.Fatalf("state is %+v, want no units and no waiters", state)
	}
}

// Set lets as many go as there are units, and those who stay still sleep soundly.
func TestSetWakesAsManyAsItGives(t *testing.T) {
	onEachLibc(t, 0, func(t *testing.T, name string, f fixture) {
		done := make(chan string)
		for range 3 {
			go func() { done <- f.peer(name, "wait", 1) }()
			go func() { done <- fmt.Sprint(f.Wait(nil, limit)) }()
		}
		awaitWaiters(t, f.Semaphore, 6)
		wantNoError(t, "Set", f.Set(0))
		wantNoError(t, "Set", f.Set(4))
		awaitWaiters(t, f.Semaphore, 2)
		if value, err := f.Value(); value != 0 || err != nil {
			t.Errorf("value is %d, %v", value, err)
		}
		wantNoError(t, "Set", f.Set(2))
		for range 6 {
			if line := <-done; line != "done 0" && line != "<nil>" {
				t.Error(line)
			}
		}
		wantQuiet(t, f.Semaphore)
		wantError(t, "Set", f.Set(MaxValue+1), unix.EINVAL)
	})
}

func TestBothSidesReadTheSame(t *testing.T) {
	onEachLibc(t, 3, func(t *testing.T, name string, f fixture) {
		wantNoError(t, "Take", f.Take(1))
		if said := f.peer(name, "trywait", 1); said != "done 0" {
			t.Errorf("sem_trywait: %s", said)
		}
		if said := f.peer(name, "getvalue", 1); said != "done 1" {
			t.Errorf("sem_getvalue: %s", said)
		}
		wantNoError(t, "Wait", f.Wait(nil, -time.Second)) // what is there is taken at any time
		wantError(t, "Take", f.Take(1), unix.EAGAIN)
		wantError(t, "Wait", f.Wait(nil, 0), unix.ETIMEDOUT)
		wantError(t, "Wait", f.Wait(nil, 5*time.Millisecond), unix.ETIMEDOUT)
		if said, want := f.peer(name, "timedwait", 5), fmt.Sprintf("timedwait %d", unix.ETIMEDOUT); said != want {
			t.Errorf("sem_timedwait: %s, want %s", said, want)
		}
		wantQuiet(t, f.Semaphore)
		wantNoError(t, "Set", f.Set(MaxValue))
		wantError(t, "Post", f.Post(1), unix.EOVERFLOW)
		if said, want := f.peer(name, "post", 1), fmt.Sprintf("post %d", unix.EOVERFLOW); said != want {
			t.Errorf("sem_post: %s, want %s", said, want)
		}
		if value, err := f.Value(); value != MaxValue || err != nil {
			t.Errorf("value is %d, %v", value, err)
		}
	})
}

// What Initialise writes is a semaphore to libc.
func TestInitialisedIsLibcs(t *testing.T) {
	for name, library := range libcs {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			wantNoError(t, "Initialise", f.Initialise(library.layout, 7))
			wantState(t, f.Semaphore, State{Layout: library.layout, Value: 7})
			if said := f.peer(name, "getvalue", 1); said != "done 7" {
				t.Errorf("sem_getvalue: %s", said)
			}
			wantError(t, "Initialise", f.Initialise(library.layout, MaxValue+1), unix.EINVAL)
			wantError(t, "Initialise", f.Initialise(nil, 1), unix.EINVAL)
		})
	}
}
