package semfs

import (
	"errors"
	"sync"
	"testing"

	"shmfs/mmapcore"

	"golang.org/x/sys/unix"
)

// Cancellations and time limits race the posts of both sides. In the end there are as many units as were posted and not
// taken, whoever was told what.
func TestCancellationsRacePosts(t *testing.T) {
	const rounds, waiters = 250, 4
	onEachLibc(t, 0, func(t *testing.T, name string, f fixture) {
		fromPeer := make(chan string)
		go func() { fromPeer <- f.peer(name, "post", rounds) }()
		posted, taken := rounds, 0
		for round := range rounds {
			cancellation := mmapcore.NewCancellation()
			results := make(chan error, waiters)
			for waiter := range waiters {
				go func() {
					if waiter == 0 {
						results <- errors.Join(f.WaitReadable(cancellation), unix.EINTR)
						return
					}
					results <- f.Wait(cancellation, limit)
				}()
			}
			if round%2 == 0 {
				awaitSome(t, f.Semaphore)
			}
			var racers sync.WaitGroup
			racers.Go(cancellation.Cancel)
			posts := round % 3
			for range posts {
				racers.Go(func() { wantNothingButEINTR(t, f.Post(1)) })
			}
			racers.Wait()
			posted += posts
			for range waiters {
				err := <-results
				wantNothingButEINTR(t, err)
				if err == nil {
					taken++
				}
			}
		}
		if said := <-fromPeer; said != "done 0" {
			t.Fatalf("the peer's posts: %s", said)
		}
		state, err := f.State()
		wantNoError(t, "State", err)
		if int(state.Value) != posted-taken || state.Waiters != 0 {
			t.Errorf("%d posted, %d taken, and the state is %+v", posted, taken, state)
		}
	})
}

// awaitSome returns when somebody waits or there are units.
func awaitSome(t *testing.T, s *Semaphore) {
	t.Helper()
	for {
		state, err := s.State()
		wantNoError(t, "State", err)
		if state.Waiters > 0 || state.Value > 0 {
			return
		}
	}
}

func wantNothingButEINTR(t *testing.T, err error) {
	t.Helper()
	if err != nil && !errors.Is(err, unix.EINTR) {
		t.Errorf("error is %v, want none or EINTR", err)
	}
}

// Whoever is cancelled is not counted any more, takes nothing, and does not keep a unit from the next.
func TestCancelledWaitersLeave(t *testing.T) {
	onEachLibc(t, 0, func(t *testing.T, name string, f fixture) {
		cancellation := mmapcore.NewCancellation()
		results, said := make(chan error), make(chan string)
		for range 8 {
			go func() { results <- f.Wait(cancellation, limit) }()
			go func() { results <- f.WaitReadable(cancellation) }()
		}
		go func() { said <- f.peer(name, "wait", 1) }()
		awaitWaiters(t, f.Semaphore, 17)
		cancellation.Cancel()
		for range 16 {
			wantError(t, "a cancelled wait", <-results, unix.EINTR)
		}
		awaitWaiters(t, f.Semaphore, 1)
		wantNoError(t, "Post", f.Post(1))
		if line := <-said; line != "done 0" {
			t.Errorf("the peer's wait: %s", line)
		}
		wantQuiet(t, f.Semaphore)
		wantError(t, "Wait", f.Wait(cancellation, mmapcore.NoTimeout), unix.EINTR)
		wantNoError(t, "Post", f.Post(1))
		wantNoError(t, "Wait", f.Wait(cancellation, mmapcore.NoTimeout)) // a unit is there
		wantQuiet(t, f.Semaphore)
	})
}

// A waiter that fails after it was woken wakes another in its stead. What a post does before it wakes is done here, so that
// no other wake is there.
func TestFailingWaiterPassesItsWakeOn(t *testing.T) {
	onEachLibc(t, 0, func(t *testing.T, name string, f fixture) {
		for range 20 {
			failing, err := f.Join(nil)
			wantNoError(t, "joining", err)
			failing.woken = true
			said := make(chan string)
			go func() { said <- f.peer(name, "wait", 1) }()
			awaitWaiters(t, f.Semaphore, 2)
			_, _, err = f.stamp(Post, 1, nil)
			wantNoError(t, "posting", err)
			wantNoError(t, "leaving", failing.Leave(nil))
			if line := <-said; line != "done 0" {
				t.Fatalf("the peer's wait: %s", line)
			}
			wantQuiet(t, f.Semaphore)
		}
	})
}

// One post of libc's tells all who watch, and reaches the one who waits for the unit.
func TestReadableTakesNoWakeUp(t *testing.T) {
	onEachLibc(t, 0, func(t *testing.T, name string, f fixture) {
		for range 10 {
			watched, said := make(chan error), make(chan string)
			stop := mmapcore.NewCancellation()
			for range 3 {
				go func() { watched <- f.WaitReadable(stop) }()
			}
			awaitWaiters(t, f.Semaphore, 3) // they come first, so that the post wakes one of them
			go func() { said <- f.peer(name, "wait", 1) }()
			awaitWaiters(t, f.Semaphore, 4)
			if line := f.peer(name, "post", 1); line != "done 0" {
				t.Fatalf("the peer's post: %s", line)
			}
			if line := <-said; line != "done 0" {
				t.Fatalf("the peer's wait: %s", line)
			}
			stop.Cancel() // who comes too late sees no unit, and goes on watching
			for range 3 {
				wantNothingButEINTR(t, <-watched)
			}
			wantQuiet(t, f.Semaphore)
		}
		watched := make(chan error)
		for range 3 {
			go func() { watched <- f.WaitReadable(nil) }()
		}
		awaitWaiters(t, f.Semaphore, 3)
		if line := f.peer(name, "post", 1); line != "done 0" {
			t.Fatalf("the peer's post: %s", line)
		}
		for range 3 {
			wantNoError(t, "WaitReadable", <-watched)
		}
		wantNoError(t, "Take", f.Take(1))
		wantQuiet(t, f.Semaphore)
	})
}

// A watcher sleeps: it uses next to no processor time until it is woken.
func TestWaitersUseNoProcessor(t *testing.T) {
	onEachLibc(t, 0, func(t *testing.T, name string, f fixture) {
		stop, done := mmapcore.NewCancellation(), make(chan error)
		for range 20 {
			go func() { done <- f.WaitReadable(stop) }()
		}
		awaitWaiters(t, f.Semaphore, 20)
		before := processorTime(t)
		if said := f.peer(name, "timedwait", 300); said == "done 0" {
			t.Error("took a unit that is not there")
		}
		if used := processorTime(t) - before; used > 100e6 {
			t.Errorf("20 waiters used %d ns of processor time in 300 ms", used)
		}
		stop.Cancel()
		for range 20 {
			wantError(t, "WaitReadable", <-done, unix.EINTR)
		}
	})
}

// processorTime is this process's, in nanoseconds.
func processorTime(t *testing.T) int64 {
	t.Helper()
	var at unix.Timespec
	wantNoError(t, "clock_gettime", unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &at))
	return at.Nano()
}

// Close ends the waits.
func TestCloseEndsWaits(t *testing.T) {
	f := newFixture(t)
	wantNoError(t, "Initialise", f.Initialise(Glibc, 0))
	done := make(chan error)
	go func() { done <- f.Wait(nil, mmapcore.NoTimeout) }()
	go func() { done <- f.WaitReadable(nil) }()
	awaitWaiters(t, f.Semaphore, 2)
	wantNoError(t, "Close", f.Close())
	for range 2 {
		wantError(t, "a wait", <-done, mmapcore.ErrClosed)
	}
	wantError(t, "Post", f.Post(1), mmapcore.ErrClosed)
}
