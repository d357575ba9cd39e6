package objects

import (
	"bytes"
	"errors"
	"slices"

	"shmfs/mmapcore"

	"pgregory.net/rapid"
)

// Check compares the tree with the model after every step.
func (m *treeModel) Check(t *rapid.T) {
	limit, used := m.world.ledger.Figures()
	if limit != m.limit || used != m.used() || used > limit {
		t.Fatalf("%d charged of %d, want %d of %d", used, limit, m.used(), m.limit)
	}
	var names, want []string
	names = m.world.names(t, RootID)
	var sum int64
	for _, file := range m.files {
		if file.name != "" {
			want = append(want, file.name)
		}
		sum += m.checkFile(t, file)
	}
	slices.Sort(names)
	slices.Sort(want)
	wantSame(t, "names", names, want)
	if sum != used {
		t.Fatalf("%d charged, the files ask for %d", used, sum)
	}
	m.world.wantCount(t)
}

// checkFile compares a file with its model, keeps the promise of commit=strict to its word, and returns what the file asks for.
func (m *treeModel) checkFile(t *rapid.T, file *fileModel) int64 {
	if !file.referred { // then it has a name
		entry := m.world.lookup(t, file.name)
		defer m.world.tree.Forget(entry.ID, 1)
	}
	stat := m.world.stat(t, file.id)
	if stat.Size != int64(len(file.content)) || (stat.Nlink == 0) != (file.name == "") {
		t.Fatalf("%d bytes with %d links, want %d as %q", stat.Size, stat.Nlink, len(file.content), file.name)
	}
	object := m.world.openObject(t, file.id)
	defer object.Close()
	got := make([]byte, len(file.content))
	_, err := object.ReadAt(got, 0)
	wantNoError(t, "reading", err)
	if at := firstDifference(got, file.content); at >= 0 {
		t.Fatalf("byte %d is %d, want %d", at, got[at], file.content[at])
	}
	storeToEveryPage(t, object.Region(), file.content)
	after := m.world.stat(t, file.id)
	if m.world.kind.directory && after.Blocks*512 < roundToPages(after.Size) {
		t.Fatalf("%d bytes of disk for a file of %d", after.Blocks*512, after.Size)
	}
	return max(roundToPages(stat.Size), file.reserved)
}

func firstDifference(a, b []byte) int {
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return -1
}

// storeToEveryPage stores through a mapping what is there already, and something past the end too, which nobody may ever see.
func storeToEveryPage(t reporter, region *mmapcore.Region, content []byte) {
	t.Helper()
	size := int64(len(content))
	if size == 0 {
		return
	}
	mapping, err := region.Map(0, int(roundToPages(size)), mmapcore.ReadWrite)
	wantNoError(t, "mapping", err)
	defer mapping.Unmap()
	for offset := int64(0); offset < size; offset += pageSize {
		_, err := mapping.WriteAt(content[offset:offset+1], offset)
		wantNoError(t, "storing through a mapping", err)
	}
	if past := roundToPages(size) - size; past > 0 {
		_, err := mapping.WriteAt(bytes.Repeat([]byte{0xee}, int(past)), size)
		wantNoError(t, "storing past the end", err)
	}
}

// end gives back all objects and references, then all names, and checks that nothing is left.
func (m *treeModel) end(t *rapid.T) {
	var errs []error
	for _, file := range m.files {
		for _, object := range file.objects {
			errs = append(errs, object.Close())
		}
		if file.referred {
			m.world.tree.Forget(file.id, 1)
		}
	}
	wantNoError(t, "closing", errors.Join(errs...))
	if m.world.kind.directory {
		m.reopen(t)
	}
	m.world.removeAll(t)
	m.world.wantEmpty(t)
	m.world.close(t)
}

// abandon leaves nothing to the next run, should this one have ended early.
func (m *treeModel) abandon(t *rapid.T) {
	if m.world.tree == nil {
		return
	}
	for _, file := range m.files {
		for _, object := range file.objects {
			_ = object.Close()
		}
	}
	wantNoError(t, "closing the tree", m.world.tree.Close())
	emptyDirectory(t, m.world.path)
}

// reopen opens the tree again and checks what is charged then: the sizes, and of what was reserved behind them no more than it was.
func (m *treeModel) reopen(t *rapid.T) {
	var least, most int64
	for _, file := range m.files {
		if file.name != "" {
			least += roundToPages(int64(len(file.content)))
			most += file.charge()
		}
	}
	m.world.reopen(t)
	if _, used := m.world.ledger.Figures(); used < least || used > most {
		t.Errorf("%d bytes are charged after reopening, want %d to %d", used, least, most)
	}
}
