package fs

import "testing"

// What a process that has died told the kernel of a semaphore, and the kernel did not come to hear, is forgotten with the semaphore: also the
// nodes apart.
func TestNodesApartThatNobodyHeardOfAreForgotten(t *testing.T) {
	m := newMortal(t)
	defer m.end()
	node, handle := m.openFile("sem.a", "3\n")
	own := m.f.semaphores.find(node)
	m.f.semaphores.enter(own) // so that who comes next gets a node apart
	if entry, err := m.f.tree.Lookup(1, "sem.a"); err != nil || m.f.semaphores.handOut(entry.ID, 1000, true)&apartBit == 0 {
		t.Fatalf("looking it up: %v, and no node apart", err)
	}
	m.dieAndGoOn()
	if rows := m.f.state.memory.Rows()["apart"]; rows != 1 {
		t.Fatalf("%d nodes apart have come down, want 1", rows)
	}
	m.must(message{opcode: opUnlink, node: 1, body: []byte("sem.a\x00")})
	m.must(message{opcode: opRelease, node: node, body: releaseBody(handle)})
	m.unlearn(node)
	if rows := m.rows(); rows != "" || len(m.f.semaphores.apart) > 0 || m.f.tree.Known() != 1 {
		t.Errorf("%d nodes are known, %d apart, and in the record is\n%s", m.f.tree.Known(), len(m.f.semaphores.apart), rows)
	}
}
