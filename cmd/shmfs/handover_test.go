package main

import (
	"slices"
	"testing"
	"time"

	"shmfs/fs/keep"
)

// newSuccessor is a supervisor that has taken over a worker which has handed over to its predecessor.
func newSuccessor(t *testing.T) (st *stage, handed *played) {
	t.Helper()
	st = newStage(t)
	worker, err := st.around.start(st.running)
	if err != nil {
		t.Fatal(err)
	}
	worker.began = st.clock
	st.worker = worker
	st.startStandby()
	return st, st.find(worker)
}

func requireTold(t *testing.T, who *played, want ...keep.Kind) {
	t.Helper()
	if got, _ := who.told(); !slices.Equal(got, want) {
		t.Errorf("the worker was told %v, want %v", got, want)
	}
}

// A worker that has handed over to nobody gets a baton of the new supervisor's, and leaves when the next one has everything.
func TestHandOverIsFinished(t *testing.T) {
	st, handed := newSuccessor(t)
	next := st.find(st.standby)
	st.finishHandOver()
	requireTold(t, handed, keep.HandOver)
	requireTold(t, next)
	st.requestReload("one more")
	st.handedOver(handed.child)
	if st.worker != next.child {
		t.Fatal("the worker that stood by is not the next")
	}
	st.loop()
	requireTold(t, handed, keep.Outcome, keep.Leave)
	requireTold(t, next, keep.Serve)
	st.die(handed.child)
	st.began(next.child)
	if st.reload == nil || st.reload.request != "one more" {
		t.Error("the reload that was asked for meanwhile does not come after it")
	}
}

// If the next worker dies meanwhile, the one that has handed over leaves, and another serves when it has ended. It is asked nothing more.
func TestHandOverThatCannotBeFinished(t *testing.T) {
	st, handed := newSuccessor(t)
	st.finishHandOver()
	st.requestReload("one more")
	st.die(st.reload.worker)
	reloads := st.reload.worker
	st.greeted(reloads)
	st.move(time.Second)
	requireTold(t, handed, keep.HandOver, keep.Outcome, keep.Leave, keep.Outcome)
	st.die(handed.child)
	if st.worker == nil || st.worker == reloads {
		t.Fatal("no other worker serves")
	}
	serving := st.find(st.worker)
	st.began(serving.child)
	st.move(time.Second)
	requireTold(t, serving, keep.Serve, keep.HandOver)
}

// Reloads that wait for another are known to be under way: who asked for one would think it lost.
func TestQueuedReloadIsKnown(t *testing.T) {
	st := newStage(t)
	st.serve(false)
	serving := st.find(st.worker)
	st.began(serving.child)
	st.requestReload("first")
	st.requestReload("second")
	_, outcomes := serving.told()
	for _, request := range []string{"first", "second"} {
		want := reloadOutcome{Request: request, State: reloadGoing}
		if !slices.Contains(outcomes, want) || st.outcomes.of(request) != want {
			t.Errorf("the worker was told %v, not that %q is under way", outcomes, request)
		}
	}
	st.die(st.reload.worker)
	_, outcomes = serving.told()
	if len(outcomes) != 2 || outcomes[0].State != reloadFailed || outcomes[1] != (reloadOutcome{Request: "second", State: reloadGoing}) {
		t.Errorf("the worker was told %v", outcomes)
	}
}

// What a worker was started for is done, whether its supervisor has lived to say so or not; what else was under way has failed.
func TestReloadsOfADeadSupervisor(t *testing.T) {
	const first, second = "first", "second"
	done := reloadOutcome{Request: first, State: reloadDone}
	w := &worker{completed: done, outcomes: outcomes{{Request: first, State: reloadGoing}, {Request: second, State: reloadGoing}}}
	w.concludeReloads()
	if got := w.outcomes; got.of(first) != done || got.of(second).State != reloadFailed {
		t.Errorf("it says %v", got)
	}

	w = &worker{completed: done}
	for _, text := range []string{
		`{"Request":"first","State":"going"}`, `{"Request":"first","State":"done"}`, `{"Request":"first","State":"going"}`,
	} {
		if err := w.readOutcome([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	w.concludeReloads() // another of the same name, as signals have
	if got := w.outcomes.of(first); got.State != reloadFailed {
		t.Errorf("it says %v", got)
	}
}
