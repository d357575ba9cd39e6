package fs

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// sight decides what who asks may see of other processes and of directories, by asking the kernel with their rights. It remembers, so it
// is for one text.
type sight struct {
	filesystem *Filesystem
	from       asker
	processes  map[int]bool
	paths      map[string]bool // by directory
	until      time.Time       // when to ask again
}

// sightTime is how long the kernel's answers are relied on.
const sightTime = time.Second

// renew forgets answers that are too old.
func (s *sight) renew() {
	if moment := time.Now(); moment.After(s.until) {
		clear(s.processes)
		clear(s.paths)
		s.until = moment.Add(sightTime)
	}
}

func (f *Filesystem) newSight(from asker) *sight {
	return &sight{filesystem: f, from: from, processes: make(map[int]bool), paths: make(map[string]bool)}
}

// all says whether everything may be seen.
func (s *sight) all() bool { return s.from.uid == 0 }

// process says whether /proc would show who asks what a process maps and has open. What a process did that is gone is shown to its
// user.
func (s *sight) process(id int, uid uint32) bool {
	if s.all() {
		return true
	}
	s.renew()
	seen, known := s.processes[id]
	if !known {
		err := s.filesystem.as(s.from, func() error {
			descriptor, err := unix.Open(fmt.Sprintf("/proc/%d/maps", id), unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err == nil {
				err = unix.Close(descriptor)
			}
			return err
		})
		seen = err == nil || err == unix.ENOENT && uid == s.from.uid
		s.processes[id] = seen
	}
	return seen
}

// path says whether who asks may search the directory that a path leads through.
func (s *sight) path(path string) bool {
	if s.all() {
		return true
	}
	s.renew()
	directory := directoryOf(path)
	seen, known := s.paths[directory]
	if !known {
		seen = s.filesystem.maySee(s.from, path)
		s.paths[directory] = seen
	}
	return seen
}

// nameless is how an object shows that has no name any more.
func nameless(node uint64) string { return fmt.Sprintf("#%d", node) }
