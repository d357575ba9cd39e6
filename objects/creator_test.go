package objects

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"shmfs/mmapcore/record"

	"golang.org/x/sys/unix"
)

var (
	shortCreator = Creator{Process: 4711, Command: "bash", Cgroup: "/user.slice"}
	longCreator  = Creator{Process: 1<<32 - 1, Command: strings.Repeat("c", commandBytes), Cgroup: strings.Repeat("/cgroup", 100)}
)

// wantCreatorsSound demands that the nodes, what is known of their creators and the record agree.
func (m *mortal) wantCreatorsSound(t reporter) {
	t.Helper()
	uses, rows := map[*creator]int{}, map[record.Row]bool{}
	for id, node := range m.tree.nodes {
		if one := node.creator; one != nil {
			if uses[one]++; one.number == 0 || m.tree.creators.byNumber[one.number] != one {
				t.Errorf("node %d has a creator that nobody knows: %+v", id, one)
			}
		}
	}
	for row := range m.tree.creators.table.Each {
		rows[row] = true
	}
	numbers := map[uint32]bool{0: true}
	for _, number := range m.tree.creators.free {
		numbers[number] = true
	}
	for number, one := range m.tree.creators.byNumber {
		if (one == nil) != numbers[uint32(number)] {
			t.Errorf("number %d is free: %v, and %+v has it", number, numbers[uint32(number)], one)
		}
		if one == nil {
			continue
		}
		if one.uses == 0 || one.uses != uses[one] {
			t.Errorf("%d nodes have the creator %+v", uses[one], one)
		}
		for _, row := range one.rows {
			if !rows[row] {
				t.Errorf("a row of %+v is not recorded, or another's", one)
			}
			delete(rows, row)
		}
	}
	if len(rows) > 0 {
		t.Errorf("%d rows are of no creator", len(rows))
	}
}

func (m *mortal) wantCreator(t reporter, id uint64, want Creator) {
	t.Helper()
	if found, known := m.tree.Creator(id); found != want || known != (want != Creator{}) {
		t.Errorf("node %d was created by %+v (%v), want %+v", id, found, known, want)
	}
}

// wantNumbersOfCreators checks which numbers are in use.
func (m *mortal) wantNumbersOfCreators(t reporter, want ...uint32) {
	t.Helper()
	var used []uint32
	for number, one := range m.tree.creators.byNumber {
		if one != nil {
			used = append(used, uint32(number))
		}
	}
	if !slices.Equal(used, want) {
		t.Errorf("creators have the numbers %d, want %d", used, want)
	}
}

// TestCreatorsOutliveTheProcess has processes die: what has a creator keeps it, whether or not anybody refers to it, and while it has a name or
// somebody has it.
func TestCreatorsOutliveTheProcess(t *testing.T) {
	onEachMortal(t, smallLimit, func(t *testing.T, m *mortal) {
		entries := map[string]Entry{"known": m.create(t, "known"), "forgotten": m.create(t, "forgotten"), "nameless": m.create(t, "nameless"),
			"directory": m.mkdir(t, "directory"), "long": m.create(t, "long"), "nobody's": m.create(t, "nobody's"), "cut": m.create(t, "cut")}
		want := map[string]Creator{"known": shortCreator, "forgotten": shortCreator, "nameless": {Process: 1, Command: "init"},
			"directory": {Process: 4711, Command: "bash"}, "long": longCreator, "cut": {Command: "sixteen bytes 90"}}
		for name, by := range want {
			m.tree.SetCreator(entries[name].ID, by)
		}
		m.tree.SetCreator(entries["cut"].ID, Creator{Command: "sixteen bytes 90 and more"})
		m.unlink(t, "nameless")
		m.tree.Forget(entries["forgotten"].ID, 1)
		m.wantSound(t)
		for range 3 {
			m.dieAndGoOn(t)
			for name, entry := range entries {
				m.wantCreator(t, entry.ID, want[name])
			}
		}
		again := m.lookup(t, "forgotten")
		m.wantCreator(t, again.ID, shortCreator)
		if a, b := m.tree.nodes[entries["known"].ID].creator, m.tree.nodes[again.ID].creator; a != b || a.uses != 2 {
			t.Errorf("two that the same process made have %+v and %+v", a, b)
		}
		for _, name := range []string{"other", "third"} {
			m.tree.SetCreator(m.create(t, name).ID, shortCreator)
		}
		if uses := m.tree.creators.known[shortCreator].uses; uses != 2 {
			t.Errorf("two that the same process made afterwards share one that has %d", uses)
		}
		m.wantAllGone(t)
	})
}

// What is gone has no creator, and its number is another's afterwards, also in the next process.
func TestCreatorsOfWhatIsGone(t *testing.T) {
	onEachMortal(t, smallLimit, func(t *testing.T, m *mortal) {
		var ids []uint64
		for i, by := range []Creator{longCreator, shortCreator, {Process: 5}} {
			entry := m.create(t, fmt.Sprint("file", i))
			m.tree.SetCreator(entry.ID, by)
			ids = append(ids, entry.ID)
		}
		m.wantNumbersOfCreators(t, 1, 2, 3)
		m.tree.SetCreator(ids[0], Creator{Process: 6})
		m.wantNumbersOfCreators(t, 2, 3, 4)
		m.unlink(t, "file1")
		m.wantCreator(t, ids[1], shortCreator)
		m.tree.Forget(ids[1], 1)
		m.wantNumbersOfCreators(t, 3, 4)
		m.tree.SetCreator(ids[1], longCreator) // it is nobody any more
		m.wantCreator(t, ids[1], Creator{})
		m.wantSound(t)
		m.dieAndGoOn(t)
		for _, name := range []string{"new0", "new1", "new2"} {
			m.tree.SetCreator(m.create(t, name).ID, Creator{Command: name})
		}
		m.wantNumbersOfCreators(t, 1, 2, 3, 4, 5)
		m.wantSound(t)
		m.dieAndGoOn(t)
		m.wantAllGone(t)
		m.wantNumbersOfCreators(t)
	})
}

// Rows that nobody can have written make no creator, and do no harm.
func TestMangledCreators(t *testing.T) {
	onEachMortal(t, smallLimit, func(t *testing.T, m *mortal) {
		whole, torn, unknown := m.create(t, "whole"), m.create(t, "torn"), m.create(t, "unknown")
		m.tree.SetCreator(whole.ID, longCreator)
		m.tree.SetCreator(torn.ID, Creator{Cgroup: longCreator.Cgroup})
		m.tree.nodes[unknown.ID].row.Store(nodeFlags, m.tree.nodes[unknown.ID].flags()|77<<creatorShift)
		table := m.tree.creators.table
		m.tree.nodes[torn.ID].creator.rows[1].Remove()
		length := uint64(len(longCreator.text())) << 32
		for _, words := range [][]uint64{
			{0, 0}, {1<<64 - 1, 0}, {length, 0}, {length | mostCreators + 1, 0}, {length | 1, 1 << 40}, {length | 1, uint64(piecesOf(len(longCreator.text())))},
			{length | 1, 0}, {100<<32 | 1, 0}, {(cgroupAt-1)<<32 | 9, 0}, {(longestText+1)<<32 | 9, 0}, {length | 9, 3},
		} {
			_, err := table.Add(words...)
			wantNoError(t, "adding a row", err)
		}
		m.dieAndGoOn(t)
		m.wantCreator(t, whole.ID, longCreator)
		m.wantCreator(t, torn.ID, Creator{})
		m.wantCreator(t, unknown.ID, Creator{})
		if node := m.tree.nodes[unknown.ID]; node.row.Load(nodeFlags) != node.flags() {
			t.Errorf("the node is still recorded with a number that will be another's: %#x", node.row.Load(nodeFlags))
		}
		m.wantAllGone(t)
	})
}

// What has no room in the record is known to this process alone.
func TestCreatorsWithoutRoom(t *testing.T) {
	onEachMortal(t, smallLimit, func(t *testing.T, m *mortal) {
		entry, other, last := m.create(t, "file"), m.create(t, "other"), m.create(t, "last")
		m.tree.SetCreator(entry.ID, Creator{Cgroup: strings.Repeat("c", unix.PathMax+1)})
		if found, known := m.tree.Creator(entry.ID); !known || len(found.Cgroup) != unix.PathMax+1 {
			t.Errorf("the creator has a control group of %d bytes", len(found.Cgroup))
		}
		m.tree.creators.byNumber = append(m.tree.creators.byNumber, make([]*creator, mostCreators-len(m.tree.creators.byNumber))...)
		m.tree.SetCreator(other.ID, longCreator) // the last number but the one that the first has given back
		m.tree.SetCreator(last.ID, shortCreator)
		m.tree.SetCreator(entry.ID, Creator{Process: 1})
		m.wantCreator(t, entry.ID, Creator{Process: 1})
		m.dieAndGoOn(t)
		m.wantCreator(t, entry.ID, Creator{})
		m.wantCreator(t, other.ID, longCreator)
		m.wantCreator(t, last.ID, shortCreator)
	})
}

// Several make and remove things at one time, of a few processes.
func TestCreatorsAtOneTime(t *testing.T) {
	onEachMortal(t, smallLimit, func(t *testing.T, m *mortal) {
		var group sync.WaitGroup
		for who := range 4 {
			group.Go(func() {
				for i := range 100 {
					name, by := fmt.Sprint("file", who), Creator{Process: uint32(1 + (who+i)%3), Cgroup: longCreator.Cgroup}
					entry, err := createFile(m.tree, RootID, name, 0o644, Caller{})
					if err != nil {
						t.Error(err)
						return
					}
					m.tree.SetCreator(entry.ID, by)
					if found, known := m.tree.Creator(entry.ID); !known || found != by {
						t.Errorf("%s was created by %+v (%v)", name, found, known)
					}
					if err := m.tree.Unlink(RootID, name); err != nil {
						t.Error(err)
					}
					m.tree.Forget(entry.ID, 1)
				}
			})
		}
		group.Wait()
		m.wantSound(t)
		m.wantNumbersOfCreators(t)
		m.dieAndGoOn(t)
		m.wantNumbersOfCreators(t)
	})
}
