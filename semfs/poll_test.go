package semfs

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

func isInvalid(err error) bool { return errors.Is(err, unix.EINVAL) }
func isAgain(err error) bool   { return errors.Is(err, unix.EAGAIN) }

// wantNotReadable polls, and fails unless there is no unit.
func wantNotReadable(t *testing.T, operator *Operator, key uint64, tell func()) {
	t.Helper()
	if readable, err := operator.Poll(0, key, tell); readable || err != nil {
		t.Fatalf("Poll: %v, %v, want false", readable, err)
	}
}

// wantReadable polls, and fails unless there is a unit.
func wantReadable(t *testing.T, operator *Operator, key uint64, tell func()) {
	t.Helper()
	if readable, err := operator.Poll(0, key, tell); !readable || err != nil {
		t.Fatalf("Poll: %v, %v, want true", readable, err)
	}
}

// A poll is told of a unit once, by whomever it is posted, and takes nothing.
func TestPollIsToldOnce(t *testing.T) {
	onEachLibcOperated(t, 0, func(t *testing.T, name string, o operated) {
		told := make(chan int, 10)
		tell := func(which int) func() { return func() { told <- which } }
		wantNotReadable(t, o.operator, 1, nil) // it is not to be told, so nobody sleeps for it
		if sleepers := o.operator.sleepers.count.Load(); sleepers != 0 {
			t.Errorf("%d sleepers for nobody", sleepers)
		}
		for range 5 {
			wantNotReadable(t, o.operator, 1, tell(0))
			wantNotReadable(t, o.operator, 1, tell(1)) // in the place of the first
			wantNotReadable(t, o.operator, 2, tell(2))
			wantReport(t, o.operator, 0, 0)
			if len(told) != 0 {
				t.Fatalf("told without a unit: %d", <-told)
			}
			if said := o.peer(name, "post", 1); said != "done 0" {
				t.Fatalf("the peer's post: %s", said)
			}
			if sum := receive(t, "a poller", told) + receive(t, "a poller", told); sum != 3 {
				t.Fatalf("the two told add up to %d", sum)
			}
			wantReadable(t, o.operator, 1, nil)
			o.awaitLeft(t)
			wantNoError(t, "Post", o.Post(1))
			wantReport(t, o.operator, 2, 0)
			if said := o.peer(name, "wait", 2); said != "done 0" {
				t.Fatalf("the peer's wait: %s", said)
			}
		}
		if len(told) != 0 {
			t.Errorf("told once too often: %d", <-told)
		}
	})
}

// Who polls while there is a unit is told of the next, once, also if the first is taken right away so that the value is the same.
func TestPollIsToldOfAnother(t *testing.T) {
	onEachLibcOperated(t, 1, func(t *testing.T, name string, o operated) {
		told := make(chan int, 10)
		for range 10 {
			wantReadable(t, o.operator, 1, func() { told <- 1 })
			wantReport(t, o.operator, 1, 0)
			wantNoError(t, "Take", o.Take(1))
			if said := o.peer(name, "post", 1); said != "done 0" {
				t.Fatalf("the peer's post: %s", said)
			}
			receive(t, "the poller", told)
			wantReadable(t, o.operator, 1, func() { told <- 1 })
			wantNoError(t, "Post", o.Post(1))
			receive(t, "the poller", told)
			wantNoError(t, "Take", o.Take(1))
			wantReadable(t, o.operator, 1, func() { told <- 2 })
			o.operator.Unpoll(1)
			o.awaitLeft(t)
		}
		if len(told) != 0 {
			t.Errorf("%d is told", <-told)
		}
	})
}

// Who polls and who waits is told when the file becomes no semaphore.
func TestLook(t *testing.T) {
	o := newOperated(t, 0)
	told := make(chan int, 1)
	wantNotReadable(t, o.operator, 1, func() { told <- 1 })
	waiting := o.start(o.operator.NewClient(0), "wait", Conditions{})
	o.awaitQueued(t, 1)
	wantNoError(t, "Resize", o.region.Resize(7))
	o.operator.Look()
	receive(t, "the poller", told)
	wantEndBy(t, "wait", waiting, unix.EINVAL)
}

// Who is forgotten is not told, and nobody is left sleeping.
func TestUnpoll(t *testing.T) {
	o := newOperated(t, 0)
	told := make(chan int, 10)
	o.operator.Unpoll(7)
	for range 20 {
		wantNotReadable(t, o.operator, 7, func() { told <- 7 })
		wantNotReadable(t, o.operator, 8, func() { told <- 8 })
		o.operator.Unpoll(7)
		o.operator.Unpoll(7)
		wantNoError(t, "Post", o.Post(1))
		if which := receive(t, "the other poller", told); which != 8 {
			t.Fatalf("%d is told", which)
		}
		wantNoError(t, "Take", o.Take(1))
		wantNotReadable(t, o.operator, 7, func() { told <- 7 })
		o.operator.Unpoll(7)
		o.awaitLeft(t)
	}
	if len(told) != 0 {
		t.Errorf("%d is told", <-told)
	}
}

// tell may poll again.
func TestPollFromWithinTell(t *testing.T) {
	o := newOperated(t, 0)
	readable := make(chan bool, 1)
	wantNotReadable(t, o.operator, 1, func() {
		now, err := o.operator.Poll(0, 1, nil)
		readable <- now && err == nil
	})
	wantNoError(t, "Post", o.Post(1))
	if !receive(t, "tell", readable) {
		t.Error("there is a unit, and a poll from within tell does not say so")
	}
}

// One post of libc's reaches both who polls and who waits for the unit, in libc or by a command.
func TestPollersKeepNoWakeUp(t *testing.T) {
	onEachLibcOperated(t, 0, func(t *testing.T, name string, o operated) {
		told := make(chan int, 3)
		for range 15 {
			for key := range 3 {
				wantNotReadable(t, o.operator, uint64(key), func() { told <- key })
			}
			awaitWaiters(t, o.Semaphore, 1) // the sleeper comes first, so that the post wakes it
			said := make(chan string, 1)
			go func() { said <- o.peer(name, "wait", 1) }()
			awaitWaiters(t, o.Semaphore, 2)
			if line := o.peer(name, "post", 1); line != "done 0" {
				t.Fatalf("the peer's post: %s", line)
			}
			if line := receive(t, "the peer", said); line != "done 0" {
				t.Fatalf("the peer's wait: %s", line)
			}
			waiting := o.start(o.operator.NewClient(0), "wait", Conditions{})
			o.awaitQueued(t, 1)
			if line := o.peer(name, "post", 1); line != "done 0" {
				t.Fatalf("the peer's post: %s", line)
			}
			wantEnd(t, "wait", waiting)
			wantNoError(t, "Post", o.Post(1)) // whoever came too late for the first unit sees this one
			await(t, "pollers that are told", func() bool { return len(told) == 3 })
			for range 3 {
				<-told
			}
			wantNoError(t, "Take", o.Take(1))
			o.awaitLeft(t)
		}
	})
}

// Whoever polls as an event loop does, and tries to take a unit when told, gets every unit there is.
func TestEventLoops(t *testing.T) {
	const loops, each = 4, 400
	onEachLibcOperated(t, 0, func(t *testing.T, name string, o operated) {
		var taken atomic.Int64
		var users sync.WaitGroup
		ended := make(chan struct{})
		for key := range loops {
			users.Go(func() {
				client, told := o.operator.NewClient(0), make(chan struct{}, 1)
				tell := func() {
					select {
					case told <- struct{}{}:
					default: // it was told of a unit that it has seen since
					}
				}
				for {
					readable, err := o.operator.Poll(0, uint64(key), tell)
					switch {
					case err != nil:
						t.Errorf("Poll: %v", err)
						return
					case !readable:
						select {
						case <-told:
						case <-ended:
							o.operator.Unpoll(uint64(key))
							return
						}
					}
					if _, err := client.Do([]byte("trywait"), Conditions{}); err == nil && taken.Add(1) == loops*each {
						close(ended)
					}
				}
			})
		}
		for range loops {
			users.Go(func() {
				if said := o.peer(name, "post", each); said != "done 0" {
					t.Error(said)
				}
			})
		}
		awaitAll(t, fmt.Sprintf("end of %d event loops", loops), &users)
		o.awaitLeft(t)
		wantReport(t, o.operator, 0, 0)
	})
}

// awaitAll waits for a group, and fails the test rather than hanging.
func awaitAll(t *testing.T, what string, group *sync.WaitGroup) {
	t.Helper()
	ended := make(chan struct{})
	go func() { group.Wait(); close(ended) }()
	receive(t, what, ended)
}
