package differential

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Modes as fallocate(2) takes them; those that tmpfs refuses, and impossible ones, among them.
var fallocateModes = []int{
	0, 0, 0, unix.FALLOC_FL_KEEP_SIZE, unix.FALLOC_FL_KEEP_SIZE,
	unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE, unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE,
	unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE, unix.FALLOC_FL_PUNCH_HOLE,
	unix.FALLOC_FL_ZERO_RANGE, unix.FALLOC_FL_ZERO_RANGE | unix.FALLOC_FL_KEEP_SIZE,
	unix.FALLOC_FL_COLLAPSE_RANGE, unix.FALLOC_FL_INSERT_RANGE, unix.FALLOC_FL_UNSHARE_RANGE, 0x4000,
}

var sizeOperations = []operation{
	{
		name: "ftruncate", weight: 25, watches: watchesFile,
		draw: func(d drawer, c *Call) { c.File, c.Length = d.regular(), d.size() },
		run:  func(w *worker, c Call) Outcome { return result(0, unix.Ftruncate(w.files[c.File], c.Length)) },
		show: func(c Call) string { return fmt.Sprintf("ftruncate(%s, %d)", slot(c.File), c.Length) },
	},
	{
		name: "truncate", weight: 10, watches: watchesPath,
		draw: func(d drawer, c *Call) { c.Path, c.Length = d.path(), d.size() },
		run:  func(_ *worker, c Call) Outcome { return result(0, unix.Truncate(string(c.Path), c.Length)) },
		show: func(c Call) string { return fmt.Sprintf("truncate(%v, %d)", c.Path, c.Length) },
	},
	{
		name: "fallocate", weight: 22, watches: watchesFile,
		draw: func(d drawer, c *Call) {
			c.File, c.Flags, c.Offset, c.Length = d.regular(), pick(d, "mode", fallocateModes), d.offset(), d.length()
		},
		run: func(w *worker, c Call) Outcome {
			return result(0, unix.Fallocate(w.files[c.File], uint32(c.Flags), c.Offset, c.Length))
		},
		show: func(c Call) string {
			return fmt.Sprintf("fallocate(%s, %s, %d, %d)", slot(c.File), flagText(c.Flags, fallocateFlagNames), c.Offset, c.Length)
		},
	},
	{
		name: "fsync", weight: 4, watches: watchesFile,
		draw: func(d drawer, c *Call) { c.File = d.regular() },
		run:  func(w *worker, c Call) Outcome { return result(0, unix.Fsync(w.files[c.File])) },
		show: func(c Call) string { return fmt.Sprintf("fsync(%s)", slot(c.File)) },
	},
	{
		name: "fdatasync", weight: 3, watches: watchesFile,
		draw: func(d drawer, c *Call) { c.File = d.regular() },
		run:  func(w *worker, c Call) Outcome { return result(0, unix.Fdatasync(w.files[c.File])) },
		show: func(c Call) string { return fmt.Sprintf("fdatasync(%s)", slot(c.File)) },
	},
	{
		name: "syncfs", weight: 1,
		draw: func(d drawer, c *Call) { c.File = d.regular() },
		run:  func(w *worker, c Call) Outcome { return result(0, unix.Syncfs(w.files[c.File])) },
		show: func(c Call) string { return fmt.Sprintf("syncfs(%s)", slot(c.File)) },
	},
	{
		name: "posix_fadvise", weight: 2,
		draw: func(d drawer, c *Call) { c.File, c.Offset, c.Length = d.regular(), d.offset(), d.length() },
		run: func(w *worker, c Call) Outcome {
			return result(0, unix.Fadvise(w.files[c.File], c.Offset, c.Length, unix.FADV_DONTNEED))
		},
		show: func(c Call) string {
			return fmt.Sprintf("posix_fadvise(%s, %d, %d, POSIX_FADV_DONTNEED)", slot(c.File), c.Offset, c.Length)
		},
	},
}
