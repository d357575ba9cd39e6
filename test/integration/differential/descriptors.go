package differential

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Every open is non-blocking, because names may be FIFOs and one worker waits for another.
const openAlways = unix.O_NONBLOCK | unix.O_CLOEXEC

var accessModes = []int{
	unix.O_RDWR, unix.O_RDWR, unix.O_RDWR, unix.O_RDWR, unix.O_RDONLY, unix.O_RDONLY, unix.O_WRONLY, unix.O_ACCMODE,
}

var openChances = []flagChance{
	{unix.O_CREAT, 55}, {unix.O_EXCL, 10}, {unix.O_TRUNC, 10}, {unix.O_APPEND, 15}, {unix.O_DIRECT, 10}, {unix.O_NOFOLLOW, 8},
	{unix.O_DIRECTORY, 6}, {unix.O_PATH, 6}, {unix.O_DSYNC, 4}, {unix.O_NOATIME, 5},
}

var statusChances = []flagChance{{unix.O_APPEND, 40}, {unix.O_DIRECT, 20}, {unix.O_NOATIME, 20}}

var descriptorOperations = []operation{
	{
		name: "open", weight: 110, watches: watchesPath | watchesFile,
		draw: func(d drawer, c *Call) {
			c.File, c.At, c.Path = d.slot(), d.at(), d.filePath()
			c.Flags = pick(d, "access mode", accessModes) | d.flags("flag", openChances)
			c.Mode = d.mode()
		},
		run:  openFile,
		show: showOpen,
	},
	{
		name: "open directory", weight: 10, watches: watchesPath | watchesFile,
		draw: func(d drawer, c *Call) {
			c.File, c.At, c.Path = d.slot(), d.at(), d.directory()
			c.Flags = unix.O_DIRECTORY | d.flags("flag", []flagChance{{unix.O_PATH, 20}, {unix.O_NOATIME, 20}})
		},
		run:  openFile,
		show: showOpen,
	},
	{
		name: "open unnamed", weight: 10, watches: watchesPath | watchesFile,
		draw: func(d drawer, c *Call) {
			c.File, c.At, c.Path = d.slot(), d.at(), d.directory()
			c.Flags = unix.O_TMPFILE | pick(d, "access mode", accessModes) | d.flags("flag", []flagChance{{unix.O_EXCL, 20}, {unix.O_APPEND, 10}})
			c.Mode = d.mode()
		},
		run:  openFile,
		show: showOpen,
	},
	{
		name: "close", weight: 12, watches: watchesFile,
		draw: func(d drawer, c *Call) { c.File = d.file() },
		run: func(w *worker, c Call) Outcome {
			err := unix.Close(w.files[c.File])
			w.files[c.File] = -1
			return result(0, err)
		},
		show: func(c Call) string { return fmt.Sprintf("close(%s)", slot(c.File)) },
	},
	{
		name: "dup", weight: 8, watches: watchesFile | watchesOther,
		draw: func(d drawer, c *Call) { c.File, c.Other = d.file(), d.slot() },
		run: func(w *worker, c Call) Outcome {
			copied, err := unix.FcntlInt(uintptr(w.files[c.File]), unix.F_DUPFD_CLOEXEC, 0)
			if err != nil {
				return failure(err)
			}
			w.hold(c.Other, copied)
			return Outcome{}
		},
		show: func(c Call) string { return fmt.Sprintf("%s = dup(%s)", slot(c.Other), slot(c.File)) },
	},
	{
		name: "fcntl F_GETFL", weight: 3,
		draw: func(d drawer, c *Call) { c.File = d.file() },
		run: func(w *worker, c Call) Outcome {
			flags, err := unix.FcntlInt(uintptr(w.files[c.File]), unix.F_GETFL, 0)
			return result(int64(flags), err)
		},
		show: func(c Call) string { return fmt.Sprintf("fcntl(%s, F_GETFL)", slot(c.File)) },
	},
	{
		name: "fcntl F_SETFL", weight: 6,
		draw: func(d drawer, c *Call) { c.File, c.Flags = d.file(), d.flags("flag", statusChances) },
		run: func(w *worker, c Call) Outcome {
			_, err := unix.FcntlInt(uintptr(w.files[c.File]), unix.F_SETFL, c.Flags|unix.O_NONBLOCK)
			return result(0, err)
		},
		show: func(c Call) string {
			return fmt.Sprintf("fcntl(%s, F_SETFL, %s)", slot(c.File), flagText(c.Flags|unix.O_NONBLOCK, openFlagNames))
		},
	},
}

// openFile puts the new descriptor into its slot. What the slot held is closed then.
func openFile(w *worker, c Call) Outcome {
	opened, err := unix.Openat(w.start(c), string(c.Path), c.Flags|openAlways, c.Mode)
	if err != nil {
		return failure(err)
	}
	w.hold(c.File, opened)
	return Outcome{}
}

func showOpen(c Call) string {
	return fmt.Sprintf("%s = openat(%s, %v, %s, %#o)", slot(c.File), c.start(), c.Path, openText(c.Flags|unix.O_NONBLOCK), c.Mode)
}
