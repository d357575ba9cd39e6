package fs

import (
	"errors"

	"shmfs/semfs"

	"golang.org/x/sys/unix"
)

// helperMemory is one semaphore as the helper gets at it. It has the errors of helper's methods, and those of path.
type helperMemory struct {
	helper *helper                // immutable
	inode  uint64                 // st_ino in the mount; immutable
	path   func() (string, error) // finds a name that leads to it now, relative to the root; immutable
}

var _ semfs.Memory = (*helperMemory)(nil)

// mostRenames bounds how often an operation follows a semaphore that is renamed meanwhile. Only who means harm renames it as often.
const mostRenames = 10

// at does an operation by a name that leads to the semaphore.
func (m *helperMemory) at(operate func(path string) error) error {
	var err error
	for range mostRenames {
		var path string
		if path, err = m.path(); err != nil {
			return err
		}
		err = operate(path)
		if !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ESTALE) {
			return err
		}
	}
	return err
}

// State looks at the semaphore.
func (m *helperMemory) State() (state semfs.State, err error) {
	err = m.at(func(path string) (err error) {
		state, err = m.helper.State(path, m.inode)
		return err
	})
	return state, err
}

// Post adds units.
func (m *helperMemory) Post(units uint32) error {
	return m.at(func(path string) error { return m.helper.Post(path, m.inode, units) })
}

// Take takes units, or fails with EAGAIN.
func (m *helperMemory) Take(units uint32) error {
	return m.at(func(path string) error { return m.helper.Take(path, m.inode, units) })
}

// Set makes the number of units value.
func (m *helperMemory) Set(value uint32) error {
	return m.at(func(path string) error { return m.helper.Set(path, m.inode, value) })
}
