package differential

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
)

// side is one of the two mounts, with its workers. Not for concurrent use.
type side struct {
	name    string // for reports
	mount   string // directory
	told    lie
	workers []*process // one for each identity
	watcher *process   // root; it prepares, describes and removes the tree

	cases     int
	directory string         // of the current case
	inodes    map[string]int // inode number to the order of its appearance in this case
	baseline  Outcome        // usage of the mount before the first case
}

// newSide starts the workers for a mount.
func newSide(name, mount string, told lie) (*side, error) {
	s := &side{name: name, mount: mount, told: told}
	if err := s.start(); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	before, err := s.watcher.ask(request{Control: controlUsage, Directory: mount})
	if err != nil {
		return nil, errors.Join(err, s.stop())
	}
	s.baseline = before.Outcome
	return s, nil
}

func (s *side) start() error {
	for range identities {
		worker, err := startProcess(s.told)
		if err != nil {
			return err
		}
		s.workers = append(s.workers, worker)
	}
	watcher, err := startProcess("")
	s.watcher = watcher
	return err
}

// stop ends all workers.
func (s *side) stop() error {
	var problems []error
	for _, each := range append(s.workers, s.watcher) {
		if each != nil {
			problems = append(problems, each.stop())
		}
	}
	s.workers, s.watcher = nil, nil
	return errors.Join(problems...)
}

// begin makes a new case: a directory with the first tree in it, and every worker confined to it.
func (s *side) begin() error {
	s.cases++
	s.directory = filepath.Join(s.mount, fmt.Sprintf("case-%d", s.cases))
	s.inodes = make(map[string]int)
	if err := demand(s.watcher, request{Control: controlPrepare, Directory: s.directory}); err != nil {
		return err
	}
	for i, worker := range s.workers {
		if err := demand(worker, request{Control: controlEnter, Directory: s.directory, Identity: i}); err != nil {
			return err
		}
	}
	return demand(s.watcher, request{Control: controlEnter, Directory: s.directory})
}

// end undoes begin and whatever the case did.
func (s *side) end() error {
	for _, worker := range append(s.workers, s.watcher) {
		if err := demand(worker, request{Control: controlLeave}); err != nil {
			return err
		}
	}
	return demand(s.watcher, request{Control: controlRemove, Directory: s.directory})
}

func demand(worker *process, asked request) error {
	answer, err := worker.ask(asked)
	if err != nil {
		return fmt.Errorf("%s %s: %w", asked.Control, asked.Directory, err)
	}
	if answer.Outcome.Errno != "" {
		return fmt.Errorf("%s %s: %s", asked.Control, asked.Directory, answer.Outcome.Errno)
	}
	return nil
}

// identityOf replaces an inode number by its order of appearance, which is comparable between the sides.
func (s *side) identityOf(inode string) string {
	if _, seen := s.inodes[inode]; !seen {
		s.inodes[inode] = len(s.inodes) + 1
	}
	return fmt.Sprintf("inode no. %d", s.inodes[inode])
}

// processOf replaces a process id by the worker's number.
func (s *side) processOf(id string) string {
	for i, worker := range s.workers {
		if strconv.Itoa(worker.command.Process.Pid) == id {
			return fmt.Sprintf("worker %d", i)
		}
	}
	return id
}
