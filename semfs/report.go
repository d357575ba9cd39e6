package semfs

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Report is what is known of a semaphore at one moment.
type Report struct {
	State            // Waiters are those of libc and those who wait by a command
	Queued  int      // those among them who wait by a command
	Holders []Holder // by process
}

// Holder is an open file that holds units.
type Holder struct {
	Process int    // that acquired them
	Command string // that it ran then
	Units   uint64
}

// Held is the sum of what is held, in units.
func (r *Report) Held() uint64 {
	sum := uint64(0)
	for _, holder := range r.Holders {
		sum += holder.Units
	}
	return sum
}

// Report returns what there is to say. Errors: as Semaphore.State's.
func (o *Operator) Report() (Report, error) {
	if o.semaphore != nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.report()
	}
	state, err := o.memory.State()
	o.mu.Lock()
	defer o.mu.Unlock()
	return Report{State: state, Holders: o.holders()}, err
}

func (o *Operator) report() (Report, error) {
	state, err := o.semaphore.State()
	report := Report{State: state, Queued: o.queue.length(), Holders: o.holders()}
	if o.waiter != nil && report.Waiters > 0 {
		report.Waiters-- // the sleeper, which only stands for those who are counted next
	}
	report.Waiters += uint32(report.Queued)
	return report, err
}

func (o *Operator) holders() []Holder {
	var holders []Holder
	for client := range o.holding {
		holder := client.holder
		holder.Units = client.held
		holders = append(holders, holder)
	}
	slices.SortFunc(holders, func(a, b Holder) int {
		return cmp.Or(cmp.Compare(a.Process, b.Process), cmp.Compare(a.Units, b.Units))
	})
	return holders
}

// Surroundings are what a report's reader wants to know besides, and what others than an operator find out.
type Surroundings struct {
	Created time.Time
	Stuck   string // yes, no or unknown
}

// Text is the report as it is read: lines of "key: value".
func (r *Report) Text(around Surroundings) string {
	value, waiters, layout, state, initial := "-", "-", "-", "ok", "unknown"
	if r.Layout == nil {
		state = "invalid: " + r.Invalid
	} else {
		value, waiters, layout = fmt.Sprint(r.Value), fmt.Sprint(r.Waiters), r.Layout.String()
		if r.Noted {
			initial = fmt.Sprint(r.Initial)
		}
	}
	var text strings.Builder
	line := func(key, value string) { text.WriteString(key + ": " + value + "\n") }
	line("value", value)
	line("waiters", waiters)
	line("state", state)
	line("layout", layout)
	line("initial", initial)
	line("created", around.Created.UTC().Format(time.RFC3339Nano))
	line("held", strconv.FormatUint(r.Held(), 10))
	for _, holder := range r.Holders {
		line("holder", fmt.Sprintf("pid %d, units %d, command %s", holder.Process, holder.Units, strconv.Quote(holder.Command)))
	}
	line("stuck", around.Stuck)
	return text.String()
}
