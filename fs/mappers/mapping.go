package mappers

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Mapping is one mapping of a file of some mount in some process.
type Mapping struct {
	Process    int
	Inode      uint64 // of the file, as st_ino has it
	Range      Range
	Protection string // now: r, w and x, with - for what is missing
	Resident   int64  // bytes of the range in the process's memory
}

// ScanMount looks through all processes for mappings of any file of a device, as st_dev has it, or of one file of it unless inode is
// 0. They come by process and address. complete and the error are Scan's.
func ScanMount(ctx context.Context, device, inode uint64) (found []Mapping, complete bool, err error) {
	wanted := mountPattern{device: fmt.Appendf(nil, " %02x:%02x ", unix.Major(device), unix.Minor(device)), inode: inode}
	complete, err = eachProcess(ctx, func(name string) ([]Mapping, error) { return mappingsOf(name, wanted) },
		func(process int, mappings []Mapping) {
			for i := range mappings {
				mappings[i].Process = process
			}
			found = append(found, mappings...)
		})
	return found, complete, err
}

// mappingsOf finds the mappings in a process, and how much of them is in its memory.
func mappingsOf(process string, wanted mountPattern) ([]Mapping, error) {
	base := "/proc/" + process
	mappings, empty, err := readMappings(base, wanted)
	if err != nil {
		return nil, err
	}
	if empty { // the main thread may have ended before the others
		if base, mappings, err = mappingsOfThreads(base, process, wanted); err != nil {
			return nil, err
		}
	}
	if len(mappings) > 0 {
		addResident(base, mappings)
	}
	return mappings, nil
}

func mappingsOfThreads(base, process string, wanted mountPattern) (string, []Mapping, error) {
	threads, err := list(base + "/task")
	if err != nil {
		return base, nil, err
	}
	for _, thread := range threads {
		path := base + "/task/" + thread
		mappings, empty, err := readMappings(path, wanted)
		if err != nil && !isGone(err) || !empty {
			return path, mappings, err
		}
	}
	return base, nil, nil
}

func readMappings(path string, wanted mountPattern) (mappings []Mapping, empty bool, err error) {
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	text, err := read(path+"/maps", buffer)
	if isGoneThread(err) {
		return nil, true, nil
	}
	if err != nil {
		return nil, false, err
	}
	return wanted.find(text), len(text) == 0, nil
}

// isGoneThread says how Linux since 6.14 answers for a thread without memory.
func isGoneThread(err error) bool { return err == unix.ESRCH }

// mountPattern is what lines of maps have for files of one device.
type mountPattern struct {
	device []byte // " MAJOR:MINOR "
	inode  uint64 // 0: any
}

func (p mountPattern) find(text []byte) []Mapping {
	var mappings []Mapping
	for at := bytes.Index(text, p.device); at >= 0; at = bytes.Index(text, p.device) {
		start := bytes.LastIndexByte(text[:at], '\n') + 1
		line := text[start:]
		end := bytes.IndexByte(line, '\n')
		if end < 0 {
			end = len(line)
		}
		if one, ok := p.parse(line[:end], at-start); ok {
			mappings = append(mappings, one)
		}
		text = line[end:]
	}
	return mappings
}

// parse reads a line whose device begins at an offset; false when that is part of something else.
func (p mountPattern) parse(line []byte, at int) (Mapping, bool) {
	part, ok := parse(line[:at])
	if !ok {
		return Mapping{}, false
	}
	number, _, _ := bytes.Cut(line[at+len(p.device):], []byte{' '})
	inode, err := strconv.ParseUint(string(number), 10, 64)
	if err != nil || p.inode != 0 && inode != p.inode {
		return Mapping{}, false
	}
	return Mapping{Inode: inode, Range: part, Protection: string(bytes.Fields(line[:at])[1][:3])}, true
}

// addResident reads from smaps how much of each mapping is in memory. What cannot be read has nothing.
func addResident(base string, mappings []Mapping) {
	text, err := os.ReadFile(base + "/smaps")
	if err != nil {
		return
	}
	byStart := make(map[uint64]*Mapping, len(mappings))
	for i := range mappings {
		byStart[mappings[i].Range.Start] = &mappings[i]
	}
	var current *Mapping
	for line := range bytes.Lines(text) {
		if key, value, found := bytes.Cut(line, []byte("Rss:")); found && len(key) == 0 {
			if current != nil {
				current.Resident = kilobytes(value)
			}
			continue
		}
		if first, _, dashed := bytes.Cut(line[:min(len(line), 20)], []byte{'-'}); dashed {
			if start, err := strconv.ParseUint(string(first), 16, 64); err == nil {
				current = byStart[start]
			}
		}
	}
}

// kilobytes reads "  123 kB", in bytes.
func kilobytes(value []byte) int64 {
	fields := bytes.Fields(value)
	if len(fields) == 0 {
		return 0
	}
	amount, err := strconv.ParseInt(string(fields[0]), 10, 64)
	if err != nil {
		return 0
	}
	return amount << 10
}
