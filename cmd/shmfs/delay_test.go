package main

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// Few deaths at once cost no delay, more of them ever longer ones, and it is never given up, nor tried more than once a second.
func TestDelayAfterDeaths(t *testing.T) {
	for deaths, want := range map[int]time.Duration{
		0: 0, 1: 0, freeDeaths: 0, freeDeaths + 1: 10 * time.Millisecond, freeDeaths + 2: 20 * time.Millisecond,
		freeDeaths + 7: 640 * time.Millisecond, freeDeaths + 8: time.Second, freeDeaths + 100: time.Second, 1 << 40: time.Second,
	} {
		if got := delayAfter(deaths); got != want {
			t.Errorf("after %d deaths the delay is %v, want %v", deaths, got, want)
		}
	}
}

// Workers that die at once, one after the other, are started once a second for ever, and the first that lives serves.
func TestWorkersThatDieAtOnce(t *testing.T) {
	for name, serves := range map[string]bool{"before they serve": false, "when they serve": true} {
		t.Run(name, func(t *testing.T) {
			const long = 10 * time.Minute
			st := newStage(t)
			st.serve(false)
			var total time.Duration
			for deaths := 1; total < long; deaths++ {
				if st.worker == nil {
					t.Fatalf("nobody is to serve after %d deaths and %v", deaths-1, total)
				}
				if serves {
					st.began(st.worker)
				}
				st.die(st.worker)
				wait := delayAfter(deaths)
				if wait > 0 {
					st.move(wait - 1)
					if st.worker != nil {
						t.Fatalf("another is to serve within less than %v of death %d", wait, deaths)
					}
					st.move(1)
				}
				total += wait
			}
			if most := int(long/time.Second) + 20; st.tried > most {
				t.Errorf("%d were started in %v, want at most %d", st.tried, long, most)
			}
			lives := st.worker
			st.began(lives)
			st.move(long)
			if st.worker != lives || lives.died || st.standby == nil {
				t.Fatalf("the worker that lives does not go on: %+v", st.worker)
			}
			st.die(lives) // the first of a new row
			if st.worker == nil {
				t.Error("the death of a worker that has lived long costs a delay")
			}
		})
	}
}

// Programs that cannot be started are tried once a second.
func TestWorkersThatCannotBeStarted(t *testing.T) {
	st := newStage(t)
	st.broken = errors.New("no processes are left")
	st.serve(false)
	st.move(time.Minute)
	if st.tried < 60 || st.tried > 70 || st.worker != nil {
		t.Errorf("%d tries in a minute, and %v serves", st.tried, st.worker)
	}
	st.broken = nil
	st.move(longestDelay)
	if st.worker == nil {
		t.Error("nobody serves when workers can be started again")
	}
	st.began(st.worker)
	st.move(standbyDelay)
	st.broken = errors.New("no processes are left")
	st.die(st.standby)
	before := st.tried
	st.move(time.Minute)
	if tries := st.tried - before; tries < 50 || tries > 60 || st.standby != nil {
		t.Errorf("%d tries in a minute to have one stand by, and %v does", tries, st.standby)
	}
	st.broken = nil
	st.move(longestDelay)
	if st.standby == nil {
		t.Error("no worker stands by when one can be started again")
	}
}

// Workers that die while they stand by are started once a second.
func TestStandbysThatDieAtOnce(t *testing.T) {
	st := newStage(t)
	st.serve(false)
	st.began(st.worker)
	st.move(standbyDelay)
	st.tried = 0
	for range 60 {
		st.die(st.standby)
		st.move(longestDelay - 1)
		if st.standby != nil {
			t.Fatal("another stands by in less than a second")
		}
		st.move(1)
	}
	if st.tried != 60 || st.standby == nil {
		t.Errorf("%d were started in a minute, and %v stands by", st.tried, st.standby)
	}
}

// The next standby leaves the processors to whoever has waited for the worker, for a while. A worker that dies within it is replaced at once.
func TestStandbyIsStartedLater(t *testing.T) {
	st := newStage(t)
	st.serve(false)
	st.began(st.worker)
	st.move(standbyDelay - 1)
	if st.standby != nil {
		t.Error("a standby is started while clients are just being served again")
	}
	before := st.worker
	st.die(before)
	if st.worker == nil || st.worker == before {
		t.Fatalf("no other worker is started at once: %v", st.worker)
	}
	st.began(st.worker)
	st.move(standbyDelay)
	if st.standby == nil {
		t.Error("nobody stands by")
	}
}

// A mount that no worker ever serves is given up, while somebody waits for it.
func TestNewMountWhoseWorkersDie(t *testing.T) {
	st := newStage(t)
	st.ready = func() error { t.Error("the mount is said to be ready"); return nil }
	st.serve(false)
	for range startAttempts {
		if st.finished || st.worker == nil {
			t.Fatalf("it is given up early: %v", st.result)
		}
		st.die(st.worker)
	}
	if !st.finished || st.result == nil || !strings.Contains(st.result.Error(), "no worker lives long enough") {
		t.Errorf("finished %t: %v", st.finished, st.result)
	}
}

// When the mount ends while its next worker waits for the one before, none is started.
func TestNoWorkerIsStartedAtTheEnd(t *testing.T) {
	st := newStage(t)
	st.serve(false)
	old := st.worker
	st.began(old)
	st.move(standbyDelay)
	standby := st.standby
	st.dismiss(old) // it has handed over to one that has died
	st.former, st.worker = old, nil
	st.serve(true)
	st.end(nil)
	st.tried = 0
	st.move(time.Minute)
	if st.finished || st.tried > 0 {
		t.Errorf("finished %t, with %d workers started, while one has not ended", st.finished, st.tried)
	}
	st.die(standby)
	st.die(old)
	st.move(time.Minute)
	if !st.finished || st.tried > 0 || st.result != nil {
		t.Errorf("finished %t with %v, %d workers started", st.finished, st.result, st.tried)
	}
}
