package fs

import (
	"shmfs/objects"

	"golang.org/x/sys/unix"
)

// countAll says how much of what there is: at once where the tree knows it, otherwise by a walk.
func (f *Filesystem) countAll() (objects.Count, error) {
	if counted, err := f.tree.Count(); err == nil {
		return counted, nil
	}
	return f.countByWalk()
}

// countByWalk counts every inode once, with the daemon's own rights. Names are those of semaphores.
func (f *Filesystem) countByWalk() (objects.Count, error) {
	var counted objects.Count
	seen := make(map[uint64]struct{})
	err := f.walkAs(asker{}, func(found *objects.Found) error {
		kind := kindOf(found)
		if kind == "semaphore" {
			counted.Names++
		}
		if kind == "directory" {
			counted.Directories++
			return nil
		}
		if _, again := seen[found.Stat.Ino]; again || found.Stat.Mode&unix.S_IFMT != unix.S_IFREG {
			return nil
		}
		if found.Stat.Nlink > 1 {
			seen[found.Stat.Ino] = struct{}{}
		}
		counted.Files++
		resident, err := found.Resident()
		counted.Resident += resident
		return err
	})
	return counted, err
}
