package main

import (
	"fmt"
	"math"
)

// bar is what a row's ratio of target to reference must satisfy: a closed range, either end of which may be absent.
type bar struct {
	least, most float64 // -Inf and +Inf stand for an absent end
}

// noBar belongs to rows that must only succeed.
func noBar() bar { return bar{math.Inf(-1), math.Inf(1)} }

func atMost(most float64) bar { return bar{math.Inf(-1), most} }

func atLeast(least float64) bar { return bar{least, math.Inf(1)} }

func between(least, most float64) bar { return bar{least, most} }

// meets is false for NaN: what was not measured meets nothing.
func (b bar) meets(ratio float64) bool {
	return ratio >= b.least && ratio <= b.most
}

// margin is how far from 1 the ratio of two equal things may stray before it could decide the row by itself.
func (b bar) margin() float64 {
	return min(math.Abs(b.most-1), math.Abs(b.least-1))
}

func (b bar) String() string {
	switch {
	case math.IsInf(b.least, -1) && math.IsInf(b.most, 1):
		return "no error"
	case math.IsInf(b.least, -1):
		return fmt.Sprintf("<= %.2f", b.most)
	case math.IsInf(b.most, 1):
		return fmt.Sprintf(">= %.2f", b.least)
	}
	return fmt.Sprintf("%.2f .. %.2f", b.least, b.most)
}
