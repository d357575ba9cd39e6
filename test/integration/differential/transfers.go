package differential

import (
	"fmt"

	"golang.org/x/sys/unix"
)

var transferOperations = []operation{
	{
		name: "copy_file_range", weight: 10, watches: watchesFile | watchesOther,
		draw: func(d drawer, c *Call) {
			c.File, c.Other, c.Offset, c.Offset2, c.Length = d.regular(), d.regular(), d.offset(), d.offset(), d.length()
		},
		run: func(w *worker, c Call) Outcome {
			from, to := c.Offset, c.Offset2
			n, err := unix.CopyFileRange(w.files[c.File], &from, w.files[c.Other], &to, int(c.Length), 0)
			return result(int64(n), err)
		},
		show: func(c Call) string {
			return fmt.Sprintf("copy_file_range(%s, %d, %s, %d, %d)", slot(c.File), c.Offset, slot(c.Other), c.Offset2, c.Length)
		},
	},
	{
		name: "sendfile", weight: 8, watches: watchesFile | watchesOther,
		draw: func(d drawer, c *Call) {
			c.File, c.Other, c.Offset, c.Length = d.regular(), d.regular(), d.offset(), d.length()
		},
		run: func(w *worker, c Call) Outcome {
			from := c.Offset
			n, err := unix.Sendfile(w.files[c.Other], w.files[c.File], &from, int(c.Length))
			return result(int64(n), err)
		},
		show: func(c Call) string {
			return fmt.Sprintf("sendfile(%s, %s, %d, %d)", slot(c.Other), slot(c.File), c.Offset, c.Length)
		},
	},
	{
		name: "splice to pipe", weight: 6, watches: watchesFile,
		draw: func(d drawer, c *Call) { c.File, c.Offset, c.Length = d.regular(), d.offset(), d.length() },
		run:  spliceToPipe,
		show: func(c Call) string {
			return fmt.Sprintf("splice(%s, %d, pipe, NULL, %d, SPLICE_F_NONBLOCK); drain the pipe", slot(c.File), c.Offset, c.Length)
		},
	},
	{
		name: "splice from pipe", weight: 6, watches: watchesFile,
		draw: func(d drawer, c *Call) {
			c.File, c.Offset, c.Length, c.Fill = d.regular(), d.offset(), d.length(), d.fill()
		},
		run: spliceFromPipe,
		show: func(c Call) string {
			return fmt.Sprintf("write(pipe, %s); splice(pipe, NULL, %s, %d, %d, SPLICE_F_NONBLOCK); drain the pipe", showData(c), slot(c.File), c.Offset, c.Length)
		},
	},
}

func spliceToPipe(w *worker, c Call) Outcome {
	from := c.Offset
	n, err := unix.Splice(w.files[c.File], &from, w.pipe[1], nil, int(c.Length), unix.SPLICE_F_NONBLOCK)
	if err != nil {
		return failure(err)
	}
	data := w.drain()
	return Outcome{Value: n, Facts: []Fact{{"bytes", digest(data)}}}
}

func spliceFromPipe(w *worker, c Call) Outcome {
	filled, err := unix.Write(w.pipe[1], pattern(c))
	if err != nil {
		return failure(fmt.Errorf("filling the pipe: %w", err))
	}
	to := c.Offset
	n, err := unix.Splice(w.pipe[0], nil, w.files[c.File], &to, filled, unix.SPLICE_F_NONBLOCK)
	w.drain()
	return result(n, err)
}

// drain empties the worker's own pipe.
func (w *worker) drain() []byte {
	var all []byte
	buffer := make([]byte, 65536)
	for {
		n, err := unix.Read(w.pipe[0], buffer)
		if err != nil || n <= 0 {
			return all
		}
		all = append(all, buffer[:n]...)
	}
}
