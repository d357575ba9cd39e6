package fs

import (
	"os"

	"shmfs/fs/caller"
)

// asker is who opens a file of the daemon's own tree. The zero asker is the daemon itself.
type asker struct {
	uid, gid uint32
	thread   uint32 // as the request says
}

// as runs a function with the rights of who asks, so that the kernel decides what they may see. The daemon of an ordinary user serves
// that user alone, and has no other rights.
func (f *Filesystem) as(from asker, function func() error) error {
	if from == (asker{}) || os.Geteuid() != 0 {
		return function()
	}
	return caller.As(caller.Of(from.thread, from.uid, from.gid), function)
}
