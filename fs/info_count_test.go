package fs

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"shmfs/objects"
)

// slowly is a counting whose walks take so long, by the bubble's clock, and find one file more each time.
func slowly(took time.Duration) (*counting, *atomic.Int32) {
	walks := new(atomic.Int32)
	return &counting{walk: func() (objects.Count, error) {
		number := walks.Add(1)
		time.Sleep(took)
		return objects.Count{Files: int(number)}, nil
	}}, walks
}

// ask asks for a count, which must be that of a walk, begun so long ago, and come within countPatience.
func ask(t *testing.T, c *counting, walk int, age time.Duration) {
	t.Helper()
	asked := time.Now()
	got := c.last(asked)
	if waited := time.Since(asked); waited > countPatience {
		t.Errorf("waited %v", waited)
	}
	if began := time.Since(got.began); got.err != nil || got.Files != walk || began != age {
		t.Errorf("it is of walk %d, begun %v ago, %v; want that of %d, %v ago", got.Files, began, got.err, walk, age)
	}
}

// What is counted in time is counted since it was asked for.
func TestQuickCountsAreFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const took = countPatience - time.Millisecond
		c, _ := slowly(took)
		for walk := range 5 {
			ask(t, c, walk+1, took)
		}
	})
}

// Who asks while a count runs that began before waits for the next one, if there is time.
func TestCountsThatBeganBeforeAreNotTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const took = 20 * time.Millisecond
		c, walks := slowly(took)
		ask(t, c, 1, took)
		_, ended := c.next(time.Now())
		time.Sleep(took / 2)
		ask(t, c, 3, took)
		<-ended
		if walks.Load() != 3 {
			t.Errorf("%d walks", walks.Load())
		}
	})
}

// What takes long is answered with what there is; only the first waits. Many who ask have one walk at a time, and none for some time after it.
func TestSlowCountsKeepNobodyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const took = time.Second
		c, walks := slowly(took)
		var first sync.WaitGroup
		for range 10 {
			first.Go(func() {
				asked := time.Now()
				if got := c.last(asked); got.Files != 1 || time.Since(asked) != took {
					t.Errorf("the first is of walk %d, after %v", got.Files, time.Since(asked))
				}
			})
		}
		first.Wait()
		ask(t, c, 1, took) // at once
		time.Sleep(countRest*took - time.Millisecond)
		ask(t, c, 1, (1+countRest)*took-time.Millisecond)
		if walks.Load() != 1 {
			t.Errorf("%d walks before the rest is over", walks.Load())
		}
		time.Sleep(time.Millisecond)
		ask(t, c, 1, (1+countRest)*took+countPatience) // another walk has begun
		time.Sleep(took - countPatience)
		ask(t, c, 2, took)
		if walks.Load() != 2 {
			t.Errorf("%d walks", walks.Load())
		}
	})
}

// A walk that fails is an error for who asked for it, and not the last that is tried.
func TestCountsThatFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		c := &counting{walk: func() (objects.Count, error) { return objects.Count{}, broken }}
		if got := c.last(time.Now()); !errors.Is(got.err, broken) {
			t.Errorf("error is %v", got.err)
		}
		c.walk = func() (objects.Count, error) { return objects.Count{Files: 1}, nil }
		time.Sleep(time.Nanosecond) // it was that moment's
		ask(t, c, 1, 0)
	})
}

// Whoever stops the counting waits for the walk that runs, and there is none afterwards.
func TestCountingIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		walking := make(chan struct{})
		c := &counting{}
		c.walk = func() (objects.Count, error) {
			close(walking)
			for !c.isStopped() {
				time.Sleep(time.Millisecond)
			}
			return objects.Count{}, errCountingStopped
		}
		c.next(time.Now())
		<-walking
		c.stop()
		if got := c.last(time.Now()); !errors.Is(got.err, errCountingStopped) {
			t.Errorf("error is %v", got.err)
		}
	})
}
