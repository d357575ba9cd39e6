package objects

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// count goes through everything that there is, with and without a name, and adds up what it stands for.
func (w *world) count(t reporter) map[uint32]Holding {
	t.Helper()
	held := map[uint32]Holding{}
	add := func(stat *unix.Stat_t) {
		holding := Holding{Bytes: w.tree.standingCharge(stat), Objects: 1}
		if node := w.tree.node(w.tree.nodeID(stat.Ino)); node != nil {
			holding.Bytes = max(holding.Bytes, node.reservedEnd)
		}
		addTo(held, stat.Uid, holding)
	}
	err := w.tree.eachInode(func(_ int, _ string, stat *unix.Stat_t) error {
		add(stat)
		return nil
	})
	wantNoError(t, "going through all inodes", err)
	for _, node := range w.tree.namelessNodes() {
		stat := w.stat(t, node.id)
		add(&stat)
	}
	return held
}

// wantCounted checks that the books are what a count of what is there comes to, and the ledger their sum. Nothing may be going on.
func (w *world) wantCounted(t reporter) {
	t.Helper()
	books := map[uint32]Holding{}
	var sum int64
	for _, user := range w.tree.Users() {
		addTo(books, user.UID, user.Held)
		sum += user.Held.Bytes
	}
	if there := w.count(t); !maps.Equal(books, there) {
		t.Errorf("the books say %v, what is there is %v", books, there)
	}
	w.wantUsed(t, sum)
}

// Whoever takes a tree up finds everything charged to whom it was.
func TestBooksOutliveTheProcess(t *testing.T) {
	onEachMortal(t, smallLimit, func(t *testing.T, m *mortal) {
		var nameless []uint64
		for i, uid := range []uint32{ann, ben, 0, ann} {
			_, err := m.tree.Mkdir(RootID, fmt.Sprint("directory", i), 0o700, as(uid))
			wantNoError(t, "Mkdir", err)
			entry, err := createFile(m.tree, RootID, fmt.Sprint("file", i), 0o600, as(uid))
			wantNoError(t, "Create", err)
			m.write(t, entry.ID, "text", int64(i)*pageSize)
			_, err = m.tree.Link(entry.ID, RootID, fmt.Sprint("link", i))
			wantNoError(t, "Link", err)
			to := []uint32{ann, ben}[i%2]
			_, err = m.tree.Change(entry.ID, Change{UID: &to})
			wantNoError(t, "giving away", err)
			unlinked, err := createFile(m.tree, RootID, "unlinked", 0o600, as(uid))
			wantNoError(t, "Create", err)
			object := m.openObject(t, unlinked.ID)
			wantNoError(t, "Allocate", object.Allocate(unix.FALLOC_FL_KEEP_SIZE, 0, 3*pageSize))
			wantNoError(t, "closing", object.Close())
			m.unlink(t, "unlinked")
			nameless = append(nameless, unlinked.ID)
		}
		m.wantHeld(t, ann, 10, 6)
		before := fmt.Sprint(m.tree.Users())
		for range 2 {
			m.dieAndGoOn(t)
			if after := fmt.Sprint(m.tree.Users()); after != before {
				t.Errorf("there was %s, and is %s", before, after)
			}
		}
		for _, id := range nameless {
			m.tree.Forget(id, 1)
		}
		m.wantAllGone(t)
	})
}

// What was made and not recorded is charged when it is found.
func TestBooksOfWhatWasMadeUnrecorded(t *testing.T) {
	onEachMortal(t, smallLimit, func(t *testing.T, m *mortal) {
		root := m.tree.store.Root()
		wantNoError(t, "making things as a user", m.tree.caller.as(as(ann), func() error {
			return errors.Join(unix.Mknodat(root, "file", unix.S_IFREG|0o600, 0), unix.Symlinkat(strings.Repeat("t", 200), root, "link"))
		}))
		m.create(t, "moved")
		wantNoError(t, "Rename", m.tree.Rename(RootID, "moved", RootID, "there", unix.RENAME_WHITEOUT, as(ben)))
		m.wantHeld(t, ben, 0, 1)
		m.bury(t)
		wantNoError(t, "closing a dead process's descriptors", m.tree.Close())
		m.begin(t)
		m.wantHeld(t, ben, 0, 1)
		for _, name := range []string{"file", "link", "file", "there"} {
			_, err := m.tree.LookupMade(RootID, name, false)
			wantNoError(t, "LookupMade", err)
		}
		m.wantSound(t)
		m.wantAllGone(t)
	})
}
