package main

import (
	"fmt"
	"time"

	"shmfs/fs/keep"
	"shmfs/mmapcore/crashpoint"
)

const (
	// rapidDeath is how soon after it began to serve a worker dies if its death is one at once.
	rapidDeath = 100 * time.Millisecond

	// freeDeaths is how many deaths at once, in a row, cost no delay.
	freeDeaths = 3

	longestDelay = time.Second

	// startAttempts is how many workers may die before the first of a new mount serves.
	startAttempts = 3

	// greetLimit is how long a worker may take to say that it is started.
	greetLimit = 30 * time.Second

	// standbyDelay is how long after a worker has begun the next is started that will stand by. Whoever has waited for the worker gets the
	// processors first: a program that starts takes one of them for some ten milliseconds.
	standbyDelay = 100 * time.Millisecond

	// leaveLimit is how long a worker may take to end that was told to.
	leaveLimit = 10 * time.Second
)

// delayAfter is how long to wait before the next start, after so many deaths at once in a row.
func delayAfter(deaths int) time.Duration {
	if deaths <= freeDeaths {
		return 0
	}
	return min(10*time.Millisecond<<min(deaths-freeDeaths-1, 10), longestDelay)
}

// serve has the mount served: by the worker that stands by, or another. died says that one has died that did.
func (s *supervisor) serve(died bool) {
	if s.ending {
		return
	}
	if s.former != nil && !s.former.died { // it serves no more, and still reads
		s.former.kill()
		s.worker = nil
		s.after(time.Millisecond, func() { s.serve(died) })
		return
	}
	c, err := s.spare()
	if err != nil {
		s.log.Error("no worker can be started", "error", err)
		s.rapid++
		s.serveLater(died)
		return
	}
	s.entrust(c, died, nil)
}

// spare takes the worker that stands by, or starts one.
func (s *supervisor) spare() (*child, error) {
	if c := s.standby; c != nil {
		s.standby = nil
		return c, nil
	}
	return s.start(s.running)
}

// serveLater does so when the delay is over.
func (s *supervisor) serveLater(died bool) {
	s.worker = nil
	s.after(delayAfter(s.rapid), func() {
		if s.worker == nil && !s.ending {
			s.serve(died)
		}
	})
}

func (s *supervisor) start(from *program) (*child, error) {
	c, err := s.around.start(from)
	if err != nil {
		return nil, err
	}
	s.after(greetLimit, func() {
		if c.greeting == nil && !c.died {
			s.log.Error("a worker says nothing: killed", "worker", c.pid)
			c.kill()
		}
	})
	return c, nil
}

// entrust gives a worker the mount to serve. from, if it is not nil, is the worker that hands over to it, and ends then.
func (s *supervisor) entrust(c *child, died bool, from *child) {
	s.worker = c
	e := s.estate()
	e.Died = died
	if s.reload != nil && s.reload.worker == c && s.reload.handed == nil {
		e.Reload = reloadOutcome{Request: s.reload.request, State: reloadDone}
	}
	var copies []int
	if from != nil {
		var err error
		if copies, err = duplicate(s.reload.baton, from.process, from.sentinel); err != nil {
			s.log.Error("a worker cannot be told whom it follows", "error", err)
			c.kill()
			return
		}
		e.Relay = relay{Worker: from.pid, Sentinel: from.sentinel >= 0}
	}
	m, err := e.leave(keep.Serve, s.connection, belongings{s.listener, s.note}, copies...)
	if err != nil {
		s.log.Error("a worker cannot be told what to serve", "error", err)
		closeAll(copies)
		c.kill()
		return
	}
	// Nobody else changes what is held: no other worker is alive, or it serves no more.
	c.outbox.put(func() {
		defer closeAll(copies)
		err := s.holder.Send(c.link)
		if err == nil {
			err = c.link.Send(m)
		}
		switch {
		case err == nil && from != nil: // whatever happens from now on, one of the two goes on
			crashpoint.Here("shmfs: a worker is told whom it follows")
			s.todo <- func() { s.dismiss(from) }
		case err != nil && !keep.Gone(err):
			s.log.Error("a worker cannot be told what to serve", "worker", c.pid, "error", err)
			s.todo <- c.kill
		}
	})
}

func (s *supervisor) startStandby() {
	if s.standby != nil || s.ending {
		return
	}
	c, err := s.start(s.running)
	if err != nil {
		s.log.Warn("no worker stands by", "error", err)
		s.after(longestDelay, s.startStandby)
		return
	}
	s.standby = c
}

// began is told that a worker serves.
func (s *supervisor) began(c *child) {
	if c != s.worker {
		return
	}
	c.began = s.around.now()
	s.log.Debug("served", "worker", c.pid)
	s.tellReady()
	s.reloaded(c)
	s.after(standbyDelay, s.startStandby)
}

func (s *supervisor) tellReady() {
	if s.ready == nil {
		return
	}
	ready := s.ready
	s.ready = nil
	if err := ready(); err != nil {
		s.log.Error("nobody waits for the mount any more: unmounting", "error", err)
		s.stop()
	}
}

// couldNot is told that a worker could not begin to serve.
func (s *supervisor) couldNot(c *child, err error) {
	s.log.Error("a worker could not go on with the mount", "worker", c.pid, "error", err)
	if s.beginning() && c == s.worker { // no other would do better
		s.end(err)
		return
	}
	s.reloadFailed(c, err)
	c.kill()
}

// bury is told that a process runs no more.
func (s *supervisor) bury(c *child, how string) {
	c.died = true
	closeDescriptor(&c.process)
	closeDescriptor(&c.sentinel)
	switch {
	case s.leaving[c]:
		delete(s.leaving, c)
		s.endWhenAlone()
	case c == s.worker && s.ending:
		s.worker = nil
		s.endWhenAlone()
	case c == s.worker && c == s.former: // which told this supervisor's predecessor that it serves no more
		s.serve(false)
	case c == s.worker:
		s.replace(c, how)
	case c == s.standby:
		s.standby = nil
		s.log.Warn("the worker that stood by has died", "worker", c.pid, "how", how)
		s.after(longestDelay, s.startStandby)
	default:
		s.reloadFailed(c, fmt.Errorf("the new worker ended before it was ready: %s", how))
	}
}

// replace has another worker go on in the place of one that died.
func (s *supervisor) replace(c *child, how string) {
	if s.reload.waitsFor(c) {
		s.log.Warn("the worker died while it handed over", "worker", c.pid, "how", how)
		s.restarts++
		s.takeOver(true)
		return
	}
	if c.began.IsZero() || s.around.now().Sub(c.began) < rapidDeath {
		s.rapid++
	} else {
		s.rapid = 0
	}
	s.reloadFailed(c, fmt.Errorf("the new worker died before it served: %s", how))
	if s.beginning() && s.rapid >= startAttempts {
		s.end(fmt.Errorf("no worker lives long enough for it (%s): see the log", how))
		return
	}
	s.restarts++
	s.log.Warn("the worker has died: another goes on", "worker", c.pid, "how", how, "restarts", s.restarts)
	if s.rapid <= freeDeaths {
		s.serve(true)
		return
	}
	s.serveLater(true)
}

// beginning says that the mount is new and nobody has served it: it is nobody's loss.
func (s *supervisor) beginning() bool { return s.ready != nil && !s.resumed }

func (s *supervisor) estate() estate {
	return estate{
		Device: s.device, Program: s.path, Supervisor: ownProcess, Restarts: s.restarts, Outcomes: s.outcomes,
	}
}
