package semaphores

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// poller is a process that polls one semaphore in one of the ways.
type poller struct {
	*agent
	way        string
	descriptor int // of the semaphore
	epoll      int // of the epoll, for those ways that use one
}

// pollWays are all ways to poll; edge is epoll's edge-triggered one.
var pollWays = []string{"poll", "select", "level", "edge"}

// poller opens a semaphore and gets ready to poll it.
func (l libc) poller(t testing.TB, path, way string) poller {
	t.Helper()
	a := l.agent(t)
	p := poller{agent: a, way: way, descriptor: a.open(path, unix.O_RDWR)}
	if way == "level" || way == "edge" {
		p.epoll = a.must("epoll_create")
		events := uint32(unix.EPOLLIN)
		if way == "edge" {
			events |= unix.EPOLLET
		}
		a.must("epoll_add", p.epoll, p.descriptor, events)
	}
	return p
}

// begin starts to wait until a unit could be taken, most so many milliseconds.
func (p poller) begin(milliseconds int) {
	p.t.Helper()
	switch p.way {
	case "poll":
		p.agent.begin("poll", p.descriptor, unix.POLLIN, milliseconds)
	case "select":
		p.agent.begin("select", p.descriptor, milliseconds)
	default:
		p.agent.begin("epoll_wait", p.epoll, milliseconds)
	}
}

// end returns whether the wait ended because a unit could be taken.
func (p poller) end() bool {
	p.t.Helper()
	doing := p.doing
	got := p.agent.end()
	if got.errno != 0 {
		p.t.Fatalf("%s: %v", doing, got)
	}
	readable := got.number & unix.POLLIN // which EPOLLIN and select's bit are too
	switch p.way {
	case "select":
		readable = got.number & 1
		if got.number&2 == 0 {
			p.t.Errorf("select does not say that the semaphore can be written to")
		}
	default:
		if got.number&^unix.POLLIN != 0 {
			p.t.Errorf("%s: events %#x", doing, got.number)
		}
	}
	return readable != 0
}

// sees polls for so many milliseconds and returns whether a unit could be taken.
func (p poller) sees(milliseconds int) bool {
	p.t.Helper()
	p.begin(milliseconds)
	return p.end()
}

// awaitPolling returns when the process sleeps in its poll.
func (p poller) awaitPolling() {
	p.t.Helper()
	eventually(p.t, p.way+" sleeps", func() (bool, any) {
		place, err := os.ReadFile(fmt.Sprintf("/proc/%d/wchan", p.pid()))
		return err == nil && strings.Contains(string(place), "poll"), string(place)
	})
}

// TestPollTells compares what poll says with the value, without waiting.
func TestPollTells(t *testing.T) {
	forEach(t, passthrough, func(t *testing.T, l libc) {
		a := l.agent(t)
		a.must("sem_exclusive", l.semaphore("polled"), 0)
		descriptor := a.open(sem("polled"), unix.O_RDWR)
		for _, flags := range []int{unix.O_RDWR, unix.O_RDONLY, unix.O_WRONLY} {
			b := l.agent(t)
			polled := b.open(sem("polled"), flags)
			for _, step := range []struct {
				command string
				events  int
			}{
				{"set 0", unix.POLLOUT}, {"set 2", unix.POLLIN | unix.POLLOUT}, {"trywait", unix.POLLIN | unix.POLLOUT}, {"trywait", unix.POLLOUT},
				{"post", unix.POLLIN | unix.POLLOUT}, {"acquire", unix.POLLOUT}, {"release", unix.POLLIN | unix.POLLOUT}, {"set 0", unix.POLLOUT},
			} {
				a.mustWrite(descriptor, step.command+"\n")
				if events := b.must("poll", polled, unix.POLLIN|unix.POLLOUT|unix.POLLPRI, 0); events != step.events {
					t.Errorf("after %s poll says %#x, want %#x", step.command, events, step.events)
				}
			}
			a.must("sem_post")
			if events := b.must("poll", polled, unix.POLLIN, 0); events != unix.POLLIN {
				t.Errorf("after sem_post poll says %#x", events)
			}
			a.must("sem_wait")
			if events := b.must("poll", polled, unix.POLLIN, 0); events != 0 {
				t.Errorf("after sem_wait poll says %#x", events)
			}
			b.kill()
		}
		a.must("sem_unlink", l.semaphore("polled"))
	})
}

// TestPostWakesPollers lets processes of all kinds poll, and posts by libc and by text: all wake, nobody takes.
func TestPostWakesPollers(t *testing.T) {
	forEach(t, passthrough, func(t *testing.T, l libc) {
		a := l.agent(t)
		a.must("sem_exclusive", l.semaphore("polled"), 0)
		descriptor := a.open(sem("polled"), unix.O_RDWR)
		var pollers []poller
		for _, way := range append(pollWays, pollWays...) {
			pollers = append(pollers, l.poller(t, sem("polled"), way))
		}
		for _, p := range pollers {
			if p.sees(0) {
				t.Errorf("%s sees a unit where there is none", p.way)
			}
		}
		for round := range 10 {
			for _, p := range pollers {
				p.begin(20_000)
			}
			for _, p := range pollers {
				p.awaitPolling()
			}
			wantValue(t, sem("polled"), 0)
			switch round % 3 {
			case 0:
				a.must("sem_post")
			case 1:
				a.mustWrite(descriptor, "post\n")
			case 2:
				a.mustWrite(descriptor, "set 1\n")
			}
			for _, p := range pollers {
				if !p.end() {
					t.Errorf("round %d: %s was not woken", round, p.way)
				}
			}
			wantValue(t, sem("polled"), 1)
			a.must("sem_wait")
		}
		for _, p := range pollers {
			p.kill()
		}
		wantValue(t, sem("polled"), 0)
		a.must("sem_unlink", l.semaphore("polled"))
	})
}

// TestTriggers tells epoll's level from its edge: the one reports a unit as long as it is there, the other once.
func TestTriggers(t *testing.T) {
	const moment = 50
	forEach(t, passthrough, func(t *testing.T, l libc) {
		a := l.agent(t)
		a.must("sem_exclusive", l.semaphore("polled"), 1)
		descriptor := a.open(sem("polled"), unix.O_RDWR)
		level, edge := l.poller(t, sem("polled"), "level"), l.poller(t, sem("polled"), "edge")
		post := []func(){func() { a.must("sem_post") }, func() { a.mustWrite(descriptor, "post\n") }}
		for round := range 6 {
			for range 3 {
				if !level.sees(20_000) {
					t.Error("level: the unit is not seen")
				}
			}
			if !edge.sees(20_000) {
				t.Error("edge: the unit is not seen")
			}
			if edge.sees(moment) {
				t.Error("edge: the unit is seen a second time")
			}
			a.must("sem_wait")
			if level.sees(moment) || edge.sees(moment) {
				t.Error("a unit is seen that was taken")
			}
			post[round%2]()
		}
		a.must("sem_unlink", l.semaphore("polled"))
	})
}

// TestPollersTakeNoWakeUp posts a single unit, again and again, to one who waits for it among many pollers.
func TestPollersTakeNoWakeUp(t *testing.T) {
	const rounds = 24
	forEach(t, passthrough, func(t *testing.T, l libc) {
		a := l.agent(t)
		a.must("sem_exclusive", l.semaphore("polled"), 0)
		waiter, poster := l.user(t, "polled"), l.user(t, "polled")
		var pollers []poller
		for _, way := range pollWays {
			pollers = append(pollers, l.poller(t, sem("polled"), way))
		}
		for round := range rounds {
			way := []string{"sem_wait", "wait", "sem_timedwait 30000", "acquire"}[round%4]
			post := func() {
				if round/4%2 == 0 {
					poster.must("sem_post")
					return
				}
				poster.mustWrite(poster.descriptor, "post\n")
			}
			poll := func() {
				for _, p := range pollers {
					p.begin(20_000)
				}
			}
			// Who comes first may make the difference.
			if round%3 != 0 {
				poll()
				for _, p := range pollers {
					p.awaitPolling()
				}
			}
			waiter.beginWait(way)
			if round%3 == 0 {
				poll()
			}
			awaitWaiters(t, sem("polled"), 1)
			post()
			waiter.awaitUnit(way)
			wantValue(t, sem("polled"), 0)
			post() // for those who polled in vain
			for _, p := range pollers {
				p.end()
			}
			waiter.must("sem_wait")
			wantValue(t, sem("polled"), 0)
		}
		a.must("sem_unlink", l.semaphore("polled"))
	})
}

// TestPollOfInvalid polls what is no semaphore, and what becomes none.
func TestPollOfInvalid(t *testing.T) {
	inEach(t, passthrough, func(t *testing.T) {
		a := glibc.agent(t)
		for _, way := range []string{"poll", "level"} {
			a.create(sem("bad"), 0)
			p := glibc.poller(t, sem("bad"), way)
			p.begin(20_000)
			p.awaitPolling()
			a.must("truncate", sem("bad"), 100)
			if got := p.agent.end(); got.errno != 0 || got.number&unix.POLLERR == 0 {
				t.Errorf("%s of a file that became none: %v, want POLLERR", way, got)
			}
			p.begin(0)
			if got := p.agent.end(); got.errno != 0 || got.number&unix.POLLERR == 0 {
				t.Errorf("%s of a file that is none: %v, want POLLERR", way, got)
			}
			a.must("unlink", sem("bad"))
		}
	})
}

// TestWaitingTakesNoTime measures the processors' time of everybody while all wait.
func TestWaitingTakesNoTime(t *testing.T) {
	forEach(t, passthrough, func(t *testing.T, l libc) {
		a := l.agent(t)
		a.must("sem_exclusive", l.semaphore("idle"), 0)
		processes := map[string]int{"the daemon": daemonProcess(t)}
		var pollers []poller
		for _, way := range pollWays {
			p := l.poller(t, sem("idle"), way)
			p.begin(60_000)
			pollers = append(pollers, p)
			processes[way] = p.pid()
		}
		var waiters []user
		ways := []string{"sem_wait", "wait", "acquire", "timedwait 30"}
		for _, way := range ways {
			u := l.user(t, "idle")
			u.beginWait(way)
			waiters = append(waiters, u)
			processes[way] = u.pid()
		}
		awaitWaiters(t, sem("idle"), len(ways))
		requireIdle(t, processes)
		a.mustEcho(sem("idle"), fmt.Sprintf("post %d\n", len(ways)+1))
		for i, way := range ways {
			waiters[i].awaitUnit(way)
		}
		for _, p := range pollers {
			if !p.end() {
				t.Errorf("%s was not woken", p.way)
			}
		}
		wantValue(t, sem("idle"), 1)
		a.must("sem_unlink", l.semaphore("idle"))
	})
}
