package fs

import (
	"errors"

	"golang.org/x/sys/unix"
)

// mostUnrecorded bounds how far back registrations of backing files are looked for that a process did not live to record. The kernel
// numbers them in a row, and each thread has one at a time under way.
const mostUnrecorded = 1024

// closeUnrecorded ends the registrations that nobody knows of: their files would stay as long as the mount.
func (f *Filesystem) closeUnrecorded() error {
	if !f.passthru {
		return nil
	}
	next, err := nextBacking(f.descriptor)
	if err != nil {
		return err
	}
	known := f.tree.Tokens()
	for _, words := range f.state.openings.Each {
		known[uint32(words[openingBacking])] = struct{}{}
	}
	for id := max(1, next-mostUnrecorded); id < next; id++ {
		if _, recorded := known[uint32(id)]; recorded {
			continue
		}
		if err := closeBacking(f.descriptor, id); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return nil
}

// nextBacking is the id that the kernel gives next, after all that it has given.
func nextBacking(device int) (int32, error) {
	probe, err := unix.MemfdCreate("shmfs-probe", unix.MFD_CLOEXEC)
	if err != nil {
		return 0, err
	}
	defer unix.Close(probe)
	id, err := openBacking(device, probe)
	if err != nil {
		return 0, err
	}
	return id, closeBacking(device, id)
}
