package fs

import (
	"errors"

	"shmfs/semfs"

	"golang.org/x/sys/unix"
)

// helperMemory is one semaphore as the helper gets at it. It has the errors of helper's methods, and ENOENT when it is found by
// path and has no name.
type helperMemory struct {
	helper *helper                      // immutable
	find   func() (helperTarget, error) // where it is now; immutable
}

var _ semfs.Memory = (*helperMemory)(nil)

// memoryOf returns the memory of a node that is a semaphore, open and so known to the kernel. f.helper must not be nil.
func (f *Filesystem) memoryOf(node uint64) *helperMemory {
	return &helperMemory{helper: f.helper, find: func() (helperTarget, error) {
		target := helperTarget{node: node}
		var err error
		if f.helper.byHandle {
			target.generation, err = f.tree.Generation(node)
		} else {
			target.path, err = f.tree.Path(node)
		}
		return target, err
	}}
}

// mostRenames bounds how often an operation follows a semaphore that is renamed meanwhile. Only who means harm renames it as often.
const mostRenames = 10

// at does an operation where the semaphore is.
func (m *helperMemory) at(operate func(helperTarget) error) error {
	var err error
	for range mostRenames {
		var target helperTarget
		if target, err = m.find(); err != nil {
			return err
		}
		err = operate(target)
		if !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ESTALE) {
			return err
		}
	}
	return err
}

// State looks at the semaphore.
func (m *helperMemory) State() (state semfs.State, err error) {
	err = m.at(func(target helperTarget) (err error) {
		state, err = m.helper.State(target)
		return err
	})
	return state, err
}

// Post adds units.
func (m *helperMemory) Post(units uint32) error {
	return m.at(func(target helperTarget) error { return m.helper.Post(target, units) })
}

// Take takes units, or fails with EAGAIN.
func (m *helperMemory) Take(units uint32) error {
	return m.at(func(target helperTarget) error { return m.helper.Take(target, units) })
}

// Set makes the number of units value.
func (m *helperMemory) Set(value uint32) error {
	return m.at(func(target helperTarget) error { return m.helper.Set(target, value) })
}
