package differential

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

var lookOperations = []operation{
	{
		name: "faccessat2", weight: 10, watches: watchesPath,
		draw: func(d drawer, c *Call) {
			drawPath(d, c)
			c.Mode = pick(d, "mode", []uint32{unix.F_OK, unix.R_OK, unix.W_OK, unix.X_OK, unix.R_OK | unix.W_OK, unix.R_OK | unix.W_OK | unix.X_OK, 8})
			c.Flags = pick(d, "flags", []int{0, unix.AT_EACCESS, unix.AT_SYMLINK_NOFOLLOW})
		},
		run: func(w *worker, c Call) Outcome {
			return result(0, unix.Faccessat2(w.start(c), string(c.Path), c.Mode, c.Flags))
		},
		show: func(c Call) string {
			return fmt.Sprintf("faccessat2(%s, %v, %d, %s)", c.start(), c.Path, c.Mode, flagText(c.Flags, accessFlagNames))
		},
	},
	{
		name: "stat", weight: 10,
		draw: func(d drawer, c *Call) {
			drawPath(d, c)
			c.Flags = pick(d, "flags", []int{0, unix.AT_SYMLINK_NOFOLLOW})
		},
		run: func(w *worker, c Call) Outcome {
			var stat unix.Stat_t
			if err := unix.Fstatat(w.start(c), string(c.Path), &stat, c.Flags); err != nil {
				return failure(err)
			}
			return Outcome{Facts: statFacts(&stat)}
		},
		show: func(c Call) string {
			return fmt.Sprintf("fstatat(%s, %v, %s)", c.start(), c.Path, flagText(c.Flags, atFlagNames))
		},
	},
	{
		name: "fstat", weight: 6,
		draw: func(d drawer, c *Call) { c.File = d.file() },
		run: func(w *worker, c Call) Outcome {
			var stat unix.Stat_t
			if err := unix.Fstat(w.files[c.File], &stat); err != nil {
				return failure(err)
			}
			return Outcome{Facts: statFacts(&stat)}
		},
		show: func(c Call) string { return fmt.Sprintf("fstat(%s)", slot(c.File)) },
	},
	{
		name: "statx", weight: 5, watches: watchesPath,
		draw: func(d drawer, c *Call) {
			drawPath(d, c)
			c.Flags = pick(d, "flags", []int{0, unix.AT_SYMLINK_NOFOLLOW, unix.AT_STATX_FORCE_SYNC, unix.AT_EMPTY_PATH})
		},
		run: func(w *worker, c Call) Outcome {
			var stat unix.Statx_t
			if err := unix.Statx(w.start(c), string(c.Path), c.Flags, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &stat); err != nil {
				return failure(err)
			}
			return Outcome{Facts: []Fact{
				{"mask", fmt.Sprintf("%#x", stat.Mask)}, {"mode", fmt.Sprintf("%#o", stat.Mode)}, {"nlink", fmt.Sprint(stat.Nlink)},
				{"attributes", fmt.Sprintf("%#x", stat.Attributes)}, {"attributes mask", fmt.Sprintf("%#x", stat.Attributes_mask)},
			}}
		},
		show: func(c Call) string {
			return fmt.Sprintf("statx(%s, %v, %s)", c.start(), c.Path, flagText(c.Flags, atFlagNames))
		},
	},
	{
		name: "list", weight: 10, watches: watchesPath,
		draw: func(d drawer, c *Call) {
			c.At, c.Path = d.at(), d.directory()
			c.Length = pick(d, "buffer", []int64{32768, 32768, 300, 24})
		},
		run: func(w *worker, c Call) Outcome {
			directory, err := unix.Openat(w.start(c), string(c.Path), unix.O_RDONLY|openAlways|unix.O_DIRECTORY, 0)
			if err != nil {
				return failure(err)
			}
			defer func() { _ = unix.Close(directory) }()
			return listed(directory, c.Length)
		},
		show: func(c Call) string {
			return fmt.Sprintf("fd = openat(%s, %v, O_DIRECTORY); getdents64(fd, %d) to the end; close(fd)", c.start(), c.Path, c.Length)
		},
	},
	{
		name: "getdents64", weight: 8, watches: watchesFile,
		draw: func(d drawer, c *Call) {
			c.File, c.Length = d.folder(), pick(d, "buffer", []int64{32768, 300, 300, 24})
		},
		run: func(w *worker, c Call) Outcome {
			if w.isDirectory(c.File) {
				if _, err := unix.Seek(w.files[c.File], 0, unix.SEEK_SET); err != nil {
					return failure(err)
				}
			}
			return listed(w.files[c.File], c.Length)
		},
		show: func(c Call) string {
			return fmt.Sprintf("lseek(%s, 0, SEEK_SET); getdents64(%[1]s, %d) to the end", slot(c.File), c.Length)
		},
	},
	{
		name: "statfs", weight: 3,
		draw: func(d drawer, c *Call) { c.Path = d.path() },
		run: func(_ *worker, c Call) Outcome {
			var stat unix.Statfs_t
			if err := unix.Statfs(string(c.Path), &stat); err != nil {
				return failure(err)
			}
			return Outcome{Facts: []Fact{
				{"type", fmt.Sprintf("%#x", stat.Type)}, {"block size", fmt.Sprint(stat.Bsize)}, {"fragment", fmt.Sprint(stat.Frsize)},
				{"blocks", fmt.Sprint(stat.Blocks)}, {"files", fmt.Sprint(stat.Files)}, {"name length", fmt.Sprint(stat.Namelen)},
				{"flags", fmt.Sprintf("%#x", stat.Flags)},
			}}
		},
		show: func(c Call) string { return fmt.Sprintf("statfs(%v)", c.Path) },
	},
}

func statFacts(stat *unix.Stat_t) []Fact {
	facts := []Fact{
		{"mode", fmt.Sprintf("%#o", stat.Mode)}, {"nlink", fmt.Sprint(stat.Nlink)}, {"uid", fmt.Sprint(stat.Uid)},
		{"gid", fmt.Sprint(stat.Gid)}, {"size", fmt.Sprint(stat.Size)}, {"blksize", fmt.Sprint(stat.Blksize)},
		{identityFact, fmt.Sprint(stat.Ino)},
	}
	if stat.Mode&unix.S_IFMT == unix.S_IFREG {
		facts = append(facts, Fact{"blocks", fmt.Sprint(stat.Blocks)})
	}
	return facts
}

// listed reads a directory to its end. The order is nobody's business; names, types and inodes are.
func listed(directory int, length int64) Outcome {
	entries, err := readDirectory(directory, int(length))
	if err != nil {
		return failure(err)
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	var facts []Fact
	for _, each := range entries {
		facts = append(facts,
			Fact{fmt.Sprintf("entry %q type", each.name), fmt.Sprint(each.kind)},
			Fact{fmt.Sprintf("entry %q %s", each.name, identityFact), fmt.Sprint(each.inode)})
	}
	return Outcome{Value: int64(len(entries)), Facts: facts}
}
