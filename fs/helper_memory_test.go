package fs

import (
	"os"
	"path/filepath"
	"testing"

	"shmfs/semfs"

	"golang.org/x/sys/unix"
)

func TestHelperMemory(t *testing.T) {
	h := newHelped(t)
	inode := h.makeSemaphore("sem.a", semfs.Glibc, 1)
	memory := &helperMemory{helper: h.helper, find: func() (helperTarget, error) { return by("sem.a", inode), nil }}
	for _, err := range []error{memory.Post(5), memory.Take(2), memory.Post(1)} {
		if err != nil {
			t.Error(err)
		}
	}
	state, err := memory.State()
	if err != nil || state.Value != 5 {
		t.Errorf("the state is %+v, %v", state, err)
	}
	wantErrno(t, "Take", memory.Take(6), unix.EAGAIN)
	if err := memory.Set(9); err != nil {
		t.Error(err)
	}
	h.wantValue("sem.a", inode, 9)
}

// An operation follows a semaphore that is renamed between finding its name and using it.
func TestHelperMemoryFollowsRenames(t *testing.T) {
	h := newHelped(t)
	inode := h.makeSemaphore("sem.0", semfs.Glibc, 0)
	names := []string{"sem.0", "sem.1", "sem.2", "sem.3"}
	at := func(number int) string { return filepath.Join(h.root, names[number]) }
	found := 0
	memory := &helperMemory{helper: h.helper, find: func() (helperTarget, error) {
		name := names[found]
		if found+1 < len(names) {
			if err := os.Rename(at(found), at(found+1)); err != nil {
				t.Error(err)
			}
			if found%2 == 0 { // another may have taken the name
				h.makeSemaphore(name, semfs.Glibc, 77)
			}
			found++
		}
		return by(name, inode), nil
	}}
	if err := memory.Post(1); err != nil {
		t.Error(err)
	}
	h.wantValue(names[found], inode, 1)
}

func TestHelperMemoryGivesUp(t *testing.T) {
	h := newHelped(t)
	inode := h.makeSemaphore("sem.a", semfs.Glibc, 0)
	asked := 0
	memory := &helperMemory{helper: h.helper, find: func() (helperTarget, error) {
		asked++
		return by("sem.elsewhere", inode), nil
	}}
	wantErrno(t, "Post", memory.Post(1), unix.ENOENT)
	if asked != mostRenames {
		t.Errorf("the path was asked for %d times", asked)
	}
	nameless := &helperMemory{helper: h.helper, find: func() (helperTarget, error) { return helperTarget{}, unix.ENOENT }}
	wantErrno(t, "Set of what has no name", nameless.Set(1), unix.ENOENT)
	_, err := nameless.State()
	wantErrno(t, "State of what has no name", err, unix.ENOENT)
}

// What the tests ask of a helper, and of a memory that it gets at.

func (h *helper) change(target helperTarget, kind semfs.Kind, units uint32) error {
	_, err := h.call(helperRequest{operation: helperChange, target: target, kind: kind, value: units})
	return err
}

func (h *helper) Post(target helperTarget, units uint32) error {
	return h.change(target, semfs.Post, units)
}
func (h *helper) Take(target helperTarget, units uint32) error {
	return h.change(target, semfs.Take, units)
}
func (h *helper) Set(target helperTarget, value uint32) error {
	return h.change(target, semfs.Set, value)
}

func (h *helper) State(target helperTarget) (semfs.State, error) {
	answer, err := h.call(helperRequest{operation: helperState, target: target})
	return answer.state, err
}

func (m *helperMemory) change(kind semfs.Kind, units uint32) error {
	_, err := m.Change(kind, units, nil)
	return err
}

func (m *helperMemory) Post(units uint32) error { return m.change(semfs.Post, units) }
func (m *helperMemory) Take(units uint32) error { return m.change(semfs.Take, units) }
func (m *helperMemory) Set(value uint32) error  { return m.change(semfs.Set, value) }
