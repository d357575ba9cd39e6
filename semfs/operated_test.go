package semfs

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// operated is a semaphore with an operator.
type operated struct {
	fixture
	operator *Operator
}

// operate returns the operator of a fixture, and closes it at the end of the test.
func operate(t *testing.T, f fixture) operated {
	t.Helper()
	operator := NewOperator(f.Semaphore, NewSleepers(8, func() {}))
	t.Cleanup(operator.Close)
	return operated{f, operator}
}

func newOperated(t *testing.T, value uint32) operated {
	t.Helper()
	f := newFixture(t)
	wantNoError(t, "Initialise", f.Initialise(Glibc, value))
	return operate(t, f)
}

// onEachLibcOperated is onEachLibc with an operator.
func onEachLibcOperated(t *testing.T, value int, test func(t *testing.T, name string, o operated)) {
	onEachLibc(t, value, func(t *testing.T, name string, f fixture) { test(t, name, operate(t, f)) })
}

// outcome is what Do returned.
type outcome struct {
	done int
	err  error
}

// start begins to do commands that wait.
func (o operated) start(client *Client, text string, conditions Conditions) <-chan outcome {
	ended := make(chan outcome, 1)
	go func() {
		done, err := client.Do([]byte(text), conditions)
		ended <- outcome{done, err}
	}()
	return ended
}

// awaitQueued returns when that many wait by commands.
func (o operated) awaitQueued(t *testing.T, want int) {
	t.Helper()
	await(t, fmt.Sprintf("%d in the queue", want), func() bool {
		report, err := o.operator.Report()
		wantNoError(t, "Report", err)
		return report.Queued == want
	})
}

// awaitLeft returns when nobody waits any more: in the queue, in the memory, and in a thread.
func (o operated) awaitLeft(t *testing.T) {
	t.Helper()
	o.awaitQueued(t, 0)
	awaitWaiters(t, o.Semaphore, 0)
	await(t, "no sleeper", func() bool { return o.operator.sleepers.count.Load() == 0 })
}

// await returns when a condition has come true.
func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !condition(); {
		if time.Now().After(deadline) {
			t.Fatalf("no %s for %v", what, limit)
		}
		_, _ = unix.Poll(nil, 1) // there is no event to wait for
	}
}

// receive is what comes from a channel, or is closed there.
func receive[V any](t *testing.T, what string, from <-chan V) V {
	t.Helper()
	select {
	case value := <-from:
		return value
	case <-time.After(limit):
		t.Fatalf("%s: nothing came for %v", what, limit)
	}
	panic("not reached")
}

// wantEnd fails unless a text that was started is done to its end.
func wantEnd(t *testing.T, what string, ended <-chan outcome) {
	t.Helper()
	if got := receive(t, what, ended); got.done == 0 || got.err != nil {
		t.Fatalf("%s: %+v", what, got)
	}
}

// wantEndBy fails unless what was started did nothing, for that reason.
func wantEndBy(t *testing.T, what string, ended <-chan outcome, want error) {
	t.Helper()
	if got := receive(t, what, ended); got.done != 0 || !errors.Is(got.err, want) {
		t.Fatalf("%s: %+v, want %v", what, got, want)
	}
}

// wantDone fails unless all of a text is done.
func wantDone(t *testing.T, client *Client, text string, conditions Conditions) {
	t.Helper()
	if done, err := client.Do([]byte(text), conditions); done != len(text) || err != nil {
		t.Fatalf("%q: %d bytes are done, %v", text, done, err)
	}
}

// wantRefused fails unless nothing of a text is done, for that reason.
func wantRefused(t *testing.T, client *Client, text string, conditions Conditions, want error) {
	t.Helper()
	if done, err := client.Do([]byte(text), conditions); done != 0 || !errors.Is(err, want) {
		t.Fatalf("%q: %d bytes are done, %v, want %v", text, done, err, want)
	}
}

// wantReport fails unless the report says so, of a valid semaphore.
func wantReport(t *testing.T, operator *Operator, value, waiters uint32, holders ...Holder) {
	t.Helper()
	report, err := operator.Report()
	wantNoError(t, "Report", err)
	if report.Layout == nil || report.Value != value || report.Waiters != waiters || !slices.Equal(report.Holders, holders) {
		t.Fatalf("report is %+v, want value %d, waiters %d, holders %v", report, value, waiters, holders)
	}
}
