package semfs

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// load is what several clients and peers do at once to one semaphore. The test is told of failures, not rapid: what happens depends on
// the scheduler, so that nothing is gained by looking for a smaller case.
type load struct {
	operated
	test   *testing.T
	units  atomic.Int64  // that fleeting clients made, less those they took
	polled atomic.Uint64 // keys given out
}

// step is one thing that a fleeting client does. None of them waits for ever.
type step struct {
	doing string
	units uint32
	pause time.Duration // until an interruption
}

var (
	anySteps = []string{"post", "trywait", "wait", "timedwait", "acquire", "timedacquire", "release", "nonblocking", "poll", "close", "report"}
	anyStep  = rapid.Custom(func(t *rapid.T) step {
		return step{
			doing: rapid.SampledFrom(anySteps).Draw(t, "doing"),
			units: rapid.Uint32Range(1, 3).Draw(t, "units"),
			pause: time.Duration(rapid.IntRange(0, 500).Draw(t, "pause")) * time.Microsecond,
		}
	})
)

// fleeting is a client that does all sorts of things.
type fleeting struct {
	load   *load
	client *Client
	held   uint32
}

func (f *fleeting) do(steps []step) {
	for _, step := range steps {
		f.step(step)
	}
	f.step(step{doing: "close"})
}

func (f *fleeting) step(s step) {
	switch s.doing {
	case "post":
		f.try(fmt.Sprintf("post %d", s.units), Conditions{}, int64(s.units))
	case "trywait":
		f.try("trywait", Conditions{}, -1)
	case "wait":
		f.interrupted(s, "wait", -1)
	case "timedwait":
		f.try(fmt.Sprintf("timedwait %f", s.pause.Seconds()), Conditions{}, -1)
	case "acquire":
		f.acquired(s, f.interrupted(s, fmt.Sprintf("acquire %d", s.units), -int64(s.units)))
	case "timedacquire":
		f.acquired(s, f.try(fmt.Sprintf("timedacquire %f %d", s.pause.Seconds(), s.units), Conditions{}, -int64(s.units)))
	case "nonblocking":
		f.acquired(s, f.try(fmt.Sprintf("acquire %d", s.units), Conditions{NonBlocking: true}, -int64(s.units)))
	case "release":
		f.release(s.units)
	case "poll":
		f.poll(s)
	case "close":
		if err := f.client.Close(); err != nil {
			f.load.test.Errorf("closing: %v", err)
		}
		f.load.units.Add(int64(f.held))
		f.client, f.held = f.load.operator.NewClient(0), 0
	case "report":
		if _, err := f.load.operator.Report(); err != nil {
			f.load.test.Errorf("reporting: %v", err)
		}
	}
}

// try does a command by which so many units come, or go, and says whether it was done.
func (f *fleeting) try(command string, conditions Conditions, units int64) bool {
	done, err := f.client.Do([]byte(command), conditions)
	switch {
	case err == nil && done == len(command):
		f.load.units.Add(units)
		return true
	case done != 0 || !isOneOf(err, unix.EAGAIN, unix.EINTR, unix.ETIMEDOUT):
		f.load.test.Errorf("%s: %d bytes are done, %v", command, done, err)
	}
	return false
}

func (f *fleeting) interrupted(s step, command string, units int64) bool {
	interrupted := make(chan struct{})
	timer := time.AfterFunc(s.pause, func() { close(interrupted) })
	defer timer.Stop()
	return f.try(command, Conditions{Interrupted: interrupted}, units)
}

func (f *fleeting) acquired(s step, done bool) {
	if done {
		f.held += s.units
	}
}

func (f *fleeting) release(units uint32) {
	if units > f.held {
		if _, err := f.client.Do(fmt.Appendf(nil, "release %d", units), Conditions{}); !errors.Is(err, unix.EPERM) {
			f.load.test.Errorf("release %d of %d: %v", units, f.held, err)
		}
		return
	}
	if f.try(fmt.Sprintf("release %d", units), Conditions{}, int64(units)) {
		f.held -= units
	}
}

func (f *fleeting) poll(s step) {
	key := f.load.polled.Add(1)
	told := make(chan struct{}, 2)
	readable, err := f.load.operator.Poll(0, key, func() { told <- struct{}{} })
	if err != nil {
		f.load.test.Errorf("polling: %v", err)
	}
	defer f.load.operator.Unpoll(key)
	if readable || err != nil {
		return
	}
	select {
	case <-told:
	case <-time.After(s.pause):
	}
}

func isOneOf(err error, all ...error) bool {
	return slices.ContainsFunc(all, func(each error) bool { return errors.Is(err, each) })
}

// lasting is what a client or a peer does over and over, waiting as long as it takes.
type lasting struct {
	doing string // a text of commands, or a peer's command
	times int
	units int64 // that come, or go, by it each time
}

var (
	texts = []lasting{
		{doing: "wait\npost\n"}, {doing: "wait\n", units: -1}, {doing: "acquire\nrelease\n"}, {doing: "acquire 2\nrelease 2\n"},
		{doing: "post 2\nacquire 3\nrelease\nrelease 2\nwait\nwait\n"},
	}
	commands = []lasting{{doing: "post", units: 1}, {doing: "wait", units: -1}, {doing: "briefly", units: -1}, {doing: "circulate"}}
)

// enough units for everybody who lasts to go on, when all others wait.
const enough = 3

func anyLasting(of []lasting, most int) *rapid.Generator[lasting] {
	return rapid.Custom(func(t *rapid.T) lasting {
		chosen := rapid.SampledFrom(of).Draw(t, "doing")
		chosen.times = rapid.IntRange(1, most).Draw(t, "times")
		return chosen
	})
}

func (l *load) client(do lasting) {
	client := l.operator.NewClient(0)
	for range do.times {
		if done, err := client.Do([]byte(do.doing), Conditions{}); done != len(do.doing) || err != nil {
			l.test.Errorf("%q: %d bytes are done, %v", do.doing, done, err)
		}
	}
	if err := client.Close(); err != nil {
		l.test.Errorf("closing: %v", err)
	}
}

func (l *load) process(name string, do lasting) {
	if said := l.peer(name, do.doing, do.times); said != "done 0" {
		l.test.Errorf("%+v: %s", do, said)
	}
}

// Whatever clients and libc do at once, no unit is lost or made, nobody who could go on sleeps, and in the end nobody is counted. Once
// the fleeting clients are gone, only as many units are added as the others need: a wake-up that is lost leaves somebody waiting.
func TestRandomLoad(t *testing.T) {
	for name, library := range libcs {
		t.Run(name, func(t *testing.T) {
			o := operate(t, newFixture(t))
			rapid.Check(t, func(random *rapid.T) {
				value := rapid.Uint32Range(0, enough).Draw(random, "value")
				clients := rapid.SliceOfN(anyLasting(texts, 40), 0, 5).Draw(random, "clients")
				processes := rapid.SliceOfN(anyLasting(commands, 200), 0, 4).Draw(random, "processes")
				passing := rapid.SliceOfN(rapid.SliceOfN(anyStep, 0, 30), 1, 4).Draw(random, "passing")
				if t.Failed() {
					return
				}
				wantNoError(t, "Initialise", o.Initialise(library.layout, value))
				l := &load{operated: o, test: t}
				final := l.run(name, int64(value), clients, processes, passing)
				o.awaitLeft(t)
				wantReport(t, o.operator, uint32(final), 0)
				if t.Failed() {
					t.Logf("with %d units at first, clients %+v, processes %+v, passing clients %+v", value, clients, processes, passing)
				}
			})
		})
	}
}

// run does all at once and returns how many units there must be in the end.
func (l *load) run(name string, units int64, clients, processes []lasting, passing [][]step) int64 {
	var passers, stayers sync.WaitGroup
	for _, each := range clients {
		units += each.units * int64(each.times)
		stayers.Go(func() { l.client(each) })
	}
	for _, each := range processes {
		units += each.units * int64(each.times)
		stayers.Go(func() { l.process(name, each) })
	}
	for _, steps := range passing {
		passers.Go(func() { (&fleeting{load: l, client: l.operator.NewClient(0)}).do(steps) })
	}
	awaitAll(l.test, "end of the passing clients", &passers)
	units += l.units.Load()
	if missing := enough - units; missing > 0 {
		wantNoError(l.test, "Post", l.Post(uint32(missing)))
		units = enough
	}
	awaitAll(l.test, "end of those who stay", &stayers)
	return units
}
