package mappers

import (
	"bytes"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// pattern is the part of a line of maps that tells the file: " MAJOR:MINOR INODE ", device in hexadecimal digits. A line looks like
//
//	7f0c2a5e3000-7f0c2a5e4000 rw-s 00001000 00:2c 17                         /dev/shm/sem.jobs (deleted)
//
// where the kernel writes line ends in paths as \012.
type pattern []byte

func newPattern(file File) pattern {
	return fmt.Appendf(nil, " %02x:%02x %d ", unix.Major(file.Device), unix.Minor(file.Device), file.Inode)
}

// find returns the mappings of the file in a text of maps. Most texts have none: those cost one search.
func (p pattern) find(text []byte) []Range {
	var ranges []Range
	for at := bytes.Index(text, p); at >= 0; at = bytes.Index(text, p) {
		start := bytes.LastIndexByte(text[:at], '\n') + 1
		// Whether the pattern stands where it should, rather than in a path, shows in what is before it.
		if one, ok := parse(text[start:at]); ok {
			ranges = append(ranges, one)
		}
		end := bytes.IndexByte(text[at:], '\n')
		if end < 0 {
			break
		}
		text = text[at+end:]
	}
	return ranges
}

// parse reads what a line has before the device; false when that is something else.
func parse(before []byte) (Range, bool) {
	fields := bytes.Fields(before)
	if len(fields) != 3 || len(fields[1]) < 4 {
		return Range{}, false
	}
	first, last, dashed := bytes.Cut(fields[0], []byte{'-'})
	start, startErr := strconv.ParseUint(string(first), 16, 64)
	end, endErr := strconv.ParseUint(string(last), 16, 64)
	offset, offsetErr := strconv.ParseUint(string(fields[2]), 16, 64)
	ok := dashed && startErr == nil && endErr == nil && offsetErr == nil
	return Range{Start: start, End: end, Offset: offset, Writable: fields[1][1] == 'w', Shared: fields[1][3] == 's'}, ok
}
