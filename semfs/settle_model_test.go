package semfs

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// Processes die one after another, at any moment, while others change the semaphore by libc's means: every unit is accounted for.
func TestDyingProcessesAgainstModel(t *testing.T) {
	f := newFixture(t)
	rapid.Check(t, func(rt *rapid.T) {
		layout := rapid.SampledFrom([]Layout{Glibc, Musl}).Draw(rt, "layout")
		wantNoError(t, "Initialise", f.Initialise(layout, 10))
		model := model{record: newRecord(), units: 10, held: make(map[uint64]int64)}
		stop, libc := startLibc(t, f)
		var steps atomic.Int64 // to the next death
		start := func() *process {
			steps.Store(int64(rapid.IntRange(0, 12).Draw(rt, "steps")))
			return model.record.start(t, f.region, func(moment) bool { return steps.Add(-1) == 0 })
		}
		p := start()
		for i, asked := range rapid.SliceOfN(rapid.Custom(drawRequest), 1, 12).Draw(rt, "requests") {
			asked.number = uint64(i + 1)
			answered := false
			for !answered {
				if answered, _ = p.serve(asked); !answered {
					p.bury(t)
					p = start()
				}
			}
			model.count(asked)
		}
		close(stop)
		model.units += <-libc
		p.bury(t) // this too may be a death
		p = model.record.start(t, f.region, never)
		for number, want := range model.held {
			if got := int64(p.client(number).Held()); got != want {
				rt.Errorf("client %d holds %d units, should hold %d", number, got, want)
			}
		}
		awaitWaiters(t, f.Semaphore, 0)
		if value, err := f.Value(); err != nil || int64(value) != model.units {
			rt.Errorf("there are %d units, %v, and should be %d, beside %v", value, err, model.units, model.held)
		}
		p.bury(t)
	})
}

func drawRequest(t *rapid.T) request {
	return request{
		client: uint64(rapid.IntRange(1, 3).Draw(t, "client")),
		text: rapid.SampledFrom([]string{
			"post", "post 3", "trywait", "timedwait 0.001", "acquire", "timedacquire 0.001 2", "release", "release 2",
			"post\npost 2\nacquire\ntrywait\nrelease\n", "",
		}).Draw(t, "text"),
	}
}

// model is what there should be.
type model struct {
	record *record
	units  int64            // beside those that are held
	held   map[uint64]int64 // by client
}

// count counts what was done of a request that is answered.
func (m *model) count(asked request) {
	if asked.text == "" {
		m.units += m.held[asked.client]
		m.held[asked.client] = 0
	}
	for line := range bytes.Lines([]byte(asked.text)[:m.record.doneOf(asked.number)]) {
		parsed, _, _ := parseCommand(bytes.TrimSpace(line))
		units := int64(parsed.units)
		switch parsed.kind {
		case Post:
			m.units += units
		case Take:
			m.units -= units
		case Acquire:
			m.units -= units
			m.held[asked.client] += units
		case Release:
			m.units += units
			m.held[asked.client] -= units
		}
	}
}

// startLibc posts and takes as libc does until stop is closed, and then sends how many units more there are for that.
func startLibc(t *testing.T, f fixture) (stop chan<- struct{}, more <-chan int64) {
	ended, sum := make(chan struct{}), make(chan int64, 1)
	go func() {
		units := int64(0)
		defer func() { sum <- units }()
		for {
			select {
			case <-ended:
				return
			default:
			}
			kind, change := Post, int64(1)
			if rand.N(2) == 0 {
				kind, change = Take, -1
			}
			switch err := f.changeAsLibc(kind); {
			case err == nil:
				units += change
			case !errors.Is(err, unix.EAGAIN):
				t.Errorf("libc: %v", err)
				return
			}
		}
	}()
	return ended, sum
}
