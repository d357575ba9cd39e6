package differential

import (
	"fmt"

	"golang.org/x/sys/unix"
)

var ioOperations = []operation{
	{
		name: "write", weight: 25, watches: watchesFile,
		draw: func(d drawer, c *Call) { c.File, c.Length, c.Fill = d.regular(), d.length(), d.fill() },
		run: func(w *worker, c Call) Outcome {
			n, err := unix.Write(w.files[c.File], pattern(c))
			return result(int64(n), err)
		},
		show: func(c Call) string { return fmt.Sprintf("write(%s, %s)", slot(c.File), showData(c)) },
	},
	{
		name: "pwrite", weight: 25, watches: watchesFile,
		draw: func(d drawer, c *Call) {
			c.File, c.Length, c.Offset, c.Fill = d.regular(), d.length(), d.offset(), d.fill()
		},
		run: func(w *worker, c Call) Outcome {
			n, err := unix.Pwrite(w.files[c.File], pattern(c), c.Offset)
			return result(int64(n), err)
		},
		show: func(c Call) string { return fmt.Sprintf("pwrite(%s, %s, %d)", slot(c.File), showData(c), c.Offset) },
	},
	{
		name: "writev", weight: 6, watches: watchesFile,
		draw: func(d drawer, c *Call) { c.File, c.Length, c.Fill = d.regular(), d.length(), d.fill() },
		run: func(w *worker, c Call) Outcome {
			n, err := unix.Writev(w.files[c.File], parts(pattern(c)))
			return result(int64(n), err)
		},
		show: func(c Call) string { return fmt.Sprintf("writev(%s, %s in 3 parts)", slot(c.File), showData(c)) },
	},
	{
		name: "pwritev2", weight: 8, watches: watchesFile,
		draw: func(d drawer, c *Call) {
			c.File, c.Length, c.Offset, c.Fill = d.regular(), d.length(), d.offset(), d.fill()
			c.Flags = pick(d, "flags", []int{0, 0, unix.RWF_APPEND, unix.RWF_DSYNC, unix.RWF_SYNC})
		},
		run: func(w *worker, c Call) Outcome {
			n, err := unix.Pwritev2(w.files[c.File], parts(pattern(c)), c.Offset, c.Flags)
			return result(int64(n), err)
		},
		show: func(c Call) string {
			return fmt.Sprintf("pwritev2(%s, %s in 3 parts, %d, %s)", slot(c.File), showData(c), c.Offset, flagText(c.Flags, vectorFlagNames))
		},
	},
	{
		name: "read", weight: 15, watches: watchesFile,
		draw: func(d drawer, c *Call) { c.File, c.Length = d.regular(), d.length() },
		run: func(w *worker, c Call) Outcome {
			buffer := make([]byte, c.Length)
			n, err := unix.Read(w.files[c.File], buffer)
			return bytesRead(buffer, n, err)
		},
		show: func(c Call) string { return fmt.Sprintf("read(%s, %d)", slot(c.File), c.Length) },
	},
	{
		name: "pread", weight: 15, watches: watchesFile,
		draw: func(d drawer, c *Call) { c.File, c.Length, c.Offset = d.regular(), d.length(), d.offset() },
		run: func(w *worker, c Call) Outcome {
			buffer := make([]byte, c.Length)
			n, err := unix.Pread(w.files[c.File], buffer, c.Offset)
			return bytesRead(buffer, n, err)
		},
		show: func(c Call) string { return fmt.Sprintf("pread(%s, %d, %d)", slot(c.File), c.Length, c.Offset) },
	},
	{
		name: "readv", weight: 5, watches: watchesFile,
		draw: func(d drawer, c *Call) { c.File, c.Length = d.regular(), d.length() },
		run: func(w *worker, c Call) Outcome {
			buffer := make([]byte, c.Length)
			n, err := unix.Readv(w.files[c.File], parts(buffer))
			return bytesRead(buffer, n, err)
		},
		show: func(c Call) string { return fmt.Sprintf("readv(%s, %d in 3 parts)", slot(c.File), c.Length) },
	},
	{
		name: "preadv", weight: 5, watches: watchesFile,
		draw: func(d drawer, c *Call) { c.File, c.Length, c.Offset = d.regular(), d.length(), d.offset() },
		run: func(w *worker, c Call) Outcome {
			buffer := make([]byte, c.Length)
			n, err := unix.Preadv(w.files[c.File], parts(buffer), c.Offset)
			return bytesRead(buffer, n, err)
		},
		show: func(c Call) string {
			return fmt.Sprintf("preadv(%s, %d in 3 parts, %d)", slot(c.File), c.Length, c.Offset)
		},
	},
	{
		name: "lseek", weight: 20,
		draw: func(d drawer, c *Call) {
			c.File, c.Offset = d.regular(), d.offset()
			c.Flags = pick(d, "whence", []int{
				unix.SEEK_SET, unix.SEEK_SET, unix.SEEK_CUR, unix.SEEK_END, unix.SEEK_DATA, unix.SEEK_DATA, unix.SEEK_HOLE,
				unix.SEEK_HOLE, 9,
			})
		},
		run: func(w *worker, c Call) Outcome {
			if w.isDirectory(c.File) {
				return Outcome{} // a directory's offsets are cookies, which may differ
			}
			offset, err := unix.Seek(w.files[c.File], c.Offset, c.Flags)
			return result(offset, err)
		},
		show: func(c Call) string {
			return fmt.Sprintf("lseek(%s, %d, %s)", slot(c.File), c.Offset, choiceText(c.Flags, whenceNames))
		},
	},
}

// parts cuts a buffer into three, as readv and writev take it.
func parts(buffer []byte) [][]byte {
	first, second := len(buffer)/3, len(buffer)/2
	return [][]byte{buffer[:first], buffer[first:second], buffer[second:]}
}
