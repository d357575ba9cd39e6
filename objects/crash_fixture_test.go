//go:build crashpoints

package objects

import (
	"fmt"

	"shmfs/mmapcore/crashpoint"
)

// stopAt runs something that never returns from the visit of that number to a crash point, counted from 0. It returns the name of the
// point; false when there were fewer visits.
func stopAt(visit int, run func()) (point string, stopped bool) {
	stops, ended := make(chan string, 1), make(chan struct{})
	stop := crashpoint.Watch(func(name string) {
		if visit--; visit < 0 {
			stops <- name
			select {} // with all that it has locked
		}
	})
	defer stop()
	go func() {
		defer close(ended)
		run()
	}()
	select {
	case <-ended:
		return "", false
	case point = <-stops:
		return point, true
	}
}

// dieAt is stopAt of the living process, which is dead then. Others die at each point of taking up what it has left, until one goes on.
func (m *mortal) dieAt(t reporter, visit int, run func()) (point string, died bool) {
	t.Helper()
	if point, died = stopAt(visit, run); !died {
		return "", false
	}
	for visit = 0; ; visit++ {
		m.bury(t)
		if _, died := stopAt(visit, func() { m.begin(t) }); !died {
			return point, true
		}
	}
}

// noteCreator sets a node's creator and demands that it is noted.
func (w *crashWorld) noteCreator(label string, by Creator) error {
	w.tree.SetCreator(w.ids[label], by)
	if found, known := w.tree.Creator(w.ids[label]); !known || found != by {
		return fmt.Errorf("%s has the creator %+v, %v", label, found, known)
	}
	return nil
}

// creatorOf describes a node's creator.
func (w *crashWorld) creatorOf(id uint64) string {
	by, known := w.tree.Creator(id)
	if !known {
		return ""
	}
	return fmt.Sprintf(" made by %d %s %d", by.Process, by.Command, len(by.Cgroup))
}
