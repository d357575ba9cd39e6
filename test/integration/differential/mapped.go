package differential

import (
	"fmt"

	"golang.org/x/sys/unix"
)

var mappedOperations = []operation{
	{
		name: "store", weight: 30,
		draw: func(d drawer, c *Call) {
			d.inArea(c, 1)
			c.Fill = d.fill()
		},
		run: func(w *worker, c Call) Outcome {
			stored, faulted := w.areas[c.Area].store(c.Offset, c.Length, func(i int64) byte { return patternByte(c, i) })
			return touched(stored, faulted)
		},
		show: func(c Call) string {
			return fmt.Sprintf("memcpy(%s+%d, %s)", area(c.Area), c.Offset, showData(c))
		},
	},
	{
		name: "load", weight: 20,
		draw: func(d drawer, c *Call) { d.inArea(c, 1) },
		run: func(w *worker, c Call) Outcome {
			data, faulted := w.areas[c.Area].load(c.Offset, c.Length)
			outcome := touched(int64(len(data)), faulted)
			outcome.Facts = append(outcome.Facts, Fact{"bytes", digest(data)})
			return outcome
		},
		show: func(c Call) string { return fmt.Sprintf("load(%s+%d, %d)", area(c.Area), c.Offset, c.Length) },
	},
	{
		name: "write from mapping", weight: 20, watches: watchesFile,
		draw: func(d drawer, c *Call) {
			drawBuffer(d, c)
		},
		run: func(w *worker, c Call) Outcome {
			n, err := unix.Pwrite(w.files[c.File], w.areas[c.Area].bytes(c.Offset, c.Length), c.Offset2)
			return result(int64(n), err)
		},
		show: func(c Call) string {
			return fmt.Sprintf("pwrite(%s, %s+%d, %d, %d)", slot(c.File), area(c.Area), c.Offset, c.Length, c.Offset2)
		},
	},
	{
		name: "read into mapping", weight: 20, watches: watchesFile,
		draw: func(d drawer, c *Call) {
			drawBuffer(d, c)
		},
		run: func(w *worker, c Call) Outcome {
			n, err := unix.Pread(w.files[c.File], w.areas[c.Area].bytes(c.Offset, c.Length), c.Offset2)
			return result(int64(n), err)
		},
		show: func(c Call) string {
			return fmt.Sprintf("pread(%s, %s+%d, %d, %d)", slot(c.File), area(c.Area), c.Offset, c.Length, c.Offset2)
		},
	},
}

// touched is the outcome of loads and stores: how many bytes were reached, and whether a signal (SIGBUS or SIGSEGV) ended it.
func touched(count int64, faulted bool) Outcome {
	return Outcome{Value: count, Facts: []Fact{{"faulted", fmt.Sprint(faulted)}}}
}

// drawBuffer draws a transfer between a mapping and a file that is likely to lie inside both.
func drawBuffer(d drawer, c *Call) {
	c.Area, c.File = d.area(), d.regular()
	c.Offset = pick(d, "offset", []int64{0, 0, 1, 100, 4000, 4096, 8192, 12288})
	c.Length = pick(d, "length", []int64{1, 100, 1000, 4096, 5000, 10000})
	c.Offset2 = pick(d, "file offset", []int64{0, 0, 0, 1, 100, 4096, 8192, 20000})
}
