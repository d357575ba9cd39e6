package fs

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"shmfs/objects"

	"golang.org/x/sys/unix"
)

// A semaphore that is mapped, and that neither its users have open nor the kernel knows any more, is removed at the end of the mapping also by
// the next process, and then nothing is left of it.
func TestForgottenOrphanOutlivesTheProcess(t *testing.T) {
	m := newMortal(t)
	defer m.end()
	m.f.agreed.passthrough = true // mappings are not seen as open files
	node, handle := m.openFile("sem.a", "3\n")
	body := append(words(6, 0, 0, 0), orphanAttribute+"\x00"+orphanRemove...)
	m.must(message{opcode: opSetxattr, node: node, body: body})
	mapping := m.mapped(node)
	defer mapping.Close()
	m.must(message{opcode: opRelease, node: node, body: releaseBody(handle)})
	watched := func() error {
		if !m.f.orphans.watches(node) {
			return errors.New("it is not watched")
		}
		return nil
	}
	eventually(t, watched)
	m.unlearn(node)
	m.dieAndGoOn()
	m.f.agreed.passthrough = true
	m.f.lookForLeftBehind()
	eventually(t, watched)
	if _, err := m.f.tree.Peek(1, "sem.a"); err != nil {
		t.Errorf("while it is mapped: %v", err)
	}
	if err := mapping.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		_, err := m.f.tree.Peek(1, "sem.a")
		if rows := m.f.state.memory.Rows()["semaphores"]; !errors.Is(err, unix.ENOENT) || rows != 0 {
			return fmt.Errorf("the semaphore that nobody uses: %v, and %d semaphores in the record", err, rows)
		}
		return nil
	})
}

// mapped opens a node's file in the store, as a mapping keeps it open.
func (m *mortal) mapped(node uint64) *os.File {
	m.t.Helper()
	object, err := m.f.tree.Open(node, unix.O_RDWR)
	if err != nil {
		m.t.Fatal(err)
	}
	defer object.Close()
	file, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", object.Region().Descriptor()), os.O_RDWR, 0)
	if err != nil {
		m.t.Fatal(err)
	}
	return file
}

// Of a semaphore that was left, opened again and renamed to what is none, nothing is to be found out, and nothing stays when the kernel forgets it.
func TestRenamedOrphanIsForgotten(t *testing.T) {
	o := newOrphanage(t, true)
	node, file, mapping := o.openedAgain("sem.a")
	defer mapping.Close()
	o.want(o.tree.Rename(objects.RootID, "sem.a", objects.RootID, "plain", 0, objects.Caller{}))
	o.renamed(objects.RootID, "plain")
	o.released(file, 3)
	o.settled()
	o.forget(node, 1)
	if rows := o.state.memory.Rows()["semaphores"]; rows != 0 || o.semaphores.knows(node) {
		t.Errorf("there are %d semaphores in the record", rows)
	}
}
