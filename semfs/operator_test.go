package semfs

import (
	"fmt"
	"os"
	"runtime"
	"testing"

	"shmfs/mmapcore"

	"golang.org/x/sys/unix"
)

// Units go to those who wait, in the order in which they came, whoever posts.
func TestWaitsAreGrantedInOrder(t *testing.T) {
	onEachLibcOperated(t, 0, func(t *testing.T, name string, o operated) {
		var ended []<-chan outcome
		for i := range 6 {
			command := []string{"wait", "acquire", "timedwait 1000"}[i%3]
			ended = append(ended, o.start(o.operator.NewClient(), command, Conditions{Process: i}))
			o.awaitQueued(t, i+1)
		}
		posts := []func(){
			func() { wantNoError(t, "Post", o.Post(1)) },
			func() { wantDone(t, o.operator.NewClient(), "post", Conditions{}) },
			func() { wantDone(t, o.operator.NewClient(), "set 1", Conditions{}) },
			func() {
				if said := o.peer(name, "post", 1); said != "done 0" {
					t.Fatalf("the peer's post: %s", said)
				}
			},
		}
		for i, each := range ended {
			posts[i%len(posts)]()
			wantEnd(t, fmt.Sprintf("wait %d", i), each)
			o.awaitQueued(t, len(ended)-i-1)
			for _, later := range ended[i+1:] {
				if len(later) != 0 {
					t.Fatalf("after %d posts another has ended: %+v", i+1, <-later)
				}
			}
		}
		o.awaitLeft(t)
		wantReport(t, o.operator, 0, 0, Holder{Process: 1, Units: 1}, Holder{Process: 4, Units: 1})
	})
}

// Several units are taken at once or not at all, and who wants them holds up nobody who wants fewer.
func TestSeveralUnitsInOneStep(t *testing.T) {
	onEachLibcOperated(t, 0, func(t *testing.T, name string, o operated) {
		client := o.operator.NewClient()
		three := o.start(client, "acquire 3", Conditions{Process: 1})
		o.awaitQueued(t, 1)
		two := o.start(client, "acquire 2", Conditions{Process: 1})
		o.awaitQueued(t, 2)
		one := o.start(client, "wait", Conditions{Process: 1})
		o.awaitQueued(t, 3)
		said := make(chan string, 1)
		wantNoError(t, "Post", o.Post(1))
		wantEnd(t, "wait", one)
		wantNoError(t, "Post", o.Post(1))
		wantReport(t, o.operator, 1, 2)
		go func() { said <- o.peer(name, "wait", 2) }() // one of them is there
		await(t, "a peer that waits for the second", func() bool {
			state, err := o.State()
			wantNoError(t, "State", err)
			return state.Value == 0 && state.Waiters == 2
		})
		if line := o.peer(name, "post", 1); line != "done 0" {
			t.Fatalf("the peer's post: %s", line)
		}
		if line := receive(t, "the peer", said); line != "done 0" {
			t.Fatalf("the peer's waits: %s", line)
		}
		wantReport(t, o.operator, 0, 2)
		for range 2 { // one by one, by somebody who wakes one at a time
			if line := o.peer(name, "post", 1); line != "done 0" {
				t.Fatalf("the peer's post: %s", line)
			}
		}
		wantEnd(t, "acquire 2", two)
		wantReport(t, o.operator, 0, 1, Holder{Process: 1, Units: 2})
		wantNoError(t, "Post", o.Post(2))
		wantDone(t, o.operator.NewClient(), "wait", Conditions{})
		wantDone(t, client, "release 2", Conditions{})
		wantEnd(t, "acquire 3", three)
		wantReport(t, o.operator, 0, 0, Holder{Process: 1, Units: 3})
		o.awaitLeft(t)
	})
}

// A claim for fewer units than the sleeper sleeps for wakes it, and so does a poller.
func TestSleeperTurnsToWhoWantsLess(t *testing.T) {
	o := newOperated(t, 0)
	client := o.operator.NewClient()
	most := o.start(client, "acquire 2147483647", Conditions{Interrupted: nil})
	o.awaitQueued(t, 1)
	for units := 9; units > 0; units -= 4 {
		ended := o.start(client, fmt.Sprintf("acquire %d", units), Conditions{})
		o.awaitQueued(t, 2)
		wantNoError(t, "Post", o.Post(uint32(units)))
		wantEnd(t, fmt.Sprintf("acquire %d", units), ended)
	}
	told := make(chan struct{})
	wantNotReadable(t, o.operator, 1, func() { close(told) })
	wantNoError(t, "Post", o.Post(1))
	receive(t, "the poller", told)
	wantDone(t, client, "set 2147483647", Conditions{})
	wantEnd(t, "acquire", most)
	wantDone(t, client, "release 2147483647", Conditions{})
	o.awaitLeft(t)
}

// While somebody waits for more than there is, nobody spins and libc's waiter gets what is there.
func TestUnitsBelowWhatIsWantedReachLibc(t *testing.T) {
	onEachLibcOperated(t, 0, func(t *testing.T, name string, o operated) {
		client := o.operator.NewClient()
		three := o.start(client, "acquire 3", Conditions{})
		awaitWaiters(t, o.Semaphore, 1)
		for range 10 {
			said := make(chan string, 1)
			go func() { said <- o.peer(name, "wait", 1) }()
			awaitWaiters(t, o.Semaphore, 2) // the sleeper is first in the kernel's queue, so that the post wakes it
			if line := o.peer(name, "post", 1); line != "done 0" {
				t.Fatalf("the peer's post: %s", line)
			}
			if line := receive(t, "the peer", said); line != "done 0" {
				t.Fatalf("the peer's wait: %s", line)
			}
		}
		wantNoError(t, "Post", o.Post(3))
		wantEnd(t, "acquire 3", three)
		o.awaitLeft(t)
	})
}

// Content that means nothing ends the waits when somebody wakes the sleeper, and a poller is told to look.
func TestInvalidContentEndsWaits(t *testing.T) {
	for name, nonsense := range map[string]func(o operated) error{
		"size":   func(o operated) error { return o.region.Resize(Size + 1) },
		"empty":  func(o operated) error { return o.region.Resize(0) },
		"layout": func(o operated) error { return o.mapping.Store32(sharingOffset, 5) },
		"value":  func(o operated) error { return o.mapping.Store32(wordsOffset, topBit) },
	} {
		t.Run(name, func(t *testing.T) {
			o := newOperated(t, 0)
			client := o.operator.NewClient()
			first, second := o.start(client, "wait", Conditions{}), o.start(client, "acquire 2", Conditions{})
			o.awaitQueued(t, 2)
			told := make(chan struct{})
			wantNotReadable(t, o.operator, 1, func() { close(told) })
			wantNoError(t, "nonsense", nonsense(o))
			await(t, "end of the waits", func() bool { // the sleeper may be counted and not asleep yet
				_, _ = o.mapping.FutexWake(wordsOffset, 1) // it fails where the file is empty: who sleeps there is woken by kicks
				if name == "empty" {
					o.operator.mu.Lock()
					o.operator.kick.Cancel()
					o.operator.mu.Unlock()
				}
				return len(first) == 1 && len(second) == 1
			})
			wantEndBy(t, "wait", first, unix.EINVAL)
			wantEndBy(t, "acquire", second, unix.EINVAL)
			receive(t, "the poller", told)
			if readable, err := o.operator.Poll(1, func() {}); readable || !isInvalid(err) {
				t.Errorf("Poll: %v, %v, want EINVAL", readable, err)
			}
			wantNoError(t, "Initialise", o.Initialise(Glibc, 3))
			wantDone(t, client, "wait\nacquire 2\nrelease 2\nwait", Conditions{})
			o.awaitLeft(t)
		})
	}
}

// Close ends every wait at once, and nobody stays counted.
func TestOperatorCloseEndsWaits(t *testing.T) {
	onEachLibc(t, 0, func(t *testing.T, name string, f fixture) {
		before := runtime.NumGoroutine()
		o := operated{f, NewOperator(f.Semaphore, NewSleepers(1, func() {}))}
		var ended []<-chan outcome
		for i, command := range []string{"wait", "timedwait 1000", "acquire 2", "timedacquire 1000", "wait"} {
			ended = append(ended, o.start(o.operator.NewClient(), command, Conditions{}))
			o.awaitQueued(t, i+1)
		}
		wantNotReadable(t, o.operator, 1, func() { t.Error("a poller is told") })
		awaitWaiters(t, f.Semaphore, 1)
		o.operator.Close()
		if waiters, err := f.Waiters(); waiters != 0 || err != nil {
			t.Errorf("%d wait after Close, %v", waiters, err)
		}
		for _, each := range ended {
			wantEndBy(t, "a wait", each, mmapcore.ErrClosed)
		}
		await(t, "end of the goroutines", func() bool { return runtime.NumGoroutine() <= before })
		if said := f.peer(name, "post", 1); said != "done 0" {
			t.Errorf("the peer's post: %s", said)
		}
		wantState(t, f.Semaphore, State{Layout: libcs[name].layout, Value: 1})
	})
}

// Close at any moment of a wait's or a poll's beginning leaves nothing.
func TestOperatorCloseRacesWaits(t *testing.T) {
	f := newFixture(t)
	wantNoError(t, "Initialise", f.Initialise(Glibc, 0))
	sleepers := NewSleepers(1, func() {})
	for range 300 {
		operator := NewOperator(f.Semaphore, sleepers)
		o := operated{f, operator}
		first, second := o.start(operator.NewClient(), "wait", Conditions{}), o.start(operator.NewClient(), "acquire 2", Conditions{})
		if _, err := operator.Poll(1, func() { t.Error("told") }); err != nil {
			t.Fatal(err)
		}
		operator.Close()
		wantEndBy(t, "wait", first, mmapcore.ErrClosed)
		wantEndBy(t, "acquire", second, mmapcore.ErrClosed)
		if waiters, err := f.Waiters(); waiters != 0 || err != nil {
			t.Fatalf("%d wait after Close, %v", waiters, err)
		}
	}
}

// Only so many operators sleep at once; the rest are told at once, and may try again when one is done.
func TestSleepersAreBounded(t *testing.T) {
	sleepers := NewSleepers(2, func() {})
	var all []operated
	for range 3 {
		f := newFixture(t)
		wantNoError(t, "Initialise", f.Initialise(Glibc, 0))
		o := operated{f, NewOperator(f.Semaphore, sleepers)}
		t.Cleanup(o.operator.Close)
		all = append(all, o)
	}
	first := all[0].start(all[0].operator.NewClient(), "wait", Conditions{})
	all[0].awaitQueued(t, 1)
	wantNotReadable(t, all[1].operator, 1, func() {})
	for range 3 {
		wantRefused(t, all[2].operator.NewClient(), "wait", Conditions{}, unix.EAGAIN)
		wantRefused(t, all[2].operator.NewClient(), "acquire 2", Conditions{}, unix.EAGAIN)
		if readable, err := all[2].operator.Poll(1, func() { t.Error("told") }); readable || !isAgain(err) {
			t.Fatalf("Poll: %v, %v, want EAGAIN", readable, err)
		}
	}
	wantReport(t, all[2].operator, 0, 0)
	others := all[0].start(all[0].operator.NewClient(), "wait", Conditions{}) // where one sleeps already, any number may
	all[0].awaitQueued(t, 2)
	all[1].operator.Unpoll(1)
	all[1].awaitLeftBut(t, 1)
	third := all[2].start(all[2].operator.NewClient(), "wait", Conditions{})
	all[2].awaitQueued(t, 1)
	wantNoError(t, "Post", all[0].Post(2))
	wantNoError(t, "Post", all[2].Post(1))
	for _, ended := range []<-chan outcome{first, others, third} {
		wantEnd(t, "wait", ended)
	}
	all[2].awaitLeftBut(t, 0)
}

// awaitLeftBut returns when only so many sleep, of this operator and those that share its bound.
func (o operated) awaitLeftBut(t *testing.T, others int64) {
	t.Helper()
	await(t, fmt.Sprintf("%d sleepers", others), func() bool { return o.operator.sleepers.count.Load() == others })
}

// A sleeper that is done, and only tells those who polled, is not counted any more: who waits next is not refused.
func TestASleeperThatTellsIsNotCounted(t *testing.T) {
	f := newFixture(t)
	wantNoError(t, "Initialise", f.Initialise(Glibc, 0))
	o := operated{f, NewOperator(f.Semaphore, NewSleepers(1, func() {}))}
	t.Cleanup(o.operator.Close)
	telling, told := make(chan struct{}), make(chan struct{})
	wantNotReadable(t, o.operator, 1, func() { close(telling); <-told })
	wantNoError(t, "Post", o.Post(1))
	receive(t, "the poller", telling)
	wantNoError(t, "Take", o.Take(1))
	ended := o.start(o.operator.NewClient(), "wait", Conditions{})
	await(t, "wait, or refusal", func() bool {
		report, err := o.operator.Report()
		wantNoError(t, "Report", err)
		return report.Queued == 1 || len(ended) == 1
	})
	wantNoError(t, "Post", o.Post(1))
	close(told)
	wantEnd(t, "wait", ended)
	o.awaitLeft(t)
}

// Who waits again at once, after a wait that has just ended, is never refused.
func TestWaitsFollowEachOther(t *testing.T) {
	f := newFixture(t)
	wantNoError(t, "Initialise", f.Initialise(Glibc, 0))
	o := operated{f, NewOperator(f.Semaphore, NewSleepers(1, func() {}))}
	t.Cleanup(o.operator.Close)
	const text, rounds = "wait\nwait\nacquire\nwait\n", 3000
	waiting, posting := o.operator.NewClient(), o.operator.NewClient()
	posted := make(chan error, 1)
	go func() {
		for range 4 * rounds {
			if _, err := posting.Do([]byte("post"), Conditions{}); err != nil {
				posted <- err
				return
			}
			runtime.Gosched()
		}
		posted <- nil
	}()
	for range rounds {
		wantDone(t, waiting, text, Conditions{})
	}
	wantNoError(t, "posting", receive(t, "the posts", posted))
	o.awaitLeft(t)
	wantReport(t, o.operator, 0, 0, Holder{Process: 0, Units: rounds})
	wantNoError(t, "Close", waiting.Close())
}

// Any number of waiters of one semaphore take one thread and no goroutine but their own, and all can be interrupted.
func TestTenThousandWaiters(t *testing.T) {
	const count = 10_000
	o := newOperated(t, 0)
	threads, goroutines, memory := threadCount(t), runtime.NumGoroutine(), memoryInUse()
	interrupted, ended := make(chan struct{}), make(chan error, count)
	for i := range count {
		client, command := o.operator.NewClient(), []byte([]string{"wait", "timedwait 1000"}[i%2])
		go func() {
			_, err := client.Do(command, Conditions{Interrupted: interrupted})
			ended <- err
		}()
	}
	o.awaitQueued(t, count)
	awaitWaiters(t, o.Semaphore, 1)
	wantReport(t, o.operator, 0, count)
	if now := runtime.NumGoroutine(); now > goroutines+count+1 {
		t.Errorf("%d goroutines more, want one for each of %d, and the sleeper's", now-goroutines, count)
	}
	if now := threadCount(t); now > threads+16 {
		t.Errorf("%d threads, %d before", now, threads)
	}
	if each := (memoryInUse() - memory) / count; each > 64<<10 {
		t.Errorf("%d bytes for each who waits", each)
	}
	wantNoError(t, "Post", o.Post(10))
	for range 10 {
		wantNoError(t, "one of 10 that get a unit", receive(t, "a wait", ended))
	}
	wantReport(t, o.operator, 0, count-10)
	close(interrupted)
	for range count - 10 {
		wantError(t, "an interrupted wait", receive(t, "a wait", ended), unix.EINTR)
	}
	o.awaitLeft(t)
	wantReport(t, o.operator, 0, 0)
}

func threadCount(t *testing.T) int {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	return len(tasks)
}

// memoryInUse is what the heap and the stacks have, in bytes.
func memoryInUse() int64 {
	var memory runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&memory)
	return int64(memory.HeapAlloc + memory.StackInuse)
}

// Who waits and who polls sleep: an operator uses next to no processor time until there is a unit.
func TestOperatorsUseNoProcessor(t *testing.T) {
	onEachLibcOperated(t, 0, func(t *testing.T, name string, o operated) {
		interrupted := make(chan struct{})
		var ended []<-chan outcome
		for i := range 20 {
			command := []string{"acquire 3", "acquire 2", "timedwait 1000"}[min(i, 2)] // each of the first turns the sleeper to it
			ended = append(ended, o.start(o.operator.NewClient(), command, Conditions{Interrupted: interrupted}))
			o.awaitQueued(t, i+1)
		}
		for i := range 20 {
			wantNotReadable(t, o.operator, uint64(i), func() { t.Error("a poller is told") })
		}
		o.awaitQueued(t, 20)
		awaitWaiters(t, o.Semaphore, 1)
		before := processorTime(t)
		if said := o.peer(name, "timedwait", 300); said == "done 0" {
			t.Error("took a unit that is not there")
		}
		if used := processorTime(t) - before; used > 100e6 {
			t.Errorf("20 waiters and 20 pollers used %d ns of processor time in 300 ms", used)
		}
		for i := range 20 {
			o.operator.Unpoll(uint64(i))
		}
		close(interrupted)
		for _, each := range ended {
			wantEndBy(t, "a wait", each, unix.EINTR)
		}
		o.awaitLeft(t)
	})
}

// Nor does it spin beside units that are too few for those who wait.
func TestTooFewUnitsUseNoProcessor(t *testing.T) {
	onEachLibcOperated(t, 2, func(t *testing.T, name string, o operated) {
		ended := o.start(o.operator.NewClient(), "acquire 3", Conditions{})
		o.awaitQueued(t, 1)
		awaitWaiters(t, o.Semaphore, 1)
		before := processorTime(t)
		_, _ = unix.Poll(nil, 300) // that is what is measured
		if used := processorTime(t) - before; used > 100e6 {
			t.Errorf("used %d ns of processor time in 300 ms", used)
		}
		if said := o.peer(name, "post", 1); said != "done 0" {
			t.Errorf("the peer's post: %s", said)
		}
		wantEnd(t, "acquire 3", ended)
		o.awaitLeft(t)
	})
}
