package fs

import (
	"errors"
	"fmt"
	"sync/atomic"

	"shmfs/semfs"

	"golang.org/x/sys/unix"
)

// helperMemory is one semaphore as the helper gets at it. It has the errors of helper's methods, and ENOENT when it is found by
// path and has no name.
type helperMemory struct {
	helper *helper                      // immutable
	find   func() (helperTarget, error) // where it is now; immutable
	next   atomic.Uint32                // the stamp that the next change is likely to have
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

// ask has an operation done where the semaphore is.
func (m *helperMemory) ask(request helperRequest) (answer helperAnswer, err error) {
	for range mostRenames {
		if request.target, err = m.find(); err != nil {
			return helperAnswer{}, err
		}
		answer, err = m.helper.call(request)
		if !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ESTALE) {
			return answer, err
		}
	}
	return helperAnswer{}, err
}

// State looks at the semaphore.
func (m *helperMemory) State() (semfs.State, error) {
	answer, err := m.ask(helperRequest{operation: helperState})
	return answer.state, err
}

// mostStamps bounds how often a change is tried with another stamp. Only who means harm changes it as often.
const mostStamps = 100

// Change makes a change. The process knows the stamp, and nobody but this memory changes it: so it is remembered, and told with the
// change, and known for certain after the first.
func (m *helperMemory) Change(kind semfs.Kind, units uint32, intend func(stamp uint32) error) (moved uint32, err error) {
	request := helperRequest{operation: helperChange, kind: kind, value: units, stamping: intend != nil}
	for range mostStamps {
		request.stamp = m.next.Load()
		if intend != nil {
			if err := intend(request.stamp); err != nil {
				return 0, err
			}
		}
		answer, err := m.ask(request)
		switch {
		case intend != nil && errors.Is(err, errNoAnswer):
			return m.settle(request, err)
		case err != nil:
			return 0, err
		case answer.done:
			m.next.Store(request.stamp + 1)
			return answer.moved, nil
		}
		m.next.Store(answer.stamp)
	}
	return 0, fmt.Errorf("a semaphore's stamp was changed %d times meanwhile: %w", mostStamps, unix.EBUSY)
}

// settle finds out whether a change was made to which no answer came for a reason. It may have moved fewer units than it should; nobody
// knows then.
func (m *helperMemory) settle(request helperRequest, reason error) (moved uint32, err error) {
	done, err := m.Settle(request.stamp)
	switch {
	case err != nil:
		return 0, errors.Join(reason, err)
	case done:
		return request.value, nil
	}
	return 0, reason
}

// Settle finds out whether the change with a stamp was made.
func (m *helperMemory) Settle(stamp uint32) (done bool, err error) {
	answer, err := m.ask(helperRequest{operation: helperSettle, stamp: stamp})
	return answer.done, err
}
