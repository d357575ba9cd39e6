package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// told is a line as a reader's program sees it.
type told struct {
	Seq, Count uint64
	Event      string
	Object     string
	Command    string
}

// next reads and decodes what there is, up to as many bytes.
func next(t *testing.T, r *Reader, room int) []told {
	t.Helper()
	into := make([]byte, room)
	length, err := r.Read(into)
	if errors.Is(err, unix.EAGAIN) {
		return nil
	}
	if err != nil {
		t.Error(err)
		return nil
	}
	return decode(t, into[:length])
}

func decode(t *testing.T, text []byte) []told {
	t.Helper()
	if !bytes.HasSuffix(text, []byte("\n")) {
		t.Errorf("%q are no whole lines", text)
	}
	var lines []told
	for line := range bytes.Lines(text) {
		var one told
		if skim(line, &one) {
			lines = append(lines, one)
			continue
		}
		if err := json.Unmarshal(line, &one); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		lines = append(lines, one)
	}
	return lines
}

// skim reads most lines of large numbers without a JSON decoder, which under the race detector takes minutes for millions.
func skim(line []byte, one *told) bool {
	digits, found := bytes.CutPrefix(line, []byte(`{"seq":`))
	comma := bytes.IndexByte(digits, ',')
	if !found || comma < 0 {
		return false
	}
	number, err := strconv.ParseUint(string(digits[:comma]), 10, 64)
	one.Seq = number
	return err == nil && number > 100 && number%100 != 0
}

// account adds up what a reader was told, and finds out whether the order is right.
type account struct{ last, events, missed uint64 }

func (a *account) add(t *testing.T, lines []told) {
	t.Helper()
	for _, line := range lines {
		if line.Event == "dropped" {
			a.missed += line.Count
			a.last += line.Count
			continue
		}
		a.events++
		if a.last++; line.Seq != a.last {
			t.Errorf("event %d came in the place of %d", line.Seq, a.last)
			a.last = line.Seq
		}
	}
}

func TestReaderGetsWhatFollows(t *testing.T) {
	j := New()
	j.Publish(&Event{Kind: Create})
	if !j.Pass() {
		t.Error("somebody reads")
	}
	r := j.Subscribe(nil)
	defer r.Close()
	if lines := next(t, r, 4096); lines != nil {
		t.Errorf("read %v before anything happened", lines)
	}
	if j.Pass() {
		t.Error("an event that is read was passed by")
	}
	j.Publish(&Event{Kind: Create, Object: "a"})
	j.Publish(&Event{Kind: Unlink, Object: "a"})
	lines := next(t, r, 4096)
	if len(lines) != 2 || lines[0].Seq != 3 || lines[0].Event != "create" || lines[1].Seq != 4 || lines[1].Event != "unlink" {
		t.Errorf("got %+v", lines)
	}
	if j.Published() != 4 || j.Readers() != 1 || j.Dropped() != 0 {
		t.Errorf("%d events, %d readers, %d dropped", j.Published(), j.Readers(), j.Dropped())
	}
}

func TestTimeIsSet(t *testing.T) {
	j := New()
	r := j.Subscribe(nil)
	defer r.Close()
	before := time.Now()
	j.Publish(&Event{Kind: Create})
	into := make([]byte, 4096)
	length, _ := r.Read(into)
	var got struct{ Time time.Time }
	if err := json.Unmarshal(into[:length], &got); err != nil || got.Time.Before(before.Truncate(0)) || got.Time.After(time.Now()) {
		t.Errorf("%s: %v", into[:length], err)
	}
}

func TestOnlyWholeLines(t *testing.T) {
	j := New()
	r := j.Subscribe(nil)
	defer r.Close()
	for range 10 {
		j.Publish(&Event{Kind: Create, Object: "name"})
	}
	length := len(encode(&Event{Sequence: 1, Kind: Create, Object: "name"}).text)
	var a account
	for _, room := range []int{length, 2*length - 1, 2 * length, 3*length + 1, 100 * length} {
		a.add(t, next(t, r, room))
	}
	if a.events != 10 || a.missed != 0 {
		t.Errorf("%+v", a)
	}
}

// The read builtin of a shell reads byte by byte.
func TestALineThatDoesNotFitIsCut(t *testing.T) {
	j := New()
	r := j.Subscribe(nil)
	defer r.Close()
	for range 3 {
		j.Publish(&Event{Kind: Create, Object: strings.Repeat("\xff", 300)})
	}
	var text []byte
	for {
		into := make([]byte, 1+len(text)%7)
		length, err := r.Read(into)
		if errors.Is(err, unix.EAGAIN) {
			break
		}
		text = append(text, into[:length]...)
	}
	var a account
	if a.add(t, decode(t, text)); a.events != 3 {
		t.Errorf("%+v", a)
	}
	if _, err := r.Read(nil); !errors.Is(err, unix.EINVAL) {
		t.Errorf("reading into nothing: %v", err)
	}
}

func TestDropped(t *testing.T) {
	j := New()
	r := j.Subscribe(nil)
	defer r.Close()
	var a account
	j.Publish(&Event{Kind: Create})
	a.add(t, next(t, r, 4096))
	for range Room + 5 {
		j.Publish(&Event{Kind: Create})
	}
	lines := next(t, r, 4096)
	if lines[0].Event != "dropped" || lines[0].Count != 5 || lines[1].Seq != 7 || j.Dropped() != 5 {
		t.Errorf("%+v, %d dropped in all", lines[:2], j.Dropped())
	}
	for ; lines != nil; lines = next(t, r, 1<<17) {
		a.add(t, lines)
	}
	if a.events != Room+1 || a.missed != 5 || a.last != j.Published() {
		t.Errorf("%+v", a)
	}
}

// Names of 4,000 bytes must not fill the memory. They go before their time, and are counted.
func TestHeavyEventsGoEarly(t *testing.T) {
	j := New()
	r := j.Subscribe(nil)
	defer r.Close()
	const heavy, most = 1000, 20
	j.ring.limit = most * heavy
	for range 3 * most {
		j.Publish(&Event{Kind: Create, Object: strings.Repeat("x", heavy)})
	}
	if j.ring.weight != j.ring.limit {
		t.Errorf("the ring holds %d bytes", j.ring.weight)
	}
	var a account
	for lines := next(t, r, 4096); lines != nil; lines = next(t, r, 4096) {
		a.add(t, lines)
	}
	if a.events != most || a.missed != 2*most {
		t.Errorf("%+v", a)
	}
	j.Publish(&Event{Kind: Create, Object: strings.Repeat("y", 2*most*heavy)})
	if lines := next(t, r, 4*most*heavy); len(lines) != 1 {
		t.Errorf("%d lines of an event heavier than all the room", len(lines))
	}
}

func TestFilter(t *testing.T) {
	j := New()
	r := j.Subscribe(func(e *Event) (visible, full bool) { return e.Object != "secret", e.UID == 1 })
	defer r.Close()
	j.Publish(&Event{Kind: Create, Object: "secret", UID: 1, PID: 5, Command: "sh"})
	if r.Poll(1, nil) {
		t.Error("an event that does not show is readable")
	}
	for uid := range uint32(2) {
		j.Publish(&Event{Kind: Create, Object: "open", UID: uid, PID: 5, Command: "sh"})
	}
	lines := next(t, r, 4096)
	if len(lines) != 2 || lines[0].Command != "" || lines[1].Command != "sh" {
		t.Errorf("%+v", lines)
	}
}

// wait waits for something to read.
func wait(r *Reader) {
	there := make(chan struct{}, 1)
	for !r.Poll(1, func() { there <- struct{}{} }) {
		<-there
	}
}

func TestPoll(t *testing.T) {
	j := New()
	r := j.Subscribe(nil)
	defer r.Close()
	calls := make(chan int, 10)
	if r.Poll(1, func() { calls <- 0 }) || r.Poll(1, func() { calls <- 1 }) || r.Poll(2, func() { calls <- 2 }) || r.Poll(3, nil) {
		t.Fatal("readable before anything happened")
	}
	r.Unpoll(2)
	j.Publish(&Event{Kind: Create})
	if got := <-calls; got != 1 {
		t.Errorf("told %d", got)
	}
	if !r.Poll(1, func() { calls <- 4 }) || !r.Poll(1, nil) {
		t.Error("not readable when there is something")
	}
	next(t, r, 4096)
	j.Publish(&Event{Kind: Create})
	j.wake() // whoever else was to be told is told now
	if len(calls) != 0 {
		t.Errorf("told %d once more", <-calls)
	}
}

func TestEventsInARowWakeOnce(t *testing.T) {
	j := New()
	r := j.Subscribe(nil)
	defer r.Close()
	const events = 2000
	go func() {
		for range events {
			j.Publish(&Event{Kind: Create})
		}
	}()
	start, wakings := time.Now(), 0
	for a := (account{}); a.events < events; {
		there := make(chan struct{}, 1)
		if !r.Poll(1, func() { there <- struct{}{} }) {
			<-there
			wakings++
		}
		a.add(t, next(t, r, 1<<17))
	}
	if most := 2 + int(time.Since(start)/Pace); wakings > most {
		t.Errorf("woken %d times for %d events, at most %d times would do", wakings, events, most)
	}
}

func TestClose(t *testing.T) {
	j := New()
	r := j.Subscribe(nil)
	told := make(chan struct{}, 2)
	if r.Poll(1, func() { told <- struct{}{} }) {
		t.Error("readable before anything happened")
	}
	r.Close()
	<-told
	if !r.Poll(1, func() { told <- struct{}{} }) || len(told) != 0 {
		t.Error("a closed reader has an error to tell")
	}
	if _, err := r.Read(make([]byte, 100)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("reading: %v", err)
	}
	r.Close()
	if j.Readers() != 0 || j.ring != nil || !j.Pass() {
		t.Errorf("%d readers, ring %v", j.Readers(), j.ring != nil)
	}
	other := j.Subscribe(nil)
	defer other.Close()
	j.Publish(&Event{Kind: Create})
	if lines := next(t, other, 4096); len(lines) != 1 || lines[0].Seq != 2 {
		t.Errorf("who comes later got %+v", lines)
	}
}

// crowd is what many readers see of events that several publish.
type crowd struct {
	t        *testing.T
	journal  *Journal
	progress *sync.Cond
	done     bool // guarded by progress.L
}

// await waits until there are as many events, or there will be no more.
func (c *crowd) await(events uint64) (done bool) {
	c.progress.L.Lock()
	defer c.progress.L.Unlock()
	for !c.done && c.journal.Published() < events {
		c.progress.Wait()
	}
	return c.done
}

// read reads all that there is each time that as many events have come.
func (c *crowd) read(r *Reader, step uint64, room int, sum *account) {
	for done := false; !done; {
		done = c.await(sum.last + step)
		for lines := next(c.t, r, room); lines != nil; lines = next(c.t, r, room) {
			sum.add(c.t, lines)
		}
	}
}

func TestManyReadersKeepAccount(t *testing.T) {
	const publishers, events = 4, 100_000
	readers := 10
	if os.Getenv("SHMFS_STRICT") != "" {
		readers = 50 // as many as shall be borne; half a minute and more under the race detector
	}
	c := &crowd{t: t, journal: New(), progress: sync.NewCond(&sync.Mutex{})}
	var reading, publishing sync.WaitGroup
	sums := make([]account, readers)
	for i := range readers {
		r := c.journal.Subscribe(nil)
		defer r.Close()
		reading.Go(func() { c.read(r, uint64(1+i*2000), 4096<<(i%6), &sums[i]) })
	}
	for p := range publishers {
		publishing.Go(func() {
			for i := range events / publishers {
				c.journal.Publish(&Event{Kind: Create, Object: fmt.Sprint(p, "/", i), PID: 1, Command: "sh"})
				if i%250 == 0 {
					c.progress.Broadcast()
				}
			}
		})
	}
	publishing.Wait()
	c.progress.L.Lock()
	c.done = true
	c.progress.L.Unlock()
	c.progress.Broadcast()
	reading.Wait()
	missed := uint64(0)
	for i, sum := range sums {
		if sum.last != events || sum.events+sum.missed != events {
			t.Errorf("reader %d: %+v", i, sum)
		}
		if step := uint64(1 + i*2000); step > Room && sum.missed < step-Room {
			t.Errorf("reader %d comes every %d events and missed only %d", i, step, sum.missed)
		}
		missed += sum.missed
	}
	if missed != c.journal.Dropped() || c.journal.Published() != events {
		t.Errorf("readers missed %d, and %d were dropped of %d", missed, c.journal.Dropped(), c.journal.Published())
	}
}

// Readers that wait get all, and in the order of each publisher.
func TestReadersThatWait(t *testing.T) {
	const readers, publishers, events = 8, 4, 10_000
	j := New()
	var all sync.WaitGroup
	for range readers {
		r := j.Subscribe(nil)
		defer r.Close()
		all.Go(func() {
			latest := make(map[string]int)
			for a := (account{}); a.last < events; {
				wait(r)
				lines := next(t, r, 1<<17)
				a.add(t, lines)
				for _, line := range lines {
					if line.Object == "" {
						continue // skimmed
					}
					var number int
					publisher, _, _ := strings.Cut(line.Object, "/")
					fmt.Sscanf(line.Object, publisher+"/%d", &number)
					if number <= latest[publisher] {
						t.Errorf("%s after %d", line.Object, latest[publisher])
					}
					latest[publisher] = number
				}
			}
		})
	}
	for p := range publishers {
		all.Go(func() {
			for i := range events / publishers {
				j.Publish(&Event{Kind: Create, Object: fmt.Sprintf("%d/%d", p, i+1)})
			}
		})
	}
	all.Wait()
}

// Subscribing and closing while events come: no event between the first and the last that is read is missing.
func TestComingAndGoing(t *testing.T) {
	j := New()
	stop := make(chan struct{})
	var publishing, reading sync.WaitGroup
	publishing.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if !j.Pass() {
					j.Publish(&Event{Kind: Create})
				}
			}
		}
	})
	for range 4 {
		reading.Go(func() {
			for range 100 {
				r := j.Subscribe(nil)
				wait(r)
				lines := next(t, r, 4096)
				for len(lines) > 0 && lines[0].Seq == 0 {
					lines = lines[1:] // it was overtaken before it read anything, as happens on a busy machine
				}
				if len(lines) > 0 {
					a := account{last: lines[0].Seq - 1}
					a.add(t, lines)
				}
				r.Close()
			}
		})
	}
	reading.Wait()
	close(stop)
	publishing.Wait()
}
