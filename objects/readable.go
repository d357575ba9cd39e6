package objects

import (
	"golang.org/x/sys/unix"
)

// Readable says whether the calling thread may read what was found.
func (f *Found) Readable() bool {
	descriptor, err := openName(f.directory, f.name, unix.O_PATH)
	if err != nil {
		return false
	}
	defer unix.Close(descriptor)
	var stat unix.Stat_t
	if unix.Fstat(descriptor, &stat) != nil || f.tree.nodeID(stat.Ino) != f.Stat.Ino {
		return false // it has made way for another
	}
	return readable(descriptor) == nil
}

// Readable says whether somebody may read a node: as runs a function on a thread that has their rights.
func (t *Tree) Readable(id uint64, as func(func() error) error) bool {
	descriptor, err := t.reach(id, unix.O_PATH)
	if err != nil {
		return false
	}
	defer unix.Close(descriptor)
	return as(func() error { return readable(descriptor) }) == nil
}

// readable fails unless the calling thread may read what is open. It reads nothing, so that nobody is told of an open file. Before Linux 5.8 it
// fails for everybody.
func readable(descriptor int) error {
	return unix.Faccessat2(descriptor, "", unix.R_OK, unix.AT_EMPTY_PATH|unix.AT_EACCESS)
}
