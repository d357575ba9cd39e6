package faults

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// now is the time of the clock that all processes share, since the machine started.
func now() time.Duration {
	var at unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &at); err != nil {
		panic(err)
	}
	return time.Duration(at.Nano())
}

// span is one call.
type span struct {
	Call       string
	Start, End time.Duration // of the shared clock
}

func (s span) took() time.Duration { return s.End - s.Start }

// times are how long calls took. Not for concurrent use.
type times struct {
	Counts  map[int]int // by bucket
	Longest span
	Slow    []span // all that took noteworthy or longer, in order
}

const (
	// bucketsPerOctave makes a bucket 9 % wide.
	bucketsPerOctave = 8

	// noteworthy is what a call takes at least that may be a pause.
	noteworthy = time.Millisecond
)

func (t *times) add(one span) {
	if t.Counts == nil {
		t.Counts = map[int]int{}
	}
	t.Counts[int(math.Log2(max(1, float64(one.took())))*bucketsPerOctave)]++
	if one.took() > t.Longest.took() {
		t.Longest = one
	}
	if one.took() >= noteworthy {
		t.Slow = append(t.Slow, one)
	}
}

// join adds the times of others.
func (t *times) join(others *times) {
	if t.Counts == nil {
		t.Counts = map[int]int{}
	}
	for bucket, count := range others.Counts {
		t.Counts[bucket] += count
	}
	if others.Longest.took() > t.Longest.took() {
		t.Longest = others.Longest
	}
	t.Slow = append(t.Slow, others.Slow...)
}

func (t *times) count() int {
	total := 0
	for _, count := range t.Counts {
		total += count
	}
	return total
}

// quantile is a time that so large a part of the calls did not exceed.
func (t *times) quantile(part float64) time.Duration {
	left := int(math.Ceil(part * float64(t.count())))
	for _, bucket := range slices.Sorted(maps.Keys(t.Counts)) {
		if left -= t.Counts[bucket]; left <= 0 {
			return min(t.Longest.took(), time.Duration(math.Exp2(float64(bucket+1)/bucketsPerOctave)))
		}
	}
	return 0
}

func (t *times) String() string {
	round := func(d time.Duration) time.Duration { return d.Round(time.Microsecond) }
	return fmt.Sprintf("%d calls: p50 %v, p99 %v, p99.9 %v, longest %v (%s)", t.count(), round(t.quantile(0.5)), round(t.quantile(0.99)),
		round(t.quantile(0.999)), round(t.Longest.took()), t.Longest.Call)
}

// quantileOf is what so large a part of the durations does not exceed.
func quantileOf(durations []time.Duration, part float64) time.Duration {
	if len(durations) == 0 {
		return 0
	}
	sorted := slices.SortedFunc(slices.Values(durations), cmp.Compare)
	return sorted[max(0, int(math.Ceil(part*float64(len(sorted))))-1)]
}
