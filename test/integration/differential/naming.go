package differential

import (
	"fmt"

	"golang.org/x/sys/unix"
)

var renameFlags = []int{
	0, 0, unix.RENAME_NOREPLACE, unix.RENAME_EXCHANGE, unix.RENAME_EXCHANGE, unix.RENAME_NOREPLACE | unix.RENAME_EXCHANGE,
	unix.RENAME_WHITEOUT, unix.RENAME_WHITEOUT | unix.RENAME_NOREPLACE, 0x80,
}

// nodeTypes are those mknod(2) is asked for. A device on these mounts (nodev) may be made by root and opened by nobody.
var nodeTypes = []uint32{unix.S_IFIFO, unix.S_IFIFO, unix.S_IFSOCK, unix.S_IFREG, unix.S_IFCHR, unix.S_IFDIR, unix.S_IFLNK}

var nodeTypeNames = []flagName{
	{unix.S_IFIFO, "S_IFIFO"}, {unix.S_IFSOCK, "S_IFSOCK"}, {unix.S_IFREG, "S_IFREG"}, {unix.S_IFCHR, "S_IFCHR"},
	{unix.S_IFDIR, "S_IFDIR"}, {unix.S_IFLNK, "S_IFLNK"},
}

var nodeDevice = unix.Mkdev(1, 3)

var nameOperations = []operation{
	{
		name: "unlink", weight: 20, watches: watchesPath,
		draw: drawPath,
		run:  func(w *worker, c Call) Outcome { return result(0, unix.Unlinkat(w.start(c), string(c.Path), 0)) },
		show: func(c Call) string { return fmt.Sprintf("unlinkat(%s, %v, 0)", c.start(), c.Path) },
	},
	{
		name: "mkdir", weight: 14, watches: watchesPath,
		draw: func(d drawer, c *Call) {
			drawPath(d, c)
			c.Mode = d.mode()
		},
		run:  func(w *worker, c Call) Outcome { return result(0, unix.Mkdirat(w.start(c), string(c.Path), c.Mode)) },
		show: func(c Call) string { return fmt.Sprintf("mkdirat(%s, %v, %#o)", c.start(), c.Path, c.Mode) },
	},
	{
		name: "rmdir", weight: 10, watches: watchesPath,
		draw: drawPath,
		run: func(w *worker, c Call) Outcome {
			return result(0, unix.Unlinkat(w.start(c), string(c.Path), unix.AT_REMOVEDIR))
		},
		show: func(c Call) string { return fmt.Sprintf("unlinkat(%s, %v, AT_REMOVEDIR)", c.start(), c.Path) },
	},
	{
		name: "rename", weight: 25, watches: watchesPath | watchesPath2,
		draw: drawTwoPaths,
		run: func(w *worker, c Call) Outcome {
			return result(0, unix.Renameat(w.start(c), string(c.Path), unix.AT_FDCWD, string(c.Path2)))
		},
		show: func(c Call) string { return fmt.Sprintf("renameat(%s, %v, AT_FDCWD, %v)", c.start(), c.Path, c.Path2) },
	},
	{
		name: "renameat2", weight: 15, watches: watchesPath | watchesPath2,
		draw: func(d drawer, c *Call) {
			drawTwoPaths(d, c)
			c.Flags = pick(d, "flags", renameFlags)
		},
		run: func(w *worker, c Call) Outcome {
			return result(0, unix.Renameat2(w.start(c), string(c.Path), unix.AT_FDCWD, string(c.Path2), uint(c.Flags)))
		},
		show: func(c Call) string {
			return fmt.Sprintf("renameat2(%s, %v, AT_FDCWD, %v, %s)", c.start(), c.Path, c.Path2, flagText(c.Flags, renameFlagNames))
		},
	},
	{
		name: "mknod", weight: 8, watches: watchesPath,
		draw: func(d drawer, c *Call) {
			drawPath(d, c)
			c.Mode = d.mode()
			c.Flags = int(pick(d, "type", nodeTypes))
		},
		run: func(w *worker, c Call) Outcome {
			return result(0, unix.Mknodat(w.start(c), string(c.Path), c.Mode|uint32(c.Flags), int(nodeDevice)))
		},
		show: func(c Call) string {
			return fmt.Sprintf("mknodat(%s, %v, %s|%#o, makedev(1, 3))", c.start(), c.Path, choiceText(c.Flags, nodeTypeNames), c.Mode)
		},
	},
}

var linkOperations = []operation{
	{
		name: "link", weight: 18, watches: watchesPath | watchesPath2,
		draw: func(d drawer, c *Call) {
			drawTwoPaths(d, c)
			c.Flags = pick(d, "flags", []int{0, 0, unix.AT_SYMLINK_FOLLOW})
		},
		run: func(w *worker, c Call) Outcome {
			return result(0, unix.Linkat(w.start(c), string(c.Path), unix.AT_FDCWD, string(c.Path2), c.Flags))
		},
		show: func(c Call) string {
			return fmt.Sprintf("linkat(%s, %v, AT_FDCWD, %v, %s)", c.start(), c.Path, c.Path2, flagText(c.Flags, atFlagNames))
		},
	},
	{
		name: "link descriptor", weight: 10, watches: watchesFile | watchesPath2,
		draw: func(d drawer, c *Call) { c.File, c.Path2 = d.file(), d.path() },
		run: func(w *worker, c Call) Outcome {
			return result(0, unix.Linkat(w.files[c.File], "", unix.AT_FDCWD, string(c.Path2), unix.AT_EMPTY_PATH))
		},
		show: func(c Call) string {
			return fmt.Sprintf("linkat(%s, \"\", AT_FDCWD, %v, AT_EMPTY_PATH)", slot(c.File), c.Path2)
		},
	},
	{
		name: "symlink", weight: 10, watches: watchesPath2,
		draw: drawTwoPaths,
		run: func(w *worker, c Call) Outcome {
			return result(0, unix.Symlinkat(string(c.Path), w.start(c), string(c.Path2)))
		},
		show: func(c Call) string { return fmt.Sprintf("symlinkat(%v, %s, %v)", c.Path, c.start(), c.Path2) },
	},
	{
		name: "readlink", weight: 6, watches: watchesPath,
		draw: func(d drawer, c *Call) {
			drawPath(d, c)
			c.Length = pick(d, "length", []int64{8192, 8192, 1, 0})
		},
		run: func(w *worker, c Call) Outcome {
			buffer := make([]byte, c.Length)
			n, err := unix.Readlinkat(w.start(c), string(c.Path), buffer)
			return bytesRead(buffer, n, err)
		},
		show: func(c Call) string { return fmt.Sprintf("readlinkat(%s, %v, %d)", c.start(), c.Path, c.Length) },
	},
}

func drawPath(d drawer, c *Call) { c.At, c.Path = d.at(), d.path() }

func drawTwoPaths(d drawer, c *Call) {
	drawPath(d, c)
	c.Path2 = d.path()
}
