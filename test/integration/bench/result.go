package main

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"
)

// result is one line of the table.
type result struct {
	key, title, unit  string
	target, reference float64 // medians, in unit; reference is NaN where the bar is on the figure itself
	ratio             spread
	null              *spread // the reference against itself, with -compare
	bar               bar
	note              string // printed below the table
	err               error  // why it was not measured; the figures then mean nothing
}

// verdict is what the last column says.
func (r result) verdict() string {
	switch {
	case r.err != nil:
		return "NOT MEASURED"
	case r.bar.meets(r.ratio.median):
		return "met"
	}
	return "FALLS SHORT"
}

// noisy tells that the reference differs from itself by more than the row's bar allows shmfs to differ.
func (r result) noisy() bool {
	return r.null != nil && math.Abs(r.null.median-1) > r.bar.margin()
}

// newResult joins what the runs measured; null may be empty.
func newResult(target, reference, null []float64) result {
	joined := result{
		target:    median(target),
		reference: median(reference),
		ratio:     spreadOf(ratios(target, reference)),
	}
	if len(null) > 0 {
		own := spreadOf(ratios(null, reference))
		joined.null = &own
	}
	return joined
}

// printTable writes one line a result, then the notes and errors.
func printTable(out io.Writer, target string, results []result) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "key\trow\t%s\treference\tunit\tratio [min .. max]\tbar\tverdict\tnull ratio\n", target)
	for _, r := range results {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%v\t%s\t%s\n", r.key, r.title, r.figure(r.target), r.figure(r.reference),
			r.unit, r.ratioColumn(), r.bar, r.verdict(), r.nullColumn())
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("printing the table: %w", err)
	}
	for _, r := range results {
		if r.note != "" {
			fmt.Fprintf(out, "%s: %s\n", r.key, r.note)
		}
		if r.err != nil {
			fmt.Fprintf(out, "%s: not measured: %v\n", r.key, r.err)
		}
	}
	return nil
}

func (r result) figure(value float64) string {
	if r.err != nil || math.IsNaN(value) {
		return "-"
	}
	return fmt.Sprintf("%.4g", value)
}

func (r result) ratioColumn() string {
	if r.err != nil {
		return "-"
	}
	return r.ratio.String()
}

func (r result) nullColumn() string {
	switch {
	case r.err != nil || r.null == nil:
		return "-"
	case r.noisy():
		return r.null.String() + " NOISE BEYOND THE BAR"
	}
	return r.null.String()
}

// exitStatus is the command's, as its documentation gives it.
func exitStatus(results []result) int {
	status := 0
	for _, r := range results {
		switch {
		case r.err != nil:
			return 2
		case r.verdict() != "met":
			status = 1
		}
	}
	return status
}
