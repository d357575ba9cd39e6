package differential

import (
	"fmt"

	"golang.org/x/sys/unix"
)

var protections = []int{
	unix.PROT_READ | unix.PROT_WRITE, unix.PROT_READ | unix.PROT_WRITE, unix.PROT_READ | unix.PROT_WRITE, unix.PROT_READ,
	unix.PROT_WRITE, unix.PROT_NONE, unix.PROT_READ | unix.PROT_EXEC,
}

var (
	mapFlags   = []int{unix.MAP_SHARED, unix.MAP_SHARED, unix.MAP_SHARED, unix.MAP_PRIVATE, unix.MAP_SHARED_VALIDATE, unix.MAP_SHARED | unix.MAP_POPULATE}
	mapOffsets = []int64{0, 0, 0, 0, 0, 0, 0, 4096, 4096, 8192, 61440, 100}
	mapLengths = []int64{areaSize, areaSize, areaSize, areaSize, 4096, 8192, 12288, 12288, 5000, 0}
)

var mapFlagNames = []flagName{
	{unix.MAP_SHARED_VALIDATE, "MAP_SHARED_VALIDATE"}, {unix.MAP_SHARED, "MAP_SHARED"}, {unix.MAP_PRIVATE, "MAP_PRIVATE"},
	{unix.MAP_POPULATE, "MAP_POPULATE"},
}

var advices = []int{
	unix.MADV_DONTNEED, unix.MADV_REMOVE, unix.MADV_REMOVE, unix.MADV_WILLNEED, unix.MADV_POPULATE_READ, unix.MADV_POPULATE_WRITE,
	unix.MADV_FREE, unix.MADV_COLD,
}

var mappingOperations = []operation{
	{
		name: "mmap", weight: 40, watches: watchesFile,
		draw: func(d drawer, c *Call) {
			c.Area, c.File, c.Offset, c.Length = d.area(), d.regular(), pick(d, "offset", mapOffsets), pick(d, "length", mapLengths)
			c.Protection, c.Flags = pick(d, "protection", protections), pick(d, "flags", mapFlags)
		},
		run: func(w *worker, c Call) Outcome {
			return result(0, w.areas[c.Area].mapFile(w.files[c.File], c.Offset, c.Length, c.Protection, c.Flags))
		},
		show: func(c Call) string {
			return fmt.Sprintf("%s = mmap(%d, %s, %s, %s, %d)", area(c.Area), c.Length, flagText(c.Protection, protectionNames),
				flagText(c.Flags, mapFlagNames), slot(c.File), c.Offset)
		},
	},
	{
		name: "munmap", weight: 6,
		draw: func(d drawer, c *Call) { d.inArea(c, pageSize) },
		run:  func(w *worker, c Call) Outcome { return result(0, w.areas[c.Area].unmap(c.Offset, c.Length)) },
		show: func(c Call) string { return fmt.Sprintf("munmap(%s+%d, %d)", area(c.Area), c.Offset, c.Length) },
	},
	{
		name: "mprotect", weight: 8,
		draw: func(d drawer, c *Call) {
			d.inArea(c, pageSize)
			c.Protection = pick(d, "protection", protections)
		},
		run: func(w *worker, c Call) Outcome {
			return result(0, unix.Mprotect(w.areas[c.Area].bytes(c.Offset, c.Length), c.Protection))
		},
		show: func(c Call) string {
			return fmt.Sprintf("mprotect(%s+%d, %d, %s)", area(c.Area), c.Offset, c.Length, flagText(c.Protection, protectionNames))
		},
	},
	{
		name: "msync", weight: 8,
		draw: func(d drawer, c *Call) {
			d.inArea(c, pageSize)
			c.Flags = pick(d, "flags", []int{unix.MS_SYNC, unix.MS_ASYNC, unix.MS_SYNC | unix.MS_INVALIDATE, unix.MS_SYNC | unix.MS_ASYNC})
		},
		run: func(w *worker, c Call) Outcome {
			return result(0, unix.Msync(w.areas[c.Area].bytes(c.Offset, c.Length), c.Flags))
		},
		show: func(c Call) string {
			return fmt.Sprintf("msync(%s+%d, %d, %s)", area(c.Area), c.Offset, c.Length, flagText(c.Flags, syncFlagNames))
		},
	},
	{
		name: "madvise", weight: 14,
		draw: func(d drawer, c *Call) {
			d.inArea(c, pageSize)
			c.Flags = pick(d, "advice", advices)
		},
		run: func(w *worker, c Call) Outcome {
			return result(0, unix.Madvise(w.areas[c.Area].bytes(c.Offset, c.Length), c.Flags))
		},
		show: func(c Call) string {
			return fmt.Sprintf("madvise(%s+%d, %d, %s)", area(c.Area), c.Offset, c.Length, choiceText(c.Flags, adviceNames))
		},
	},
}
