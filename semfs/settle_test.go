package semfs

import (
	"fmt"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// deaths are the moments of a change at which a process may die.
var deaths = map[string]when{
	"before it intends":     beforeIntending,
	"when it intended":      intended,
	"when it swapped":       swapped,
	"before it notes":       beforeDone,
	"when it has noted all": done,
}

// Whenever a process dies that does what a client asked for, the next does it if that one did not, and else does not.
func TestCommandsAreDoneOnce(t *testing.T) {
	for _, test := range []struct {
		kind  Kind
		text  string
		value uint32 // from 5 units, of which client 1 holds 2
		held  uint64 // by client 1
	}{
		{Post, "post 4", 7, 2},
		{Take, "trywait", 2, 2},
		{Take, "wait", 2, 2},
		{Set, "set 9", 9, 2},
		{Acquire, "acquire 3", 0, 5},
		{Release, "release", 4, 1},
		{Release, "release 2", 5, 0},
		{Return, "", 5, 0},
		{Post, "release\npost\ntrywait\n", 4, 1},
	} {
		for name, when := range deaths {
			for _, layout := range []Layout{Glibc, Musl} {
				t.Run(fmt.Sprintf("%q %s %v", test.text, name, layout), func(t *testing.T) {
					f := newFixture(t)
					wantNoError(t, "Initialise", f.Initialise(layout, 5))
					wantNoError(t, "Store32", f.mapping.Store32(12, 1<<32-2)) // it counts past its end
					record := newRecord()
					var armed atomic.Bool
					last := moment{when, test.kind}
					first := record.start(t, f.region, func(now moment) bool { return armed.Load() && now == last })
					wantDone(t, first.client(1), "acquire 2", Conditions{Process: 1})
					armed.Store(true)
					asked := request{number: 77, client: 1, text: test.text}
					if answered, err := first.serve(asked); answered {
						t.Fatalf("the process lives and answers %v", err)
					}
					first.bury(t)
					second := record.start(t, f.region, never)
					if answered, err := second.serve(asked); !answered || err != nil {
						t.Fatalf("the next process: %v, %v", answered, err)
					}
					var holders []Holder
					if test.held > 0 {
						holders = []Holder{{Process: 1, Units: test.held}}
					}
					wantReport(t, second.operator, test.value, 0, holders...)
					intent, held, joined := record.recorded()
					if intent != nil || held[1].units != test.held || joined {
						t.Errorf("recorded is %+v, %v, %v", intent, held, joined)
					}
					second.bury(t)
				})
			}
		}
	}
}

// Whoever sleeps in libc is woken by a post that was made and not told of when its process died.
func TestSleepersOfLibcAreWokenForTheDead(t *testing.T) {
	onEachLibc(t, 0, func(t *testing.T, name string, f fixture) {
		for death, when := range deaths {
			for _, text := range []string{"post", "set 1"} {
				record := newRecord()
				said := make(chan string, 1)
				go func() { said <- f.peer(name, "wait", 1) }()
				awaitWaiters(t, f.Semaphore, 1)
				asked := request{number: 1, client: 1, text: text}
				first := record.start(t, f.region, func(now moment) bool { return now.when == when && now.kind != Join })
				if answered, err := first.serve(asked); answered {
					t.Fatalf("%s: the process lives and answers %v", death, err)
				}
				first.bury(t)
				second := record.start(t, f.region, never)
				if answered, err := second.serve(asked); !answered || err != nil {
					t.Fatalf("%s: the next process: %v, %v", death, answered, err)
				}
				if line := receive(t, "the peer", said); line != "done 0" {
					t.Errorf("%s of %q: the peer's wait: %s", death, text, line)
				}
				wantQuiet(t, f.Semaphore)
				second.bury(t)
			}
		}
	})
}

// A process dies while its sleeper waits, or comes to it, or grants, or leaves: nobody stays counted, and each claim gets its unit once.
func TestSleepersDie(t *testing.T) {
	for _, kind := range []Kind{Join, Take, Leave} {
		for name, when := range deaths {
			if when == swapped && kind != Take {
				continue // nobody is woken then
			}
			t.Run(fmt.Sprintf("%s %s", kind.activity(), name), func(t *testing.T) {
				f := newFixture(t)
				wantNoError(t, "Initialise", f.Initialise(Glibc, 0))
				record := newRecord()
				asked := request{number: 5, client: 1, text: "wait"}
				first := record.start(t, f.region, once(moment{when, kind}))
				answers := make(chan bool, 1)
				go func() { answered, _ := first.serve(asked); answers <- answered }()
				if kind != Join {
					awaitWaiters(t, f.Semaphore, 1)
					wantNoError(t, "posting", f.changeAsLibc(Post))
				}
				receive(t, "the death", first.died)
				first.bury(t)
				answered := receive(t, "the answer", answers)
				next := record.start(t, f.region, never)
				awaitWaiters(t, f.Semaphore, 0)
				if kind == Join {
					wantNoError(t, "Post", f.Post(1))
				}
				if !answered {
					if answered, err := next.serve(asked); !answered || err != nil {
						t.Errorf("the next process: %v, %v", answered, err)
					}
				}
				wantReport(t, next.operator, 0, 0)
				if intent, _, joined := record.recorded(); intent != nil || joined {
					t.Errorf("recorded is %+v, %v", intent, joined)
				}
				next.bury(t)
			})
		}
	}
}

// What is given back beyond what there is room for is lost, and what there is room for comes back once.
func TestReturnsAreMadeOnceAsFarAsThereIsRoom(t *testing.T) {
	for name, when := range deaths {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			wantNoError(t, "Initialise", f.Initialise(Glibc, 5))
			record := newRecord()
			first := record.start(t, f.region, once(moment{when, Return}))
			wantDone(t, first.client(1), "acquire 5\nset 2147483645", Conditions{})
			if answered, err := first.serve(request{client: 1}); answered {
				t.Fatalf("the process lives and answers %v", err)
			}
			first.bury(t)
			next := record.start(t, f.region, never)
			answered, err := next.serve(request{client: 1})
			if made := when != beforeIntending && when != intended; !answered || (err == nil) != made {
				t.Errorf("the next process: %v, %v", answered, err)
			}
			wantReport(t, next.operator, MaxValue, 0)
			next.bury(t)
		})
	}
}

// A file that is no semaphore any more settles everything.
func TestSettlingWhatIsNoSemaphore(t *testing.T) {
	for _, size := range []int64{0, 8, Size + 1} {
		f := newFixture(t)
		wantNoError(t, "Initialise", f.Initialise(Glibc, 1))
		wantNoError(t, "Resize", f.region.Resize(size))
		operator := NewOperator(f.Semaphore, NewSleepers(1, nil, func() {}), nil)
		if done, err := operator.Settle(Intent{Stamp: 9, Kind: Post, Units: 1}); done || err != nil {
			t.Errorf("in a file of %d bytes: %v, %v", size, done, err)
		}
		wantError(t, "LeaveForDead", operator.LeaveForDead(), unix.EINVAL)
		operator.Close()
	}
}

// What was settled as not made cannot be made any more by who is late.
func TestSettledIsSettled(t *testing.T) {
	f := newFixture(t)
	wantNoError(t, "Initialise", f.Initialise(Glibc, 1))
	_, err := f.Change(Take, 1, func(stamp uint32) error {
		done, err := f.Settle(stamp)
		if done || err != nil {
			t.Errorf("Settle: %v, %v", done, err)
		}
		return unix.EINTR
	})
	wantError(t, "Change", err, unix.EINTR)
	tries := 0
	_, err = f.Change(Take, 1, func(stamp uint32) error {
		if tries++; tries == 1 {
			_, err := f.Settle(stamp)
			return err
		}
		return unix.EINTR // the second try is with another stamp
	})
	wantError(t, "Change", err, unix.EINTR)
	wantState(t, f.Semaphore, State{Layout: Glibc, Value: 1})
}

// Changes that are refused leave nothing behind, and are not made when that cannot be recorded.
func TestWhatIsRefusedIsNotIntended(t *testing.T) {
	f := newFixture(t)
	wantNoError(t, "Initialise", f.Initialise(Glibc, 0))
	record := newRecord()
	p := record.start(t, f.region, func(now moment) bool { t.Errorf("told of %+v", now); return false })
	for text, want := range map[string]error{"trywait": unix.EAGAIN, "release": unix.EPERM, "nonsense": unix.EINVAL, "timedwait 0": unix.ETIMEDOUT} {
		wantRefused(t, p.client(1), text, Conditions{Request: 1}, want)
	}
	p.bury(t)
	refusing := NewOperator(f.Semaphore, NewSleepers(1, nil, func() {}), fullRecord{})
	wantRefused(t, refusing.NewClient(1), "post", Conditions{Request: 1}, unix.ENOSPC)
	wantRefused(t, refusing.NewClient(1), "wait", Conditions{Request: 1}, unix.ENOSPC)
	wantQuiet(t, f.Semaphore)
	refusing.Close()
}

// Commands that need not wait are done often: that they are recorded must cost no memory, beyond what looking at the file's size takes.
func TestRecordingTakesNoMemory(t *testing.T) {
	o := newOperated(t, 1000)
	looking := testing.AllocsPerRun(100, func() { _, _ = o.region.Size() })
	operator := NewOperator(o.Semaphore, NewSleepers(1, nil, func() {}), forgetful{})
	client := operator.NewClient(1)
	for _, kind := range []Kind{Post, Take, Acquire, Release, Set} {
		allocations := testing.AllocsPerRun(100, func() {
			if _, err := client.moveAlone(Intent{Kind: kind, Units: 1, Request: 1, Progress: 5}); err != nil {
				t.Errorf("%s: %v", kind.activity(), err)
			}
		})
		if allocations != looking {
			t.Errorf("%s allocates %v times, looking at the size %v times", kind.activity(), allocations, looking)
		}
	}
	wantNoError(t, "Close", client.Close())
	operator.Close()
}

// forgetful records nothing.
type forgetful struct{}

func (forgetful) Intend(Intent) error { return nil }
func (forgetful) Done(Intent)         {}
func (forgetful) Abandon()            {}

// fullRecord has no room.
type fullRecord struct{ Recorder }

func (fullRecord) Intend(Intent) error { return unix.ENOSPC }
func (fullRecord) Abandon()            {}
