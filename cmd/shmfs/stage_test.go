package main

import (
	"encoding/json"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"

	"shmfs/fs"
	"shmfs/fs/keep"
)

// stage is a supervisor whose clock the test moves and whose workers it plays. The test is its loop.
type stage struct {
	*supervisor
	t       *testing.T
	clock   time.Time
	timers  []timer
	started []*played // all workers, in order
	broken  error     // why none can be started; nil: they can
	tried   int       // how often one was to be started
}

// timer is what a supervisor wants to do later.
type timer struct {
	at time.Time
	do func()
}

// played is a worker that the test plays.
type played struct {
	*child
	at   time.Time  // it was started
	link *keep.Link // its end
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s, err := newSupervisor("/nowhere", &logSettings{}, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	st := &stage{supervisor: s, t: t, clock: time.Unix(1e9, 0)}
	s.path = "/proc/self/exe"
	s.connection = &fs.Connection{Device: memoryFile(t), Store: memoryFile(t), Record: memoryFile(t)}
	s.around = surroundings{
		now:   func() time.Time { return st.clock },
		later: func(wait time.Duration, do func()) { st.timers = append(st.timers, timer{st.clock.Add(wait), do}) },
		start: func(*program) (*child, error) { return st.start() },
	}
	t.Cleanup(func() {
		for _, one := range st.started {
			one.close()
		}
		s.running.close()
	})
	return st
}

func memoryFile(t *testing.T) *os.File {
	t.Helper()
	descriptor, err := unix.MemfdCreate("part", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(descriptor), "part")
	t.Cleanup(func() { _ = file.Close() })
	return file
}

// start starts a worker that does nothing by itself.
func (st *stage) start() (*child, error) {
	st.tried++
	if st.broken != nil {
		return nil, st.broken
	}
	ours, file, err := keep.Pair()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	theirs, err := keep.Open(file)
	if err != nil {
		return nil, err
	}
	greeting := ownGreeting()
	c := &child{pid: 1 << 30, process: -1, sentinel: -1, link: ours, greeting: &greeting}
	st.started = append(st.started, &played{child: c, at: st.clock, link: theirs})
	return c, nil
}

// move moves the clock. What is due is done at its time.
func (st *stage) move(by time.Duration) {
	for end := st.clock.Add(by); ; {
		next := slices.IndexFunc(st.timers, func(one timer) bool { return !one.at.After(end) })
		for i, one := range st.timers {
			if next >= 0 && one.at.Before(st.timers[next].at) {
				next = i
			}
		}
		if next < 0 {
			st.clock = end
			return
		}
		due := st.timers[next]
		st.timers = slices.Delete(st.timers, next, next+1)
		st.clock = due.at
		due.do()
	}
}

// loop does what others have for the loop to do, when all is sent.
func (st *stage) loop() {
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for _, one := range st.started {
			one.settle()
		}
	}()
	for {
		select {
		case do := <-st.todo:
			do()
		case <-sent:
			return
		}
	}
}

// find returns a worker as it is played.
func (st *stage) find(c *child) *played {
	st.t.Helper()
	at := slices.IndexFunc(st.started, func(one *played) bool { return one.child == c })
	if at < 0 {
		st.t.Fatalf("no such worker: %v", c)
	}
	return st.started[at]
}

// die is the death of a worker.
func (st *stage) die(c *child) {
	st.t.Helper()
	one := st.find(c)
	one.close()
	st.bury(c, "killed")
	st.started = slices.DeleteFunc(st.started, func(other *played) bool { return other == one })
}

// close returns when all is sent that was sent to the worker.
func (p *played) close() {
	p.settle()
	_, _ = p.child.link.Close(), p.link.Close() // closed twice by some
}

func (p *played) settle() {
	sent := make(chan struct{})
	p.outbox.put(func() { close(sent) })
	<-sent
}

// told returns what the worker was told since it was asked last.
func (p *played) told() (kinds []keep.Kind, outcomes []reloadOutcome) {
	p.settle()
	for {
		m, err := p.link.Rest()
		if err != nil {
			return kinds, outcomes
		}
		kinds = append(kinds, m.Kind)
		var outcome reloadOutcome
		if m.Kind == keep.Outcome && json.Unmarshal(m.Text, &outcome) == nil {
			outcomes = append(outcomes, outcome)
		}
		m.Close()
	}
}
