package fs

import (
	"shmfs/objects"

	"bazil.org/fuse"
)

// truncateOnce empties a file that is opened with O_TRUNC. The kernel does not have the file locked meanwhile (fuse_open, without its
// writeback cache): others write to it right after it was emptied, and what they wrote must not go because the request comes again.
//
// Their writes that come to the daemon, all that make a file longer under commit=strict, find the truncation noted. Under commit=lazy some
// go past the daemon: if such a one falls between the truncation and the note, and the process dies there, it goes.
func (f *Filesystem) truncateOnce(r *fuse.OpenRequest, object *objects.Object) error {
	before, err := object.Region().Size()
	if err != nil {
		return err
	}
	what := attempt{kind: attemptTruncate, node: uint64(r.Node), other: uint64(before)}
	_, _, err = f.once(r, what, func() (uint64, error) {
		return 0, object.Truncate(func() { f.attempts.settle(r, 0, nil) })
	})
	return err
}
