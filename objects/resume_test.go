package objects

import (
	"maps"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// onEachMortal runs a test with a tree that can die, on a store of each kind.
func onEachMortal(t *testing.T, limit int64, test func(t *testing.T, m *mortal)) {
	for name, kind := range storeKinds {
		t.Run(name, func(t *testing.T) {
			m := newMortal(t, kind, t.TempDir(), limit)
			defer func() {
				m.close(t)
				wantSame(t, "descriptors", descriptors(t), m.before)
			}()
			test(t, m)
		})
	}
}

// dieAndGoOn ends the living process as the system does, and has another go on.
func (m *mortal) dieAndGoOn(t reporter) {
	t.Helper()
	m.bury(t)
	wantNoError(t, "closing a dead process's descriptors", m.tree.Close())
	m.begin(t)
	m.wantSound(t)
}

func (m *mortal) wantLookups(t reporter, id, want uint64) {
	t.Helper()
	if node := m.tree.nodes[id]; node == nil || node.lookups != want {
		t.Errorf("node %d is %+v, want %d references", id, node, want)
	}
}

// TestResume has two processes die, one after the other, that have done nothing since the first.
func TestResume(t *testing.T) {
	onEachMortal(t, smallLimit, func(t *testing.T, m *mortal) {
		named, gone := m.create(t, "named"), m.create(t, "gone")
		m.lookup(t, "named")
		m.lookup(t, "named")
		m.write(t, named.ID, "named", 0)
		m.write(t, gone.ID, "gone", pageSize)
		m.unlink(t, "gone")
		forgotten := m.create(t, "forgotten")
		m.tree.Forget(forgotten.ID, 1)
		directory := m.mkdir(t, "directory")
		wantNoError(t, "Rmdir", m.tree.Rmdir(RootID, "directory"))
		nameless, object, err := m.tree.Tmpfile(RootID, 0o600, Caller{})
		wantNoError(t, "Tmpfile", err)
		wantNoError(t, "Allocate", object.Allocate(unix.FALLOC_FL_KEEP_SIZE, 0, 3*pageSize))
		wantNoError(t, "closing", object.Close())
		for range 2 {
			m.dieAndGoOn(t)
			m.wantNodes(t, 6)
			m.wantUsed(t, 6*pageSize)
			m.wantLookups(t, named.ID, 3)
			m.wantLookups(t, gone.ID, 1)
			m.wantLookups(t, forgotten.ID, 0)
			m.wantLookups(t, directory.ID, 1)
			m.wantLookups(t, nameless.ID, 1)
			m.wantContent(t, named.ID, "named")
			if stat := m.stat(t, gone.ID); stat.Nlink != 0 || stat.Size != pageSize+4 {
				t.Errorf("what was unlinked has %d links and %d bytes", stat.Nlink, stat.Size)
			}
			if stat := m.stat(t, directory.ID); stat.Mode != unix.S_IFDIR|0o755 {
				t.Errorf("what was a directory has mode %o", stat.Mode)
			}
			entry, err := m.tree.Entry(named.ID)
			if wantNoError(t, "Entry", err); entry.ID != named.ID || entry.Generation != named.Generation {
				t.Errorf("node %d.%d is %d.%d", named.ID, named.Generation, entry.ID, entry.Generation)
			}
		}
		if doubtful := m.tree.Doubtful(); !slices.Equal(slices.Sorted(slices.Values(doubtful)), slices.Sorted(slices.Values([]uint64{gone.ID, directory.ID, nameless.ID}))) {
			t.Errorf("nodes %d are doubtful", doubtful)
		}
		wantNoError(t, "linking", linkError(m.tree.Link(nameless.ID, RootID, "nameless")))
		m.tree.Forget(named.ID, 3)
		m.tree.Forget(gone.ID, 1)
		m.tree.Forget(directory.ID, 1)
		m.wantGone(t, gone.ID)
		m.wantGone(t, directory.ID)
		m.wantSound(t)
		m.wantAllGone(t)
	})
}

func linkError(_ Entry, err error) error { return err }

// What nobody keeps is gone with the process, and its charge with it.
func TestResumeOfWhatIsGone(t *testing.T) {
	onEachMortal(t, smallLimit, func(t *testing.T, m *mortal) {
		entry := m.create(t, "file")
		m.write(t, entry.ID, "hello", 0)
		m.unlink(t, "file")
		wantNoError(t, "letting go", m.life.LetGo(entry.ID, 0))
		m.bury(t)
		wantNoError(t, "closing a dead process's descriptors", m.tree.Close())
		m.begin(t)
		m.wantGone(t, entry.ID)
		m.wantSound(t)
		m.wantUsed(t, 0)
	})
}

// The keeper may hold what the process that asked for it did not come to note.
func TestResumeLetsGoOfTheRest(t *testing.T) {
	onEachMortal(t, smallLimit, func(t *testing.T, m *mortal) {
		entry := m.create(t, "file")
		descriptor, err := m.tree.reach(entry.ID, unix.O_PATH)
		wantNoError(t, "reaching", err)
		_, err = m.life.Keep(entry.ID, descriptor)
		wantNoError(t, "keeping", err)
		closeHeld(descriptor)
		_, err = m.life.Keep(1<<40, m.tree.store.Root())
		wantNoError(t, "keeping", err)
		m.dieAndGoOn(t)
		if len(m.keeper.held) > 0 {
			t.Errorf("the keeper holds %v", m.keeper.held)
		}
	})
}

// mortalModel is a tree that dies between calls, and what it must be like.
type mortalModel struct {
	*treeModel
	mortal *mortal
}

// Die has another process go on, which opens again what was open.
func (m *mortalModel) Die(t *rapid.T) {
	for _, file := range m.files {
		for _, object := range file.objects {
			wantNoError(t, "closing", object.Close())
		}
	}
	m.mortal.dieAndGoOn(t)
	for _, file := range m.files {
		lookups := uint64(0)
		if file.referred {
			lookups = 1
		}
		m.mortal.wantLookups(t, file.id, lookups)
		for i := range file.objects {
			file.objects[i] = m.mortal.openObject(t, file.id)
		}
	}
}

func TestMortalTreeAgainstItsModel(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(storeKinds)) {
		t.Run(name, func(t *testing.T) {
			directory := t.TempDir()
			rapid.Check(t, func(t *rapid.T) {
				rapid.SyncTest(t, func(t *rapid.T) {
					mortal := newMortal(t, storeKinds[name], directory, modelLimit*pageSize)
					m := &mortalModel{&treeModel{world: &mortal.world, limit: modelLimit * pageSize}, mortal}
					defer func() {
						mortal.close(t) // also the objects
						emptyDirectory(t, directory)
					}()
					t.Repeat(rapid.StateMachineActions(m))
					for _, file := range m.files {
						for _, object := range file.objects {
							wantNoError(t, "closing", object.Close())
						}
					}
					mortal.wantAllGone(t)
				})
			})
		})
	}
}
