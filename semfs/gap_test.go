package semfs

import (
	"errors"
	"testing"

	"shmfs/mmapcore"

	"golang.org/x/sys/unix"
)

// gap is an operator whose sleeper is the test itself, so that anything can happen between its handing out and its sleep: the moment
// at which a wake-up could be lost.
type gap struct {
	operated
	interrupted chan struct{}
	told        chan struct{}
	first       <-chan outcome // of one that waits for 3 units
}

func newGap(t *testing.T) *gap {
	t.Helper()
	o := newOperated(t, 0)
	wantNoError(t, "begin", o.operator.sleepers.begin())
	o.operator.attended, o.operator.kick = true, mmapcore.NewCancellation()
	g := &gap{operated: o, interrupted: make(chan struct{}), told: make(chan struct{}, 4)}
	g.first = g.wait(t, "acquire 3", 1)
	return g
}

// wait begins a wait, which is the nth in the queue.
func (g *gap) wait(t *testing.T, text string, nth int) <-chan outcome {
	t.Helper()
	ended := g.start(g.operator.NewClient(0), text, Conditions{Interrupted: g.interrupted})
	g.awaitQueued(t, nth)
	return ended
}

func (g *gap) poll(t *testing.T) {
	t.Helper()
	wantNotReadable(t, g.operator, 1, func() { g.told <- struct{}{} })
}

func (g *gap) interrupt(t *testing.T) {
	t.Helper()
	close(g.interrupted)
	g.awaitQueued(t, 0)
}

// Whatever comes between the sleeper's handing out and its sleep keeps it from sleeping, if there is something to be done.
func TestNothingIsMissedBeforeTheSleep(t *testing.T) {
	nothing := func(*testing.T, *gap) {}
	post := func(units uint32) func(*testing.T, *gap) {
		return func(t *testing.T, g *gap) { wantNoError(t, "Post", g.Post(units)) }
	}
	second := func(text string) func(*testing.T, *gap) {
		return func(t *testing.T, g *gap) { g.wait(t, text, 2) }
	}
	poll := func(t *testing.T, g *gap) { g.poll(t) }
	leave := func(t *testing.T, g *gap) { g.interrupt(t) }
	resize := func(t *testing.T, g *gap) { wantNoError(t, "Resize", g.region.Resize(1)) }
	onlyPoll := func(t *testing.T, g *gap) { g.poll(t); g.interrupt(t) }
	for name, moment := range map[string]struct {
		before, between func(t *testing.T, g *gap)
		told            int  // pollers, by the next round
		over            bool // after that, nobody waits
	}{
		"units":                   {before: nothing, between: post(3), over: true},
		"a unit for the second":   {before: second("wait"), between: post(1)},
		"units for the second":    {before: second("acquire 2"), between: post(2)},
		"a unit for a poller":     {before: poll, between: post(1), told: 1},
		"who wants less":          {before: post(1), between: second("acquire 2")},
		"who wants what is there": {before: post(1), between: func(t *testing.T, g *gap) { second("acquire 2")(t, g); post(1)(t, g) }},
		"a poller":                {before: nothing, between: poll},
		"the last leaves":         {before: nothing, between: leave, over: true},
		"all leave":               {before: second("wait"), between: leave, over: true},
		"the last poller leaves":  {before: onlyPoll, between: func(_ *testing.T, g *gap) { g.operator.Unpoll(1) }, over: true},
		"nonsense":                {before: nothing, between: resize, over: true},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGap(t)
			moment.before(t, g)
			waiter, fewest, kick, ready := g.operator.handOut(false)
			if waiter == nil || len(ready) != 0 {
				t.Fatalf("the first round: waiter %v, %d are told", waiter, len(ready))
			}
			moment.between(t, g)
			slept := make(chan error, 1)
			go func() {
				_, err := waiter.Sleep(fewest, kick, g.operator.settle)
				slept <- err
			}()
			if err := receive(t, "the sleeper, which should not sleep", slept); err != nil && !isOneOf(err, unix.EINTR, unix.EINVAL) {
				t.Fatalf("Sleep: %v", err)
			}
			again, _, kick, ready := g.operator.handOut(false)
			if (again == nil) != moment.over || len(ready) != moment.told {
				t.Fatalf("the second round: waiter %v, %d are told", again, len(ready))
			}
			if again == nil {
				g.awaitQueued(t, 0)
				return
			}
			if kick.Canceled() {
				t.Error("the next sleep ends before it has begun")
			}
			g.operator.Unpoll(1)
			g.operator.mu.Lock()
			g.operator.queue.tellAll(unix.EINTR)
			g.operator.mu.Unlock()
			if last, _, _, _ := g.operator.handOut(false); last != nil {
				t.Error("somebody is left")
			}
		})
	}
}

// A poller that knew of a unit, which is gone, is told of the next even if that comes before the sleeper, kicked for somebody else,
// sleeps again: the memory looks as it did when the poller asked.
func TestPollerOfAUnitThatIsGone(t *testing.T) {
	g := newGap(t)
	wantNoError(t, "Post", g.Post(1))
	if readable, _, err := g.operator.poll(0, 1, func() { g.told <- struct{}{} }); !readable || err != nil {
		t.Fatalf("poll: %v, %v, want true", readable, err)
	}
	wantNoError(t, "Take", g.Take(1))
	waiter, fewest, kick, ready := g.operator.handOut(true)
	if waiter == nil || len(ready) != 0 {
		t.Fatalf("the first round: waiter %v, %d are told", waiter, len(ready))
	}
	wantNoError(t, "Post", g.Post(1))
	slept := make(chan error, 1)
	go func() {
		_, err := waiter.Sleep(fewest, kick, g.operator.settle)
		slept <- err
	}()
	wantNoError(t, "Sleep", receive(t, "the sleeper, which should not sleep", slept))
	if _, _, _, ready := g.operator.handOut(false); len(ready) != 1 {
		t.Errorf("%d are told", len(ready))
	}
	g.interrupt(t)
	if last, _, _, _ := g.operator.handOut(false); last != nil {
		t.Error("somebody is left")
	}
}

// A unit that goes and another that comes right before the sleep, when the sleeper has said that it sleeps, leave the memory as it was and
// find nobody to wake: the poller is told all the same.
func TestAUnitForAnotherBeforeTheSleep(t *testing.T) {
	for name, library := range libcs {
		t.Run(name, func(t *testing.T) {
			g := newGap(t)
			wantNoError(t, "Initialise", g.Initialise(library.layout, 1))
			if readable, _, err := g.operator.poll(0, 1, func() { g.told <- struct{}{} }); !readable || err != nil {
				t.Fatalf("poll: %v, %v, want true", readable, err)
			}
			waiter, fewest, kick, _ := g.operator.handOut(false)
			changed := make(chan bool, 1)
			go func() {
				now, _ := waiter.Sleep(fewest, kick, func() {
					g.operator.settle()
					if err := errors.Join(g.Take(1), g.Post(1)); err != nil {
						t.Error(err)
					}
				})
				changed <- now
			}()
			if _, _, _, ready := g.operator.handOut(receive(t, "the sleeper", changed)); len(ready) != 1 {
				t.Errorf("%d are told", len(ready))
			}
			g.interrupt(t)
			if last, _, _, _ := g.operator.handOut(false); last != nil {
				t.Error("somebody is left")
			}
		})
	}
}
