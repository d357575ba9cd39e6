package differential

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

var attributeOperations = []operation{
	{
		name: "chmod", weight: 12, watches: watchesPath,
		draw: func(d drawer, c *Call) {
			drawPath(d, c)
			c.Mode = d.mode()
		},
		run: func(w *worker, c Call) Outcome {
			return result(0, unix.Fchmodat(w.start(c), string(c.Path), c.Mode, 0))
		},
		show: func(c Call) string { return fmt.Sprintf("fchmodat(%s, %v, %#o)", c.start(), c.Path, c.Mode) },
	},
	{
		name: "fchmod", weight: 8, watches: watchesFile,
		draw: func(d drawer, c *Call) { c.File, c.Mode = d.file(), d.mode() },
		run:  func(w *worker, c Call) Outcome { return result(0, unix.Fchmod(w.files[c.File], c.Mode)) },
		show: func(c Call) string { return fmt.Sprintf("fchmod(%s, %#o)", slot(c.File), c.Mode) },
	},
	{
		name: "chown", weight: 12, watches: watchesPath,
		draw: func(d drawer, c *Call) {
			drawPath(d, c)
			c.User, c.Group = pick(d, "user", owners), pick(d, "group", owners)
			c.Flags = pick(d, "flags", []int{0, 0, unix.AT_SYMLINK_NOFOLLOW})
		},
		run: func(w *worker, c Call) Outcome {
			return result(0, unix.Fchownat(w.start(c), string(c.Path), c.User, c.Group, c.Flags))
		},
		show: func(c Call) string {
			return fmt.Sprintf("fchownat(%s, %v, %d, %d, %s)", c.start(), c.Path, c.User, c.Group, flagText(c.Flags, atFlagNames))
		},
	},
	{
		name: "fchown", weight: 7, watches: watchesFile,
		draw: func(d drawer, c *Call) {
			c.File, c.User, c.Group = d.file(), pick(d, "user", owners), pick(d, "group", owners)
		},
		run:  func(w *worker, c Call) Outcome { return result(0, unix.Fchown(w.files[c.File], c.User, c.Group)) },
		show: func(c Call) string { return fmt.Sprintf("fchown(%s, %d, %d)", slot(c.File), c.User, c.Group) },
	},
	{
		name: "utimensat", weight: 10, watches: watchesPath,
		draw: func(d drawer, c *Call) {
			drawPath(d, c)
			drawStamps(d, c)
			c.Flags = pick(d, "flags", []int{0, 0, unix.AT_SYMLINK_NOFOLLOW})
		},
		run: func(w *worker, c Call) Outcome {
			return result(0, unix.UtimesNanoAt(w.start(c), string(c.Path), c.stamps(), c.Flags))
		},
		show: func(c Call) string {
			return fmt.Sprintf("utimensat(%s, %v, %v, %v, %s)", c.start(), c.Path, c.Access, c.Modify, flagText(c.Flags, atFlagNames))
		},
	},
	{
		name: "futimens", weight: 8, watches: watchesFile,
		draw: func(d drawer, c *Call) {
			c.File = d.file()
			drawStamps(d, c)
		},
		run: func(w *worker, c Call) Outcome {
			times := c.stamps()
			_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(w.files[c.File]), 0, uintptr(unsafe.Pointer(&times[0])), 0, 0, 0)
			return number(0, errno)
		},
		show: func(c Call) string { return fmt.Sprintf("futimens(%s, %v, %v)", slot(c.File), c.Access, c.Modify) },
	},
}

func drawStamps(d drawer, c *Call) {
	c.Access, c.Modify = pick(d, "access time", stamps), pick(d, "modification time", stamps)
}

func (c Call) stamps() []unix.Timespec {
	return []unix.Timespec{
		{Sec: c.Access.Seconds, Nsec: c.Access.Nanoseconds},
		{Sec: c.Modify.Seconds, Nsec: c.Modify.Nanoseconds},
	}
}

// String is the time as seconds and nanoseconds, or the name of the special value.
func (s stamp) String() string {
	switch s.Nanoseconds {
	case unix.UTIME_NOW:
		return "UTIME_NOW"
	case unix.UTIME_OMIT:
		return "UTIME_OMIT"
	}
	return fmt.Sprintf("{%d, %d}", s.Seconds, s.Nanoseconds)
}
