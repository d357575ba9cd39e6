package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// settings is how much is measured, and of what.
type settings struct {
	rows        []string // beginnings of the keys of the rows wanted; none means all
	runs        int      // a run is a fresh set of processes and files
	passes      int      // timed passes of each process, of which the median counts; some rows make more of them
	bytes       int      // of a file; a power of two
	objects     int      // of the large population; a multiple of directories
	directories int      // of both populations; the small one has one object in each
	compare     bool     // measure the null ratio too
}

// fullSettings are what the bars are meant for; quickSettings only show that everything works.
func fullSettings() settings {
	return settings{runs: 9, passes: 3, bytes: 256 << 20, objects: 1_000_000, directories: 1_000}
}

func quickSettings() settings {
	return settings{runs: 3, passes: 3, bytes: 16 << 20, objects: 10_000, directories: 100}
}

// bench is one run of the command. Not for concurrent use.
type bench struct {
	settings
	program  string // the compiled kernels
	places   *places
	cpu      int // where kernels run, unless a row leaves them free
	otherCPU int // where the second process of a ping-pong runs if it is to be elsewhere; -1 if there is no other
	progress io.Writer
}

// wants tells whether the row of this key was asked for.
func (s settings) wants(key string) bool {
	return len(s.rows) == 0 || slices.ContainsFunc(s.rows, func(start string) bool { return strings.HasPrefix(key, start) })
}

// measure runs all wanted rows. A row that fails is a result with an error; only an interruption ends the whole.
func (b *bench) measure(ctx context.Context) ([]result, error) {
	var results []result
	for _, row := range pairs() {
		if !b.wants(row.key) {
			continue
		}
		fmt.Fprintf(b.progress, "measuring %s\n", row.key)
		measured := b.measurePair(ctx, row)
		if ctx.Err() != nil {
			return results, fmt.Errorf("measuring %s: interrupted", row.key)
		}
		results = append(results, measured)
	}
	results = append(results, b.measurePopulation(ctx)...)
	if ctx.Err() != nil {
		return results, errors.New("measuring the objects rows: interrupted")
	}
	return results, nil
}

// side is one participant of an interleaved measurement.
type side struct {
	place   place
	job     job
	figures []float64 // one a run
}

// match is an interleaved measurement of its sides.
type match struct {
	sides  []*side
	passes int          // timed passes of each process
	before func() error // called ahead of every pass, unless nil
}

// interleave measures all sides in turn, run by run.
func (b *bench) interleave(ctx context.Context, m match) error {
	for run := range b.runs {
		if err := b.interleaveRun(ctx, run, m); err != nil {
			return err
		}
	}
	return nil
}

// interleaveRun gives every side one figure more. Who prepares first finds other free memory than who comes next, and keeps
// its pages for all passes (differences of 20 % between equal things were seen): therefore each side is first once.
func (b *bench) interleaveRun(ctx context.Context, run int, m match) error {
	sums := make([]float64, len(m.sides))
	for first := range m.sides {
		figures, err := b.interleaveFrom(ctx, first, run%2 == 1, m)
		if err != nil {
			return err
		}
		for at := range m.sides {
			sums[at] += median(figures[at])
		}
	}
	for at, s := range m.sides {
		s.figures = append(s.figures, sums[at]/float64(len(m.sides)))
	}
	return nil
}

// interleaveFrom prepares all sides, beginning with first, then has them pass in turn, and returns the figures of each
// side's passes.
func (b *bench) interleaveFrom(ctx context.Context, first int, backwards bool, m match) (figures [][]float64, err error) {
	kernels := make([]*kernel, len(m.sides))
	defer func() {
		for _, k := range kernels {
			if k != nil {
				err = errors.Join(err, k.stop())
			}
		}
	}()
	for _, at := range order(len(m.sides), first, backwards) {
		s := m.sides[at]
		s.job.directory = s.place.directory
		if kernels[at], err = startKernel(ctx, b.program, s.job); err != nil {
			return nil, err
		}
	}
	figures = make([][]float64, len(m.sides))
	const warmUps = 1
	for pass := range warmUps + m.passes {
		for _, at := range order(len(m.sides), first+pass, pass%2 == 1) {
			figure, err := passSettled(ctx, kernels[at], m)
			if err != nil {
				return nil, err
			}
			if pass >= warmUps {
				figures[at] = append(figures[at], figure)
			}
		}
	}
	return figures, nil
}

// order lists 0 to count-1 cyclically from first (any number >= 0) on, upwards or backwards. Who comes first must change, and
// so must who comes after whom: with three sides, six successive passes go through all six orders.
func order(count, first int, backwards bool) []int {
	turns := make([]int, count)
	for turn := range turns {
		step := turn
		if backwards {
			step = count - turn
		}
		turns[turn] = (first + step) % count
	}
	return turns
}

// passSettled has one kernel measure while no side has deferred work to do.
func passSettled(ctx context.Context, k *kernel, m match) (float64, error) {
	if m.before != nil {
		if err := m.before(); err != nil {
			return 0, err
		}
	}
	for _, s := range m.sides {
		if err := s.place.settle(ctx); err != nil {
			return 0, err
		}
	}
	return k.pass()
}
