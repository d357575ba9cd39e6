package semfs

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"shmfs/mmapcore"

	"golang.org/x/sys/unix"
)

// errShare refuses a wait.
var errShare = fmt.Errorf("it is too much: %w", unix.EAGAIN)

// shares bounds in how many semaphores each user waits, and fails the test unless all are given back at its end.
type shares struct {
	t    *testing.T
	most int

	mu   sync.Mutex
	held map[uint32]int // guarded by mu
}

func newShares(t *testing.T, most int) *shares {
	s := &shares{t: t, most: most, held: make(map[uint32]int)}
	t.Cleanup(func() {
		for user, held := range s.held {
			if held != 0 {
				t.Errorf("user %d has %d semaphores that are not given back", user, held)
			}
		}
	})
	return s
}

func (s *shares) Take(user uint32) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held[user] == s.most {
		return errShare
	}
	s.held[user]++
	return nil
}

func (s *shares) Give(user uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held[user]--; s.held[user] < 0 {
		s.t.Errorf("user %d gives back what nobody took", user)
	}
}

func (s *shares) want(user uint32, want int) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held[user] != want {
		s.t.Errorf("user %d waits in %d semaphores, want %d", user, s.held[user], want)
	}
}

// shared are semaphores whose operators share sleepers and shares.
func shared(t *testing.T, count, most int) (*shares, []operated) {
	t.Helper()
	shares := newShares(t, most)
	sleepers := NewSleepers(2*count, shares, func() {})
	var all []operated
	for range count {
		f := newFixture(t)
		wantNoError(t, "Initialise", f.Initialise(Glibc, 0))
		o := operated{f, NewOperator(f.Semaphore, sleepers, nil)}
		t.Cleanup(o.operator.Close)
		all = append(all, o)
	}
	return shares, all
}

// wantTooMuch fails unless a user can neither wait nor poll in a semaphore.
func (o operated) wantTooMuch(t *testing.T, user uint32) {
	t.Helper()
	for _, command := range []string{"wait", "acquire 2", "timedwait 9"} {
		if _, err := o.operator.NewClient(0).Do([]byte(command), Conditions{User: user}); !errors.Is(err, errShare) {
			t.Errorf("%s: %v, want %v", command, err, errShare)
		}
	}
	if readable, err := o.operator.Poll(user, 77, func() { t.Error("told") }); readable || !errors.Is(err, errShare) {
		t.Errorf("Poll: %v, %v, want %v", readable, err, errShare)
	}
	wantReport(t, o.operator, 0, 0)
}

// A user may wait and poll as often as there is room, in as many semaphores as the share allows, whoever else does.
func TestShareOfOneUser(t *testing.T) {
	const greedy, other = 7, 8
	shares, all := shared(t, 3, 2)
	waiting := func(i int, user uint32, text string, queued int) <-chan outcome {
		ended := all[i].start(all[i].operator.NewClient(0), text, Conditions{User: user})
		all[i].awaitQueued(t, queued)
		return ended
	}
	first, again := waiting(0, greedy, "wait", 1), waiting(0, greedy, "acquire", 2)
	beside := waiting(0, other, "wait", 3)
	told := make(chan struct{})
	if _, err := all[0].operator.Poll(greedy, 1, func() { close(told) }); err != nil {
		t.Fatalf("Poll where the user waits: %v", err)
	}
	shares.want(greedy, 1)
	second := waiting(1, greedy, "wait", 1)
	shares.want(greedy, 2)
	all[2].wantTooMuch(t, greedy)

	stranger := waiting(2, other, "wait", 1)
	wantNoError(t, "Post", all[2].Post(1))
	wantEnd(t, "another user's wait", stranger)

	wantNoError(t, "Post", all[0].Post(2)) // the greedy user's, who came first
	wantEnd(t, "wait", first)
	wantEnd(t, "acquire", again)
	shares.want(greedy, 2) // it polls still
	all[0].operator.Unpoll(1)
	shares.want(greedy, 1) // though the sleeper stays, for the other user
	third := waiting(2, greedy, "wait", 1)
	for i, ended := range map[int]<-chan outcome{0: beside, 1: second, 2: third} {
		wantNoError(t, "Post", all[i].Post(1))
		wantEnd(t, "wait", ended)
	}
	shares.want(greedy, 0)
	shares.want(other, 0)
}

// However a wait or a poll ends, it is not counted any more.
func TestSharesAreGivenBack(t *testing.T) {
	const user = 7
	shares, all := shared(t, 1, 1)
	o := all[0]
	wantRefused(t, o.operator.NewClient(0), "wait", Conditions{User: user, Interrupted: closed()}, unix.EINTR)
	shares.want(user, 0)
	wantRefused(t, o.operator.NewClient(0), "timedwait 0.01", Conditions{User: user}, unix.ETIMEDOUT)
	shares.want(user, 0)
	told := make(chan struct{})
	poll := func(tell func()) {
		t.Helper()
		if readable, err := o.operator.Poll(user, 1, tell); readable || err != nil {
			t.Fatalf("Poll: %v, %v", readable, err)
		}
		shares.want(user, 1)
	}
	poll(func() { t.Error("told") })
	poll(func() { close(told) }) // in the place of the other
	wantNoError(t, "Post", o.Post(1))
	receive(t, "the poller", told)
	shares.want(user, 0)
	wantNoError(t, "Take", o.Take(1))
	told = make(chan struct{})
	poll(func() { close(told) })
	ended := o.start(o.operator.NewClient(0), "wait", Conditions{User: user})
	o.awaitQueued(t, 1)
	wantNoError(t, "Resize", o.region.Resize(Size+1))
	o.operator.Look()
	wantEndBy(t, "a wait in what is no semaphore any more", ended, unix.EINVAL)
	receive(t, "the poller", told)
	shares.want(user, 0)
	wantNoError(t, "Resize", o.region.Resize(Size))
	poll(func() { t.Error("told") })
	ended = o.start(o.operator.NewClient(0), "acquire", Conditions{User: user})
	o.awaitQueued(t, 1)
	o.operator.Close()
	wantEndBy(t, "acquire", ended, mmapcore.ErrClosed)
	shares.want(user, 0)
}

// What BeforeWait refuses does not wait, and leaves nothing.
func TestBeforeWaitRefuses(t *testing.T) {
	o := newOperated(t, 1)
	refused := fmt.Errorf("not now: %w", unix.EAGAIN)
	conditions := Conditions{BeforeWait: func() error { return refused }}
	client := o.operator.NewClient(0)
	for range 3 {
		if done, err := client.Do([]byte("acquire 2"), conditions); done != 0 || !errors.Is(err, refused) {
			t.Errorf("Do: %d, %v, want %v", done, err, refused)
		}
	}
	wantDone(t, client, "wait", conditions) // there is a unit
	wantReport(t, o.operator, 0, 0)
}
