package mappers

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// File is the identity of a file.
type File struct {
	Device uint64 // of the file system, as st_dev has it
	Inode  uint64 // as st_ino has it
}

// Range is one mapping of a file, or what is left of one.
type Range struct {
	Start, End uint64 // addresses in the process; End is the first one behind
	Offset     uint64 // of Start in the file, in bytes
	Writable   bool   // now; mprotect(2) may change it
	Shared     bool   // MAP_SHARED: stores reach the file
}

// Mapper is a process that maps a file.
type Mapper struct {
	Process int     // id of the thread group
	Ranges  []Range // at least one, by address
}

// initProcess is the process that the machine or container began with.
const initProcess = 1

// Scan looks through all processes for those that map file. One that ends meanwhile is left out. complete is false if some process
// could not be looked at: another user's (EACCES, for who is not root), one that does not answer, or all that were left when ctx ended.
// Process 1 does not count: in a container it may have more rights than root and so refuse to be looked at, and it uses no files of mounts.
// A process that maps the file or forks only while the scan is under way may be missed. Error: when /proc cannot be read.
func Scan(ctx context.Context, file File) (found []Mapper, complete bool, err error) {
	wanted := newPattern(file)
	complete, err = eachProcess(ctx, func(name string) ([]Range, error) { return rangesOf(name, wanted) },
		func(process int, ranges []Range) { found = append(found, Mapper{Process: process, Ranges: ranges}) })
	return found, complete, err
}

// eachProcess makes an inquiry about every process, by the name of its directory in /proc, and hands over what there is to find. What it
// returns is Scan's.
func eachProcess[T any](ctx context.Context, inquire func(name string) ([]T, error), take func(process int, found []T)) (complete bool, err error) {
	names, err := list("/proc")
	if err != nil {
		return false, fmt.Errorf("listing the processes: %w", err)
	}
	complete = true
	for _, name := range names {
		process, err := strconv.Atoi(name)
		if err != nil {
			continue // no process
		}
		if ctx.Err() != nil {
			return false, nil
		}
		found, err := patiently(ctx, process, func() ([]T, error) { return inquire(name) })
		switch {
		case err != nil:
			complete = complete && (isGone(err) || process == initProcess && isRefused(err))
		case len(found) > 0:
			take(process, found)
		}
	}
	return complete, nil
}

// rangesOf finds the mappings in a process. All threads share them, but a thread that has ended shows none: the main thread may have
// ended before the others, so while there is nothing to see the next thread is asked.
func rangesOf(process string, wanted pattern) ([]Range, error) {
	ranges, empty, err := readMaps("/proc/"+process+"/maps", wanted)
	if err != nil || !empty {
		return ranges, err
	}
	tasks := "/proc/" + process + "/task/"
	threads, err := list(tasks)
	if err != nil {
		return nil, err
	}
	for _, thread := range threads {
		if thread == process {
			continue
		}
		ranges, empty, err = readMaps(tasks+thread+"/maps", wanted)
		if err != nil && !isGone(err) || !empty {
			return ranges, err
		}
	}
	return nil, nil // a zombie, or a thread of the kernel
}

// readMaps finds the mappings in a file of maps; empty says that it shows no memory at all.
func readMaps(path string, wanted pattern) (ranges []Range, empty bool, err error) {
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	text, err := read(path, buffer)
	if errors.Is(err, unix.ESRCH) { // how Linux since 6.14 says that a thread has no memory
		return nil, true, nil
	}
	if err != nil {
		return nil, false, err
	}
	return wanted.find(text), len(text) == 0, nil
}

// list returns the names in a directory of /proc.
func list(path string) ([]string, error) {
	directory, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer directory.Close()
	return directory.Readdirnames(-1)
}

// isRefused says whether an error means that the right to look at a process is missing.
func isRefused(err error) bool { return errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) }

// isGone says whether an error means that there is no such process or thread any more.
func isGone(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) }
