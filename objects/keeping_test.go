package objects

import (
	"testing"

	"golang.org/x/sys/unix"
)

// tokenKeeper gives out one token, and looks around when it is to let go.
type tokenKeeper struct {
	token uint32
	letGo func(node uint64)
}

func (k *tokenKeeper) Keep(uint64, int) (uint32, error) { return k.token, nil }

func (k *tokenKeeper) LetGo(node uint64, token uint32) error {
	if token == k.token {
		k.letGo(node)
	}
	return nil
}

// A process that dies while it lets go of an inode leaves the token to the next one: nobody else knows what is kept.
func TestRecordForgetsTokenLast(t *testing.T) {
	onEachMortal(t, smallLimit, func(t *testing.T, m *mortal) {
		flagsOf := func(id uint64) uint64 { return m.tree.node(id).row.Load(nodeFlags) }
		letGo := 0
		keeper := &tokenKeeper{token: 7, letGo: func(node uint64) {
			letGo++
			if flags := flagsOf(node); flags&flagKept == 0 || flags>>32 != 7 {
				t.Errorf("while it is let go, the record says %#x", flags)
			}
		}}
		before := m.tree.keeper
		m.tree.keeper = keeper
		entry, err := createTmpfile(m.tree, RootID, 0o600, Caller{})
		wantNoError(t, "making a file without a name", err)
		descriptor, err := m.tree.reach(entry.ID, unix.O_PATH)
		wantNoError(t, "reaching", err)
		m.tree.settle(descriptor)
		closeHeld(descriptor)
		_, err = m.tree.Link(entry.ID, RootID, "name")
		wantNoError(t, "linking", err)
		if flags := flagsOf(entry.ID); letGo != 1 || flags&flagKept != 0 || flags>>32 != 0 {
			t.Errorf("let go %d times, and the record says %#x", letGo, flags)
		}
		m.tree.keeper = before
	})
}
