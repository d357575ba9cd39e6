package semfs

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"shmfs/mmapcore"

	"golang.org/x/sys/unix"
)

func TestClientHoldsWhatItAcquires(t *testing.T) {
	o := newOperated(t, 5)
	client, other := o.operator.NewClient(), o.operator.NewClient()
	wantDone(t, client, "acquire 2\nacquire\n", Conditions{Process: 11})
	wantReport(t, o.operator, 2, 0, Holder{Process: 11, Units: 3})
	wantDone(t, other, "trywait\nwait\n", Conditions{Process: 12})
	wantReport(t, o.operator, 0, 0, Holder{Process: 11, Units: 3})
	wantRefused(t, other, "trywait", Conditions{}, unix.EAGAIN)
	wantRefused(t, other, "release", Conditions{}, unix.EPERM)
	wantRefused(t, client, "release 4", Conditions{}, unix.EPERM)
	wantReport(t, o.operator, 0, 0, Holder{Process: 11, Units: 3})
	wantDone(t, client, "release 2", Conditions{})
	wantDone(t, other, "acquire", Conditions{Process: 12})
	wantReport(t, o.operator, 1, 0, Holder{Process: 11, Units: 1}, Holder{Process: 12, Units: 1})
	wantDone(t, client, "release", Conditions{})
	wantRefused(t, client, "release", Conditions{}, unix.EPERM)
	wantReport(t, o.operator, 2, 0, Holder{Process: 12, Units: 1})
	wantNoError(t, "Close", other.Close())
	wantNoError(t, "Close of one that holds nothing", client.Close())
	wantReport(t, o.operator, 3, 0)
}

// The count that is returned says how far the commands got, and an error is told with the next write.
func TestBatchesStopAtTheFirstFailure(t *testing.T) {
	o := newOperated(t, 0)
	client := o.operator.NewClient()
	for text, want := range map[string]string{
		"":                             "",
		"\n":                           "\n",
		"post":                         "post",
		"post 2\ntrywait\n":            "post 2\ntrywait\n",
		"\n\n  \npost\n\n":             "\n\n  \npost\n\n",
		"post\nset 0\ntrywait\npost\n": "post\nset 0\n",
		"set 0\npost 2\nfoo\npost\n":   "set 0\npost 2\n",
		"\nfoo":                        "\n",
		"set 0\nrelease\nset 7":        "set 0\n",
	} {
		if done, err := client.Do([]byte(text), Conditions{}); done != len(want) || err != nil {
			t.Errorf("of %q %d bytes are done, %v, want %d", text, done, err, len(want))
		}
	}
	wantRefused(t, client, "foo\npost\n", Conditions{}, unix.EINVAL)
	wantDone(t, client, "set 0", Conditions{})
	ended := o.start(client, "post\nwait\nwait\npost 9\n", Conditions{Interrupted: closed()})
	if got := receive(t, "an interrupted batch", ended); got != (outcome{len("post\nwait\n"), nil}) {
		t.Errorf("an interrupted batch: %+v", got)
	}
	wantReport(t, o.operator, 0, 0)
}

func closed() <-chan struct{} {
	channel := make(chan struct{})
	close(channel)
	return channel
}

// BeforeWait is for the first wait of a text, and only if it has to wait.
func TestBeforeWait(t *testing.T) {
	o := newOperated(t, 2)
	client := o.operator.NewClient()
	calls := make(chan int, 4) // with how many in the queue
	conditions := Conditions{BeforeWait: func() {
		report, err := o.operator.Report() // nothing is locked
		if err != nil {
			t.Errorf("Report: %v", err)
		}
		calls <- report.Queued
	}}
	wantDone(t, client, "wait\ntimedwait 9\npost\nacquire", conditions)
	wantRefused(t, client, "trywait", conditions, unix.EAGAIN)
	wantRefused(t, client, "timedwait 0", conditions, unix.ETIMEDOUT)
	hasty := conditions
	hasty.NonBlocking = true
	wantRefused(t, client, "wait", hasty, unix.EAGAIN)
	if len(calls) != 0 {
		t.Fatalf("called %d times before waits that were none", len(calls))
	}
	ended := o.start(client, "release\nwait\nacquire\nwait\n", conditions)
	o.awaitQueued(t, 1)
	wantNoError(t, "Post", o.Post(2))
	wantEnd(t, "the waits", ended)
	if queued := receive(t, "BeforeWait", calls); queued != 0 || len(calls) != 0 {
		t.Errorf("with %d in the queue, and %d times more, want none", queued, len(calls))
	}
	wantNoError(t, "Close", client.Close())
}

// Whatever ends a wait without a unit, no unit is gone and nobody is counted.
func TestWaitsThatEndWithoutAUnit(t *testing.T) {
	commands := map[string]string{"wait": "timedwait 0.02", "acquire": "timedacquire 0.02", "acquire 3": "timedacquire 0.02 3"}
	onEachLibcOperated(t, 0, func(t *testing.T, name string, o operated) {
		client := o.operator.NewClient()
		for patient, timed := range commands {
			wantRefused(t, client, patient, Conditions{NonBlocking: true}, unix.EAGAIN)
			wantRefused(t, client, timed, Conditions{NonBlocking: true}, unix.EAGAIN)
			wantRefused(t, client, patient, Conditions{Interrupted: closed()}, unix.EINTR)
			wantRefused(t, client, timed, Conditions{}, unix.ETIMEDOUT)
			interrupted := make(chan struct{})
			var ended []<-chan outcome
			for _, command := range []string{patient, "timedwait 1000", "timedacquire 1000 2147483647"} {
				ended = append(ended, o.start(client, command, Conditions{Interrupted: interrupted}))
			}
			o.awaitQueued(t, 3)
			wantReport(t, o.operator, 0, 3)
			close(interrupted)
			for _, each := range ended {
				wantEndBy(t, patient, each, unix.EINTR)
			}
			o.awaitLeft(t)
			wantReport(t, o.operator, 0, 0)
			wantNoError(t, "Post", o.Post(2))
			if said := o.peer(name, "wait", 2); said != "done 0" {
				t.Fatalf("the peer's wait: %s", said)
			}
		}
		wantRefused(t, client, "release", Conditions{}, unix.EPERM)
	})
}

// A wait lasts as long as it was told to, unless a unit comes.
func TestTimedWaits(t *testing.T) {
	o := newOperated(t, 0)
	client := o.operator.NewClient()
	for _, command := range []string{"timedwait 0.05", "timedacquire 0.05 2"} {
		start := time.Now()
		wantRefused(t, client, command, Conditions{}, unix.ETIMEDOUT)
		if took := time.Since(start); took < 50*time.Millisecond {
			t.Errorf("%s took %v", command, took)
		}
	}
	first, second := o.start(client, "timedwait 1000", Conditions{}), o.start(client, "timedacquire 1000 2", Conditions{Process: 3})
	o.awaitQueued(t, 2)
	wantNoError(t, "Post", o.Post(3))
	wantEnd(t, "timedwait", first)
	wantEnd(t, "timedacquire", second)
	wantReport(t, o.operator, 0, 0, Holder{Process: 3, Units: 2})
	wantNoError(t, "Close", client.Close())
}

// What a client held wakes those who wait for it, by commands and in libc.
func TestCloseGivesBackAndWakes(t *testing.T) {
	onEachLibcOperated(t, 4, func(t *testing.T, name string, o operated) {
		for range 5 {
			holder, waiting := o.operator.NewClient(), o.operator.NewClient()
			wantDone(t, holder, "acquire 3\nacquire", Conditions{Process: 1})
			said := make(chan string, 1)
			go func() { said <- o.peer(name, "wait", 1) }()
			awaitWaiters(t, o.Semaphore, 1)
			several := o.start(waiting, "acquire 2", Conditions{Process: 2})
			o.awaitQueued(t, 1)
			single := o.start(waiting, "wait", Conditions{})
			o.awaitQueued(t, 2)
			wantNoError(t, "Close", holder.Close())
			if line := receive(t, "the peer", said); line != "done 0" {
				t.Fatalf("the peer's wait: %s", line)
			}
			wantEnd(t, "acquire", several)
			wantEnd(t, "wait", single)
			o.awaitLeft(t)
			wantReport(t, o.operator, 0, 0, Holder{Process: 2, Units: 2})
			wantNoError(t, "Close", waiting.Close())
			wantNoError(t, "Post", o.Post(2))
		}
		wantReport(t, o.operator, 4, 0)
	})
}

// Who set the value meanwhile may have left no room for what comes back.
func TestUnitsComeBackAsFarAsThereIsRoom(t *testing.T) {
	o := newOperated(t, 5)
	client := o.operator.NewClient()
	wantDone(t, client, "acquire 5\nset 2147483645\n", Conditions{Process: 1})
	wantRefused(t, client, "release 3", Conditions{}, unix.EOVERFLOW)
	wantReport(t, o.operator, MaxValue-2, 0, Holder{Process: 1, Units: 5})
	if err := client.Close(); !errors.Is(err, unix.EOVERFLOW) || !strings.Contains(fmt.Sprint(err), "of which 3 find no room") {
		t.Errorf("Close: %v, want EOVERFLOW, with 3 units lost", err)
	}
	wantReport(t, o.operator, MaxValue, 0)
	wantDone(t, client, "acquire\npost\n", Conditions{})
	wantRefused(t, client, "post", Conditions{}, unix.EOVERFLOW)
	wantError(t, "Close", client.Close(), unix.EOVERFLOW)
	wantReport(t, o.operator, MaxValue, 0)
}

// However much one acquires while another sets the value, it is counted.
func TestHoldingMoreThanASemaphoreHas(t *testing.T) {
	o := newOperated(t, 0)
	client := o.operator.NewClient()
	for range 2 {
		wantDone(t, client, "set 2147483647\nacquire 2147483647", Conditions{Process: 1})
	}
	wantDone(t, client, "set 2\nacquire 2", Conditions{Process: 1})
	report, err := o.operator.Report()
	wantNoError(t, "Report", err)
	if held := report.Held(); held != 2*MaxValue+2 {
		t.Errorf("%d units are held, want 2^32", held)
	}
	wantDone(t, client, "release 2147483647", Conditions{})
	wantDone(t, client, "set 1", Conditions{})
	wantError(t, "Close", client.Close(), unix.EOVERFLOW)
	wantReport(t, o.operator, MaxValue, 0)
}

// Who asks for units and gets none is not said to hold what another process acquired through the same open file.
func TestHolderIsWhoAcquired(t *testing.T) {
	o := newOperated(t, 2)
	client := o.operator.NewClient()
	wantDone(t, client, "acquire 2", Conditions{Process: 1})
	wantRefused(t, client, "acquire", Conditions{Process: 2, NonBlocking: true}, unix.EAGAIN)
	wantRefused(t, client, "acquire", Conditions{Process: 2, Interrupted: closed()}, unix.EINTR)
	wantReport(t, o.operator, 0, 0, Holder{Process: 1, Units: 2})
	ended := o.start(client, "acquire", Conditions{Process: 3})
	o.awaitQueued(t, 1)
	wantReport(t, o.operator, 0, 1, Holder{Process: 1, Units: 2})
	wantNoError(t, "Post", o.Post(1))
	wantEnd(t, "acquire", ended)
	wantReport(t, o.operator, 0, 0, Holder{Process: 3, Units: 3})
	wantNoError(t, "Close", client.Close())
}

// On a file that is no semaphore every command is EINVAL and says why, and what was held is lost.
func TestCommandsOnAnInvalidFile(t *testing.T) {
	o := newOperated(t, 5)
	client := o.operator.NewClient()
	wantDone(t, client, "acquire 2", Conditions{Process: 1})
	wantNoError(t, "Resize", o.region.Resize(Size+1))
	for _, command := range []string{"post", "wait", "trywait", "timedwait 9", "set 1", "acquire", "timedacquire 9", "release"} {
		wantRefused(t, client, command, Conditions{Interrupted: closed()}, unix.EINVAL)
		if _, err := client.Do([]byte(command), Conditions{}); !strings.Contains(fmt.Sprint(err), "33 bytes") {
			t.Errorf("%s: %v, which does not say that the file has 33 bytes", command, err)
		}
	}
	wantError(t, "Close", client.Close(), unix.EINVAL)
	wantNoError(t, "Resize", o.region.Resize(Size))
	wantReport(t, o.operator, 3, 0)
}

// Commands fail when the mapping is gone, and nothing hangs.
func TestCommandsOnAClosedSemaphore(t *testing.T) {
	f := newFixture(t)
	wantNoError(t, "Initialise", f.Initialise(Glibc, 0))
	operator := NewOperator(f.Semaphore, NewSleepers(1, func() {}))
	defer operator.Close()
	o := operated{f, operator}
	ended := o.start(operator.NewClient(), "wait", Conditions{})
	awaitWaiters(t, f.Semaphore, 1)
	told := make(chan struct{})
	if _, err := operator.Poll(1, func() { close(told) }); err != nil {
		t.Fatal(err)
	}
	wantNoError(t, "Close", f.Close())
	wantEndBy(t, "wait", ended, mmapcore.ErrClosed)
	receive(t, "the poller", told)
	wantRefused(t, operator.NewClient(), "post", Conditions{}, mmapcore.ErrClosed)
}
