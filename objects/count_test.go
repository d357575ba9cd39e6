package objects

import (
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// isCounted says which names the tests have counted.
func isCounted(name string) bool { return name < "c" || strings.HasPrefix(name, "f") }

// countByWalk is what Count should say.
func (w *world) countByWalk(t reporter) Count {
	t.Helper()
	var count Count
	seen := make(map[uint64]bool)
	wantNoError(t, "walking", w.tree.Walk(func(found *Found) error {
		switch found.Stat.Mode & unix.S_IFMT {
		case unix.S_IFDIR:
			count.Directories++
		case unix.S_IFREG:
			if !strings.Contains(found.Path, "/") && isCounted(found.Path) {
				count.Names++
			}
			if !seen[found.Stat.Ino] {
				count.Files++
				count.Resident += found.Stat.Blocks * 512
			}
			seen[found.Stat.Ino] = true
		}
		return nil
	}))
	return count
}

// wantNumbers checks what is counted but for the memory.
func (w *world) wantNumbers(t reporter) {
	t.Helper()
	got, err := w.tree.Count()
	if w.kind.directory {
		wantError(t, "counting in a directory store", err, unix.EOPNOTSUPP)
		return
	}
	wantNoError(t, "Count", err)
	want := w.countByWalk(t)
	if got.Resident = want.Resident; got != want {
		t.Fatalf("counted %+v, a walk finds %+v", got, want)
	}
}

// wantCount checks what is counted, while nothing changes.
func (w *world) wantCount(t reporter) {
	t.Helper()
	w.wantNumbers(t)
	if w.kind.directory {
		return
	}
	const tries = 10000 // the kernel may free the memory of what has just been closed a little later
	want := w.countByWalk(t)
	for try := 0; ; try++ {
		got, err := w.tree.Count()
		wantNoError(t, "Count", err)
		if got.Resident == want.Resident {
			return
		}
		if try == tries {
			t.Fatalf("%d bytes are counted, a walk finds %d", got.Resident, want.Resident)
		}
		_, _ = unix.Poll(nil, 3)
	}
}

// countUntil counts until the channel is closed.
func (w *world) countUntil(t *testing.T, stopped chan struct{}) {
	for {
		select {
		case <-stopped:
			return
		default:
		}
		if got, err := w.tree.Count(); err != nil || min(got.Files, got.Directories, got.Names, int(got.Resident)) < 0 {
			t.Errorf("counted %+v, %v", got, err)
			return
		}
	}
}

// Many clients change names in the root and elsewhere, and sizes, while somebody counts. When they pause, it is as a walk finds it.
func TestCountWhileMuchChanges(t *testing.T) {
	const clients, rounds, steps = 4, 20, 30
	for _, name := range []string{"tmpfs", "tmpfs without handles"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, storeKinds[name], "", 80*pageSize)
			first := w.mkdir(t, "first")
			crowd := &crowd{
				world: w, directories: []uint64{first.ID, RootID}, names: []string{"a", "b", "c", "d"}, locks: make([]sync.RWMutex, 2),
			}
			stopped := make(chan struct{})
			var counting sync.WaitGroup
			counting.Go(func() { w.countUntil(t, stopped) })
			var all []*client
			for number := range uint64(clients) {
				all = append(all, &client{crowd: crowd, random: rand.New(rand.NewPCG(number, 5))})
			}
			for range rounds {
				var changing sync.WaitGroup
				for _, c := range all {
					changing.Go(func() {
						for range steps {
							if err := c.step(); !expected(err) {
								t.Errorf("unexpected: %v", err)
							}
						}
					})
				}
				changing.Wait()
				w.wantCount(t)
			}
			close(stopped)
			counting.Wait()
			for _, c := range all {
				for len(c.held) > 0 {
					c.forget()
				}
			}
			w.wantCount(t)
			w.removeEverything(t, RootID)
			w.tree.Forget(first.ID, 1)
			w.wantCount(t)
			w.wantEmpty(t)
			w.close(t)
		})
	}
}

// removeEverything removes all names in a directory.
func (w *world) removeEverything(t *testing.T, directory uint64) {
	t.Helper()
	for _, name := range w.names(t, directory) {
		entry, err := w.tree.Lookup(directory, name)
		wantNoError(t, "Lookup", err)
		if entry.Stat.Mode&unix.S_IFMT == unix.S_IFDIR {
			w.removeEverything(t, entry.ID)
			wantNoError(t, "Rmdir", w.tree.Rmdir(directory, name))
		} else {
			wantNoError(t, "Unlink", w.tree.Unlink(directory, name))
		}
		w.tree.Forget(entry.ID, 1)
	}
}

// What counts and what does not, one thing after the other.
func TestCount(t *testing.T) {
	for _, name := range []string{"tmpfs", "tmpfs without handles"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, storeKinds[name], "", 1<<20)
			defer func() { w.close(t) }()
			want := func(doing string, want Count) {
				t.Helper()
				if got, err := w.tree.Count(); err != nil || got != want {
					t.Errorf("%s: counted %+v, %v; want %+v", doing, got, err, want)
				}
				w.wantCount(t)
			}
			want("nothing", Count{})
			entry := w.create(t, "a")
			want("a file", Count{Files: 1, Names: 1})
			w.write(t, entry.ID, "text", 0)
			want("a page", Count{Files: 1, Names: 1, Resident: pageSize})
			directory := w.mkdir(t, "b")
			want("a directory, whose name is none that counts", Count{Files: 1, Directories: 1, Names: 1, Resident: pageSize})
			_, err := w.tree.Link(entry.ID, directory.ID, "a")
			wantNoError(t, "Link", err)
			want("a second name elsewhere", Count{Files: 1, Directories: 1, Names: 1, Resident: pageSize})
			_, err = w.tree.Link(entry.ID, RootID, "bb")
			wantNoError(t, "Link", err)
			want("a third name", Count{Files: 1, Directories: 1, Names: 2, Resident: pageSize})
			link, err := w.tree.Symlink(RootID, "aa", strings.Repeat("t", 2000), Caller{})
			wantNoError(t, "Symlink", err)
			want("a link that takes a page", Count{Files: 1, Directories: 1, Names: 2, Resident: pageSize})
			_, err = w.tree.Mknod(RootID, "ab", unix.S_IFIFO|0o600, 0, Caller{})
			wantNoError(t, "Mknod", err)
			want("a FIFO", Count{Files: 1, Directories: 1, Names: 2, Resident: pageSize})
			wantNoError(t, "Rename", w.tree.Rename(directory.ID, "a", RootID, "ab", 0, Caller{}))
			want("a name moved to the root, over a FIFO", Count{Files: 1, Directories: 1, Names: 3, Resident: pageSize})
			wantNoError(t, "Rename", w.tree.Rename(RootID, "b", RootID, "bb", unix.RENAME_EXCHANGE, Caller{}))
			want("a directory in a file's place", Count{Files: 1, Directories: 1, Names: 3, Resident: pageSize})
			wantNoError(t, "Rename", w.tree.Rename(RootID, "a", directory.ID, "x", unix.RENAME_WHITEOUT, Caller{}))
			want("a whiteout in a file's place", Count{Files: 1, Directories: 1, Names: 2, Resident: pageSize})
			_, err = w.tree.Erase(entry.ID)
			wantNoError(t, "Erase", err)
			want("a file without a name", Count{Directories: 1})
			w.unlink(t, "aa")
			want("a link without a name", Count{Directories: 1})
			w.tree.Forget(entry.ID, 4)
			w.tree.Forget(link.ID, 1)
			want("nobody knows them", Count{Directories: 1})
			nameless, err := createTmpfile(w.tree, RootID, 0o600, Caller{})
			wantNoError(t, "Tmpfile", err)
			w.write(t, nameless.ID, "text", 0)
			want("a file that never had a name", Count{Directories: 1})
			_, err = w.tree.Link(nameless.ID, RootID, "af")
			wantNoError(t, "Link", err)
			want("it gets one", Count{Directories: 1, Files: 1, Names: 1, Resident: pageSize})
		})
	}
}

// What there was before is counted, and what an earlier version has recorded is not taken for something else.
func TestCountAfterADeath(t *testing.T) {
	m := newMortal(t, storeKinds["tmpfs"], "", 1<<20)
	defer m.close(t)
	entry := m.create(t, "a")
	m.write(t, entry.ID, "text", 0)
	_, err := m.tree.Symlink(RootID, "link", strings.Repeat("t", 2000), Caller{})
	wantNoError(t, "Symlink", err)
	m.mkdir(t, "directory")
	die := func() {
		t.Helper()
		m.bury(t)
		wantNoError(t, "closing the dead process's tree", m.tree.Close())
		m.begin(t)
	}
	die()
	m.wantCount(t)
	for what, id := range map[string]uint64{"kind": entry.ID, "link": m.lookup(t, "link").ID} {
		row := m.tree.nodes[id].row
		flags := row.Load(nodeFlags)
		if what == "kind" {
			row.Store(nodeFlags, flags&^(0xf<<kindShift))
		} else {
			row.Store(nodeFlags, flags&^(flagLinkInside|flagLinkPaged))
		}
		die()
		_, err = m.tree.Count()
		wantError(t, "counting what was recorded without its "+what, err, unix.EOPNOTSUPP)
		m.tree.nodes[id].row.Store(nodeFlags, flags)
		die()
		m.wantCount(t)
	}
}
