package semfs

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Waiters are libc's and those of commands; the sleeper that stands for these, and who only polls, are not counted.
func TestReportCountsWhoWaits(t *testing.T) {
	onEachLibcOperated(t, 0, func(t *testing.T, name string, o operated) {
		said := make(chan string, 2)
		for range 2 {
			go func() { said <- o.peer(name, "wait", 1) }()
		}
		awaitWaiters(t, o.Semaphore, 2)
		wantReport(t, o.operator, 0, 2)
		wantNotReadable(t, o.operator, 1, func() {})
		awaitWaiters(t, o.Semaphore, 3)
		wantReport(t, o.operator, 0, 2)
		interrupted := make(chan struct{})
		var ended []<-chan outcome
		for range 3 {
			ended = append(ended, o.start(o.operator.NewClient(0), "wait", Conditions{Interrupted: interrupted}))
		}
		o.awaitQueued(t, 3)
		awaitWaiters(t, o.Semaphore, 3)
		wantReport(t, o.operator, 0, 5)
		close(interrupted)
		for _, each := range ended {
			wantEndBy(t, "wait", each, unix.EINTR)
		}
		wantReport(t, o.operator, 0, 2)
		o.operator.Unpoll(1)
		awaitWaiters(t, o.Semaphore, 2)
		wantReport(t, o.operator, 0, 2)
		wantNoError(t, "Post", o.Post(2))
		for range 2 {
			if line := receive(t, "a peer", said); line != "done 0" {
				t.Errorf("a peer's wait: %s", line)
			}
		}
		o.awaitLeft(t)
	})
}

// Somebody may have set the memory's count of waiters back: the report does not wrap.
func TestReportOfAWrongCount(t *testing.T) {
	o := newOperated(t, 0)
	ended := o.start(o.operator.NewClient(0), "wait", Conditions{})
	awaitWaiters(t, o.Semaphore, 1)
	wantNoError(t, "Store32", o.mapping.Store32(4, 0))
	wantReport(t, o.operator, 0, 1)
	wantNoError(t, "Store32", o.mapping.Store32(4, 1))
	wantNoError(t, "Post", o.Post(1))
	wantEnd(t, "wait", ended)
	o.awaitLeft(t)
}

func TestReportText(t *testing.T) {
	around := Surroundings{
		Created: time.Date(2026, 11, 23, 5, 30, 16, 123456789, time.FixedZone("", 3600)),
		Stuck:   "no",
	}
	o := newOperated(t, 5)
	first, second := o.operator.NewClient(0), o.operator.NewClient(0)
	describe := func(process int) Holder {
		return Holder{Process: process + 1, Command: fmt.Sprintf("a \"b\"\n%d", process)}
	}
	wantDone(t, first, "acquire 2", Conditions{Process: 20, Describe: describe})
	wantDone(t, second, "acquire", Conditions{Process: 10, Describe: describe})
	wantText(t, o.operator, around, "value: 2\nwaiters: 0\nstate: ok\nlayout: glibc\ninitial: 5\ncreated: 2026-11-23T04:30:16.123456789Z\n"+
		"held: 3\nholder: pid 11, units 1, command \"a \\\"b\\\"\\n10\"\nholder: pid 21, units 2, command \"a \\\"b\\\"\\n20\"\nstuck: no\n")
	wantNoError(t, "Resize", o.region.Resize(7))
	wantText(t, o.operator, around, "value: -\nwaiters: -\nstate: invalid: the file has 7 bytes, not 32\nlayout: -\ninitial: unknown\n"+
		"created: 2026-11-23T04:30:16.123456789Z\nheld: 3\nholder: pid 11, units 1")
	wantNoError(t, "Initialise", o.Initialise(Musl, 0))
	wantNoError(t, "Store64", o.mapping.Store64(noteOffset, 0))
	wantText(t, o.operator, around, "value: 0\nwaiters: 0\nstate: ok\nlayout: musl\ninitial: unknown\ncreated: ")
}

// wantText fails unless a report's text begins so.
func wantText(t *testing.T, operator *Operator, around Surroundings, want string) {
	t.Helper()
	report, err := operator.Report()
	wantNoError(t, "Report", err)
	if text := report.Text(around); !strings.HasPrefix(text, want) {
		t.Errorf("the text is\n%s, want\n%s", text, want)
	}
}

// Units that are acquired and given back all the time are in every report exactly once.
func TestReportShowsNoUnitTwice(t *testing.T) {
	const total, users = 5, 4
	o := newOperated(t, total)
	ended := make(chan struct{})
	var all sync.WaitGroup
	for user := range users {
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(user), 1))
			for {
				select {
				case <-ended:
					return
				default:
					acquireAndRelease(t, o.operator, random)
				}
			}
		})
	}
	for seen, enough := make(map[uint64]int), time.Now().Add(time.Second); time.Now().Before(enough) || len(seen) < 3; {
		report, err := o.operator.Report()
		wantNoError(t, "Report", err)
		held := report.Held()
		if uint64(report.Value)+held != total {
			t.Errorf("value %d and held %d make %d, want %d", report.Value, held, uint64(report.Value)+held, total)
			break
		}
		if len(report.Holders) > users || report.Queued > users {
			t.Errorf("with %d users the report is %+v", users, report)
			break
		}
		seen[held]++
	}
	close(ended)
	awaitAll(t, "end of the users", &all)
	o.awaitLeft(t)
	wantReport(t, o.operator, total, 0)
}

// acquireAndRelease is what one open file does: it acquires in one way or another, and gives back all, some, or nothing before it is
// closed.
func acquireAndRelease(t *testing.T, operator *Operator, random *rand.Rand) {
	client := operator.NewClient(0)
	units := 1 + random.IntN(3)
	interrupted := make(chan struct{})
	command, conditions := fmt.Sprintf("acquire %d", units), Conditions{Process: units, Interrupted: interrupted}
	switch random.IntN(4) {
	case 0:
		command = fmt.Sprintf("timedacquire 0.001 %d", units)
	case 1:
		conditions.NonBlocking = true
	case 2:
		timer := time.AfterFunc(time.Duration(random.IntN(300))*time.Microsecond, func() { close(interrupted) })
		defer timer.Stop()
	}
	_, err := client.Do([]byte(command), conditions)
	if back := random.IntN(units + 1); err == nil && back > 0 {
		if _, err := client.Do(fmt.Appendf(nil, "release %d", back), Conditions{}); err != nil {
			t.Errorf("release %d of %d: %v", back, units, err)
		}
	}
	if err := client.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}
