package differential

import (
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// drawer draws the arguments of one worker's call. In every pool frequent values are repeated. What is known of the case
// so far makes sensible arguments likely: a descriptor that is held, a name that exists.
type drawer struct {
	t      *rapid.T
	known  *knowledge
	worker int
}

var (
	offsets = []int64{0, 0, 0, 1, 100, 4095, 4096, 4096, 4097, 8192, 8192, 10000, 12288, 16384, 40960, 61440, 65536, 70001, 131072}
	lengths = []int64{1, 100, 100, 1, 511, 512, 4095, 4096, 4096, 4097, 8192, 10000, 16384, 0, 40000, 65536, 140000}
	sizes   = []int64{0, 0, 1, 100, 4095, 4096, 4096, 4097, 8192, 9000, 12288, 20480, 50000, 65536, 100000, 262144}
	modes   = []uint32{0o644, 0o666, 0o666, 0o600, 0o777, 0o755, 0, 0o444, 0o222, 0o4755, 0o2755, 0o2644, 0o6777, 0o1777, 0o70}
	owners  = []int{0, 1000, 1001, 65534, -1, 1000, 5000}

	// absurd offsets and lengths; none of them makes a file grow.
	absurd = []int64{-1, -4096, -1 << 62, 1<<63 - 1, -1 << 63}

	stamps = []stamp{
		{0, unix.UTIME_NOW}, {0, unix.UTIME_OMIT}, {1_000_000_000, 123_456_789}, {1, 1}, {0, 0}, {-1, 999_999_999},
		{4_000_000_000, 5}, {1_500_000_000, 0}, {1_000_000_000, 1_000_000_000},
	}
)

// below draws a number from 0 to n-1, all equally likely. It is made of single bits because rapid's own integers, and what it
// samples from lists, are mostly small: with them, two of three calls would be of the first kind in the list.
func (d drawer) below(n int, label string) int {
	const bits = 20
	drawn := 0
	for range bits {
		drawn <<= 1
		if rapid.Bool().Draw(d.t, label) {
			drawn |= 1
		}
	}
	return drawn * n >> bits
}

func pick[V any](d drawer, label string, values []V) V {
	return values[d.below(len(values), label)]
}

// chance is true in n of 100 draws.
func (d drawer) chance(n int, label string) bool { return d.below(100, label) >= 100-n }

// Descriptor slots: any slot, one that holds something, one that holds a regular file, one that holds a directory; the
// last three are only very likely to be so.

func (d drawer) slot() int { return d.below(fileSlots, "slot") }

func (d drawer) file() int {
	return d.likely(func(held holding) bool { return held.inode != 0 })
}

func (d drawer) regular() int {
	return d.likely(func(held holding) bool { return held.kind == unix.S_IFREG })
}

func (d drawer) folder() int {
	return d.likely(func(held holding) bool { return held.kind == unix.S_IFDIR })
}

func (d drawer) likely(suits func(holding) bool) int {
	const percent = 94
	var suitable []int
	for i, held := range d.known.files[d.worker] {
		if suits(held) {
			suitable = append(suitable, i)
		}
	}
	if len(suitable) == 0 || !d.chance(percent, "suitable") {
		return d.slot()
	}
	return pick(d, "file", suitable)
}

// area is very likely one with a mapping in it.
func (d drawer) area() int {
	const percent = 94
	var mapped []int
	for i, held := range d.known.areas[d.worker] {
		if held.inode != 0 {
			mapped = append(mapped, i)
		}
	}
	if len(mapped) == 0 || !d.chance(percent, "mapped") {
		return d.below(areaSlots, "area")
	}
	return pick(d, "area", mapped)
}
func (d drawer) mode() uint32 {
	return pick(d, "mode", modes)
}
func (d drawer) fill() byte { return byte(1 + d.below(255, "fill")) }

// at is mostly the working directory.
func (d drawer) at() int {
	if d.chance(8, "relative to a descriptor") {
		return d.folder()
	}
	return workingDirectory
}

// path is one that exists, or one that may.
func (d drawer) path() Name { return d.pathOf(d.known.paths) }

// filePath is mostly a regular file's.
func (d drawer) filePath() Name {
	if d.chance(60, "regular file") {
		return d.pathOf(d.known.regular)
	}
	return d.path()
}

func (d drawer) pathOf(existing []Name) Name {
	if len(existing) == 0 || d.chance(40, "any path") {
		return pick(d, "path", paths)
	}
	path := pick(d, "path", existing)
	if d.known.moved[d.worker] {
		return "/" + path
	}
	return path
}

func (d drawer) directory() Name { return pick(d, "directory", directoryPaths) }

func (d drawer) offset() int64 {
	if d.chance(2, "absurd offset") {
		return pick(d, "offset", absurd)
	}
	return pick(d, "offset", offsets)
}

func (d drawer) length() int64 { return pick(d, "length", lengths) }

func (d drawer) size() int64 {
	if d.chance(2, "absurd size") {
		return pick(d, "size", []int64{-1, -4096, -1 << 63})
	}
	return pick(d, "size", sizes)
}

// flags ors together the choices of the given pool that come up, each with its chance in 100.
func (d drawer) flags(label string, choices []flagChance) int {
	var flags int
	for _, choice := range choices {
		if d.chance(choice.chance, label) {
			flags |= choice.flag
		}
	}
	return flags
}

type flagChance struct {
	flag, chance int
}

// inArea draws a range of an area: where the call works on whole pages, aligned ones.
func (d drawer) inArea(c *Call, unit int64) {
	c.Area = d.area()
	if unit > 1 {
		c.Offset = unit * int64(d.below(areaPages, "page"))
		c.Length = unit * int64(1+d.below(areaPages, "pages"))
	} else {
		c.Offset = pick(d, "offset", []int64{0, 0, 1, 100, 4000, 4095, 4096, 5000, 8191, 8192, 12288, 16384, 40000, 65530})
		c.Length = pick(d, "length", []int64{1, 8, 100, 4096, 4097, 9000, 30000})
	}
	c.Length = min(c.Length, areaSize-c.Offset)
}
