package main

import (
	"fmt"
	"math"
	"slices"
)

// spread sums up repeated measurements of one thing.
type spread struct {
	median, least, most float64
}

// spreadOf panics on no values: a caller that measured nothing has an error to report instead.
func spreadOf(values []float64) spread {
	return spread{median(values), slices.Min(values), slices.Max(values)}
}

func (s spread) String() string {
	return fmt.Sprintf("%.3f [%.3f .. %.3f]", s.median, s.least, s.most)
}

// median of an even number of values is the mean of the middle two. It is NaN if any value is, or if there are none.
func median(values []float64) float64 {
	if len(values) == 0 || slices.ContainsFunc(values, math.IsNaN) {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// ratios divides run by run, so that a slow moment of the machine, which both sides of a run share, cancels out.
func ratios(numerators, denominators []float64) []float64 {
	quotients := make([]float64, len(numerators))
	for run := range numerators {
		quotients[run] = numerators[run] / denominators[run]
	}
	return quotients
}
