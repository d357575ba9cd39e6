package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"shmfs/fs/keep"
	"shmfs/mmapcore/crashpoint"
)

// handOverLimit is how long a worker may take to finish what it does before another goes on. After that it is killed, which the next
// worker makes good as it does any death.
const handOverLimit = 10 * time.Second

// reloading is the replacement of the worker by one of the program that is on disk. The old one serves until the new one has shown that
// it is able to; if that then fails all the same, a worker of the old program goes on.
type reloading struct {
	request string
	handed  *child   // a worker that has handed over to a supervisor that has died: nobody asks, and no program changes; nil: it is none
	program *program // nil if none changes
	worker  *child   // the new one
	old     *child   // that hands over; nil before that
	baton   int      // descriptor; negative before that
	begun   bool     // the mount is the new worker's to serve
	reason  error    // why the new one will not do
}

// newWorker is the worker that is not in use yet.
func (r *reloading) newWorker() *child {
	if r == nil || r.begun {
		return nil
	}
	return r.worker
}

// waitsFor says whether a worker is the one that hands over.
func (r *reloading) waitsFor(c *child) bool { return r != nil && r.old == c && !r.begun }

// requestReload begins a reload, or puts it behind those that are asked for already.
func (s *supervisor) requestReload(request string) {
	switch {
	case s.ending:
	case s.reload != nil:
		s.queue = append(s.queue, request)
		s.tellOutcome(reloadOutcome{Request: request, State: reloadGoing}) // so that it is known if this process dies
	default:
		s.startReload(request)
	}
}

func (s *supervisor) startReload(request string) {
	s.manager.tell(stateReloading)
	s.reload = &reloading{request: request, baton: -1}
	s.tellOutcome(reloadOutcome{Request: request, State: reloadGoing})
	var err error
	if s.reload.program, err = openProgram(s.path); err == nil {
		s.reload.worker, err = s.start(s.reload.program)
	}
	if err != nil {
		s.endReload(err)
	}
}

// finishHandOver has another worker go on in the place of one that has handed over to a supervisor that has died. The worker ends when the
// other one has all that there is: until then this supervisor may die as well.
func (s *supervisor) finishHandOver() {
	if s.ending || s.worker == nil {
		return
	}
	s.reload = &reloading{handed: s.worker, baton: -1}
	var err error
	if s.reload.worker, err = s.spare(); err != nil {
		s.endReload(err)
	} else if s.reload.worker.greeting != nil {
		s.greeted(s.reload.worker)
	}
}

// greeted is told that a worker has started and what it is.
func (s *supervisor) greeted(c *child) {
	if c != s.reload.newWorker() || s.ending {
		return
	}
	if s.worker == nil || s.worker.began.IsZero() || s.worker == s.former { // when another serves, it can hand over
		s.after(time.Second/100, func() { s.greeted(c) })
		return
	}
	if err := c.greeting.accepts(s.worker.greeting.Record); err != nil {
		s.reloadFailed(c, err)
		return
	}
	baton, err := unix.Eventfd(1, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK|unix.EFD_SEMAPHORE)
	if err != nil {
		s.reloadFailed(c, fmt.Errorf("making a baton: %w", err))
		return
	}
	s.reload.baton = baton
	copies, err := duplicate(baton)
	if err != nil {
		s.reloadFailed(c, fmt.Errorf("handing over a baton: %w", err))
		return
	}
	old := s.worker
	s.reload.old = old
	s.log.Info("handing over", "worker", old.pid, "to", c.pid, "version", c.greeting.Version)
	crashpoint.Here("shmfs: a worker is about to be told to hand over")
	s.send(old, keep.Message{Kind: keep.HandOver, Files: copies})
	old.outbox.put(func() { crashpoint.Here("shmfs: a worker is told to hand over") })
	s.after(handOverLimit, func() {
		if s.reload.waitsFor(old) {
			s.log.Warn("the worker does not hand over: killed", "worker", old.pid)
			old.kill()
		}
	})
}

// handedOver is told that a worker serves no more.
func (s *supervisor) handedOver(c *child) {
	s.former = c
	switch {
	case s.ending:
	case s.reload.waitsFor(c):
		crashpoint.Here("shmfs: a worker has handed over")
		s.takeOver(false)
	case c == s.worker: // the other one did not live to go on
		s.send(c, keep.Message{Kind: keep.Leave})
		s.after(leaveLimit, c.kill)
	}
}

// takeOver has the new worker serve. died says that the old one has died.
func (s *supervisor) takeOver(died bool) {
	s.reload.begun = true
	if died {
		s.entrust(s.reload.worker, true, nil)
		return
	}
	s.entrust(s.reload.worker, false, s.reload.old)
}

// reloaded is told that a worker serves, which completes a reload if it is the new one.
func (s *supervisor) reloaded(c *child) {
	if s.reload == nil || s.reload.worker != c {
		return
	}
	crashpoint.Here("shmfs: a reload has come to its end")
	if s.reload.handed == nil {
		s.running.close()
		s.running, s.reload.program = s.reload.program, nil
		if old := s.standby; old != nil {
			s.standby = nil
			s.leaving[old] = true
			s.after(standbyDelay, func() { s.dismiss(old) })
		}
	}
	s.endReload(nil)
}

// reloadFailed gives a reload up whose new worker is no good. The mount goes on being served by the old program, by the worker that
// does now or, when the caller has seen to it, by the next.
func (s *supervisor) reloadFailed(c *child, reason error) {
	if s.reload == nil || s.reload.worker != c {
		return
	}
	if c == s.worker && !c.died {
		s.reload.reason = errors.Join(s.reload.reason, reason) // its death is the next thing
		return
	}
	if !c.died {
		s.dismiss(c)
	}
	s.endReload(errors.Join(s.reload.reason, reason))
}

func (s *supervisor) endReload(reason error) {
	ended := s.reload
	s.reload = nil
	closeDescriptor(&ended.baton)
	if ended.program != nil {
		ended.program.close()
	}
	if ended.handed != nil {
		s.endHandOver(ended.handed, reason)
	} else {
		s.tellEnd(ended.request, reason)
	}
	if len(s.queue) > 0 && !s.ending {
		next := s.queue[0]
		s.queue = s.queue[1:]
		s.startReload(next)
	}
}

// endHandOver is the end of finishHandOver. If nothing has come of it, the worker that has handed over has to go first.
func (s *supervisor) endHandOver(handed *child, reason error) {
	if reason == nil {
		s.log.Info("handed over", "worker", s.worker.pid)
		return
	}
	s.log.Error("a worker could not be handed over to", "error", reason)
	if handed == s.worker && !handed.died {
		s.handedOver(handed)
	}
}

// tellEnd tells what has come of a reload.
func (s *supervisor) tellEnd(request string, reason error) {
	outcome := reloadOutcome{Request: request, State: reloadDone}
	if reason != nil {
		outcome.State, outcome.Reason = reloadFailed, errorLine(reason)
		s.log.Error("reloading failed: the worker stays as it was", "program", s.path, "error", reason)
	} else {
		s.log.Info("reloaded", "worker", s.worker.pid, "version", s.worker.greeting.Version)
	}
	s.manager.tell(stateReady)
	s.tellOutcome(outcome)
}

// tellOutcome lets the worker tell what became of a reload.
func (s *supervisor) tellOutcome(outcome reloadOutcome) {
	s.outcomes.note(outcome)
	text, err := json.Marshal(outcome)
	if err != nil || s.worker == nil {
		return
	}
	s.send(s.worker, keep.Message{Kind: keep.Outcome, Text: text})
}
