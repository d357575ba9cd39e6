package differential

import (
	"errors"
	"flag"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"pgregory.net/rapid"
)

// searching is how a search goes about it.
type searching struct {
	seed       uint64
	operations int           // calls to make at least
	shrink     time.Duration // for making a failure small
}

const (
	averageLength = 250 // calls in a case
	casesInBatch  = 20
	tickingOneIn  = 24 // cases that wait for the clock between calls

	callsBetweenListings = 6 // of the names that exist
)

// search runs random cases until enough calls were made or one failed. It returns the failure, shrunk, as a *failed, or whatever
// else ended the search, and the seed of the batch it was found in.
func (p *pair) search(how searching) (uint64, error) {
	settings := map[string]string{
		"rapid.steps": strconv.Itoa(averageLength), "rapid.checks": strconv.Itoa(casesInBatch), "rapid.nofailfile": "true",
		"rapid.shrinktime": "1ms", // see shrinking.go
	}
	for name, value := range settings {
		if err := flag.Set(name, value); err != nil {
			return 0, fmt.Errorf("setting rapid's %s: %w", name, err)
		}
	}
	for seed := how.seed; p.calls < how.operations; seed++ {
		if err := flag.Set("rapid.seed", strconv.FormatUint(seed, 10)); err != nil {
			return seed, fmt.Errorf("seeding rapid: %w", err)
		}
		err := p.batch()
		if difference := (*failed)(nil); errors.As(err, &difference) && p.broke == nil {
			return seed, p.shrink(difference, how.shrink)
		}
		if err != nil {
			return seed, err
		}
	}
	return 0, nil
}

// batch runs some cases, and shrinks the first that fails.
func (p *pair) batch() error {
	var last, seen error
	output := &recorder{}
	var done sync.WaitGroup
	done.Go(func() { // rapid ends the goroutine of a failed check
		rapid.Check(output, func(t *rapid.T) {
			if last = p.drawnCase(t); last != nil {
				seen = last
				t.Fatalf("%s", kind(last))
			}
		})
	})
	done.Wait()
	if output.Failed() && last == nil {
		return unrepeated(seen, output)
	}
	return last
}

// unrepeated is the error for a case that failed and then, run again with the same draws, did not.
func unrepeated(seen error, output *recorder) error {
	if difference := (*failed)(nil); errors.As(seen, &difference) {
		return fmt.Errorf("%v, but not when the same was done again\n%s", seen, difference.report())
	}
	return fmt.Errorf("rapid failed of its own accord: %s", output.text())
}

// kind is what stays the same while a failure is made smaller.
func kind(err error) string {
	if difference := (*failed)(nil); errors.As(err, &difference) {
		return difference.Error()
	}
	return "the case broke off"
}

// drawnCase runs one case, drawing each call as it is made.
func (p *pair) drawnCase(t *rapid.T) error {
	ticking := drawer{t: t}.below(tickingOneIn, "ticking") == tickingOneIn-1
	var broke error
	err := p.run(ticking, func(issue func(Call) bool) {
		going := true
		drawn := 0
		t.Repeat(map[string]func(*rapid.T){"call": func(t *rapid.T) {
			if drawn%callsBetweenListings == 0 && going {
				if broke = p.refreshPaths(); broke != nil {
					going = false
				}
			}
			drawn++
			if call := drawCall(t, p.known); going {
				going = issue(call)
			}
		}})
	})
	if broke != nil {
		return p.breaking(broke)
	}
	return err
}

// replay runs the given program as one case.
func (p *pair) replay(ticking bool, program []Call) error {
	return p.run(ticking, func(issue func(Call) bool) {
		for _, call := range program {
			if !issue(call) {
				return
			}
		}
	})
}

// run runs one case whose calls come from the given function; issue makes one and tells it whether to go on.
func (p *pair) run(ticking bool, calls func(issue func(Call) bool)) error {
	if p.broke != nil {
		return p.broke
	}
	if err := p.begin(ticking); err != nil {
		return p.breaking(err)
	}
	cleaned := false
	defer func() { // rapid leaves by a panic when a shrunk case lacks data to draw from
		if !cleaned {
			_ = p.abandon()
		}
	}()
	var failure error
	calls(func(c Call) bool {
		failure = p.make(c)
		return failure == nil
	})
	cleaned = true
	if p.broke != nil {
		return p.broke
	}
	return p.finish(failure)
}

// finish ends a case, one that failed or one that went well so far.
func (p *pair) finish(failure error) error {
	if failure == nil {
		return p.end()
	}
	if err := p.abandon(); err != nil {
		return p.breaking(errors.Join(failure, err))
	}
	return failure
}

// breaking remembers that the sides are of no more use.
func (p *pair) breaking(err error) error {
	p.broke = err
	return err
}

// recorder is rapid's test: it keeps what rapid says, and can fail without failing the Go test.
type recorder struct {
	guard  sync.Mutex // protects the rest
	lines  []string
	failed bool
}

func (r *recorder) add(text string, failed bool) {
	r.guard.Lock()
	defer r.guard.Unlock()
	if failed { // the rest is a line for every draw
		r.lines = append(r.lines, text)
	}
	r.failed = r.failed || failed
}

func (r *recorder) text() string {
	r.guard.Lock()
	defer r.guard.Unlock()
	return strings.Join(r.lines, "\n")
}

// The rest is rapid.TB.

func (r *recorder) Helper()                           {}
func (r *recorder) Name() string                      { return "differential" }
func (r *recorder) Logf(format string, values ...any) { r.add(fmt.Sprintf(format, values...), false) }
func (r *recorder) Log(values ...any)                 { r.add(fmt.Sprint(values...), false) }
func (r *recorder) Errorf(format string, values ...any) {
	r.add(fmt.Sprintf(format, values...), true)
}
func (r *recorder) Error(values ...any) { r.add(fmt.Sprint(values...), true) }
func (r *recorder) Fail()               { r.add("failed", true) }
func (r *recorder) FailNow() {
	r.Fail()
	runtime.Goexit()
}
func (r *recorder) Fatalf(format string, values ...any) {
	r.Errorf(format, values...)
	runtime.Goexit()
}
func (r *recorder) Fatal(values ...any) {
	r.Error(values...)
	runtime.Goexit()
}
func (r *recorder) Failed() bool {
	r.guard.Lock()
	defer r.guard.Unlock()
	return r.failed
}

// rapid calls these only when a property asks it to.
func (r *recorder) Skipf(format string, values ...any) { r.Fatalf(format, values...) }
func (r *recorder) Skip(values ...any)                 { r.Fatal(values...) }
func (r *recorder) SkipNow()                           { r.FailNow() }
