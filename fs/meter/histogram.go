package meter

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Durations are sorted into buckets by their nanoseconds: one for each number below 8, then eight to every doubling. The last takes all that is
// longer than about nine hours.
const (
	finenessBits = 3
	fineness     = 1 << finenessBits
	longestBits  = 45
	buckets      = fineness + (longestBits-finenessBits)*fineness
)

// bucketOf returns where a duration belongs.
func bucketOf(nanoseconds uint64) int {
	if nanoseconds < fineness {
		return int(nanoseconds)
	}
	shift := bits.Len64(nanoseconds) - finenessBits - 1
	return min(shift*fineness+int(nanoseconds>>shift), buckets-1)
}

// bounds returns the nanoseconds of a bucket: from, included, to, excluded.
func bounds(bucket int) (from, to uint64) {
	if bucket < fineness {
		return uint64(bucket), uint64(bucket) + 1
	}
	shift := bucket/fineness - 1
	steps := uint64(fineness + bucket%fineness)
	return steps << shift, (steps + 1) << shift
}

// histogram counts durations.
type histogram struct {
	counts [buckets]atomic.Uint64
	sum    atomic.Uint64 // nanoseconds
	most   atomic.Uint64 // nanoseconds
}

func (h *histogram) add(elapsed time.Duration) {
	nanoseconds := uint64(max(elapsed, 0))
	h.counts[bucketOf(nanoseconds)].Add(1)
	h.sum.Add(nanoseconds)
	for most := h.most.Load(); nanoseconds > most; most = h.most.Load() {
		if h.most.CompareAndSwap(most, nanoseconds) {
			return
		}
	}
}

// counted is what a histogram had at one moment, as good as.
type counted struct {
	counts [buckets]uint64
	total  uint64 // of counts
	sum    time.Duration
	most   time.Duration
}

func (h *histogram) load() *counted {
	c := &counted{}
	for i := range h.counts {
		c.counts[i] = h.counts[i].Load()
		c.total += c.counts[i]
	}
	c.sum, c.most = time.Duration(h.sum.Load()), time.Duration(h.most.Load())
	return c
}

// quantile returns the duration that a part of all, 0 to 1, do not exceed; 0 when there are none.
func (c *counted) quantile(part float64) time.Duration {
	rank := max(uint64(part*float64(c.total)+0.999999), 1)
	seen := uint64(0)
	for bucket, count := range c.counts[:buckets-1] {
		if seen += count; seen >= rank {
			from, to := bounds(bucket)
			return min(time.Duration(from+(to-1-from)/2), c.most)
		}
	}
	return c.most
}

// below is how many took less than a power of two of nanoseconds.
func (c *counted) below(power int) uint64 {
	sum := uint64(0)
	for _, count := range c.counts[:bucketOf(1<<power)] {
		sum += count
	}
	return sum
}
