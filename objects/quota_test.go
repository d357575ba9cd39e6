package objects

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"shmfs/mmapcore"

	"golang.org/x/sys/unix"
)

// as is who makes something for a user.
func as(uid uint32) Caller { return Caller{UID: uid, GID: uid} }

func (w *world) wantHeld(t reporter, uid uint32, pages, objects int64) {
	t.Helper()
	wantHeld(t, w.tree.account, uid, pages, objects)
}

// The root belongs to nobody's objects, whoever owns it.
func TestTheRootIsNoObject(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		w.tree.SetQuotaOf(ann, Quota{Bytes: pageSize, Objects: 1})
		owner := ann
		_, err := w.tree.Change(RootID, Change{UID: &owner})
		wantNoError(t, "giving the root away", err)
		w.wantHeld(t, ann, 0, 0)
		w.wantHeld(t, 0, 0, 0)
		w.wantCounted(t)
		owner = 0
		_, err = w.tree.Change(RootID, Change{UID: &owner})
		wantNoError(t, "giving the root back", err)
	})
}

// A lookup that has found an inode just before its last name went, and its node with it, must not bring it back: it would be given back
// twice.
func TestWhatIsGoneIsNotAdopted(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		entry := w.create(t, "file")
		w.write(t, entry.ID, "x", 2*pageSize)
		found, err := w.tree.reach(entry.ID, unix.O_PATH)
		wantNoError(t, "reaching", err)
		defer unix.Close(found)
		var stat unix.Stat_t
		wantNoError(t, "fstat", unix.Fstat(found, &stat))
		node, err := w.tree.newNode(found, &stat) // before the name goes
		wantNoError(t, "newNode", err)
		w.tree.Forget(entry.ID, 1)
		w.unlink(t, "file")
		w.wantUsed(t, 0)
		_, err = w.tree.adopt(found)
		wantError(t, "adopting what has gone", err, unix.ENOENT)
		_, err = w.tree.insert(node, found, &stat, false)
		wantError(t, "inserting what has gone", err, unix.ENOENT)
		w.wantNodes(t, 1)
		w.wantCounted(t)
	})
}

// What fails half-way leaves the charge where the inode is.
func TestTransferThatFails(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		entry, err := createFile(w.tree, RootID, "file", 0o600, as(ann))
		wantNoError(t, "Create", err)
		w.write(t, entry.ID, "x", 0)
		descriptor, err := w.tree.reach(entry.ID, unix.O_PATH)
		wantNoError(t, "reaching", err)
		failed := errors.New("failed")
		err = w.tree.transfer(entry.ID, descriptor, ben, false, func() error { return failed })
		wantError(t, "a transfer that does nothing", err, failed)
		w.wantHeld(t, ann, 1, 1)
		w.wantHeld(t, ben, 0, 0)
		err = w.tree.transfer(entry.ID, descriptor, ben, false, func() error {
			if w.tree.node(entry.ID).row.Load(nodeCharged)&unsettled == 0 {
				t.Error("a process after this one would not look who owns it")
			}
			return errors.Join(unix.Fchownat(descriptor, "", int(ben), -1, unix.AT_EMPTY_PATH), failed)
		})
		wantError(t, "a transfer that fails afterwards", err, failed)
		w.wantHeld(t, ann, 0, 0)
		w.wantHeld(t, ben, 1, 1)
		w.wantCounted(t)
		wantNoError(t, "closing", unix.Close(descriptor))
		w.unlink(t, "file")
		w.tree.Forget(entry.ID, 1)
		w.wantEmpty(t)
	})
}

// Where the mount has no inode left either, that comes first.
func TestOutOfInodesComesBeforeQuota(t *testing.T) {
	store, err := mmapcore.NewTmpfs(mmapcore.TmpfsOptions{Inodes: 4, Mode: 0o755})
	wantNoError(t, "NewTmpfs", err)
	tree, err := New(store, nil)
	wantNoError(t, "New", err)
	defer tree.Close()
	tree.SetQuota(Quota{Objects: 2})
	for i, want := range []error{nil, nil, unix.EDQUOT} {
		_, err := createFile(tree, RootID, fmt.Sprint("file", i), 0o600, as(ann))
		if !errors.Is(err, want) {
			t.Fatalf("object %d: error is %v, want %v", i, err, want)
		}
	}
	_, err = createFile(tree, RootID, "last", 0o600, Caller{}) // the root is the fourth
	wantNoError(t, "root's file", err)
	_, err = createFile(tree, RootID, "more", 0o600, as(ann))
	wantError(t, "without inodes", err, unix.ENOSPC)
	_, err = createFile(tree, RootID, "last", 0o600, as(ann))
	wantError(t, "a name that is taken", err, unix.EEXIST)
}

// What is about to come free is waited for, here too.
func TestQuotaWaitsForWhatIsAboutToGo(t *testing.T) {
	onEachStoreInABubble(t, smallLimit, func(t *testing.T, w *world) {
		w.tree.SetQuota(Quota{Objects: 1})
		entry, err := createFile(w.tree, RootID, "file", 0o600, as(ann))
		wantNoError(t, "Create", err)
		start := time.Now()
		_, err = createFile(w.tree, RootID, "other", 0o600, as(ann))
		wantError(t, "another", err, unix.EDQUOT)
		if waited := time.Since(start); waited != 0 {
			t.Errorf("waited for %v", waited)
		}
		w.unlink(t, "file")
		made := make(chan error)
		go func() {
			_, err := createFile(w.tree, RootID, "other", 0o600, as(ann))
			made <- err
		}()
		time.Sleep(patience / 2)
		synctest.Wait()
		w.tree.Forget(entry.ID, 1)
		wantNoError(t, "another when the first went", <-made)
	})
}

func TestUsageForAUser(t *testing.T) {
	const none = -1 // of the figures: the mount's own
	cases := []struct {
		name                       string
		mount, quota, others, held int64 // pages
		blocks, left               int64
	}{
		{"no quota", 100, 0, 10, 5, none, none},
		{"room", 100, 20, 10, 5, 20, 15},
		{"others fill the mount", 100, 20, 90, 5, 20, 5},
		{"used up", 100, 5, 10, 5, 5, 0},
		{"over", 100, 3, 10, 5, 3, 0},
		{"more than the mount", 100, 200, 10, 5, none, none},
		{"mount without limit", 0, 20, 10, 5, 20, 15},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, storeKinds["tmpfs"], "", c.mount*pageSize)
			defer func() { w.close(t) }()
			w.tree.SetQuotaOf(ann, Quota{Bytes: c.quota * pageSize, Objects: 9})
			for uid, size := range map[uint32]int64{ann: c.held, ben: c.others} {
				entry, err := createFile(w.tree, RootID, fmt.Sprint(uid), 0o600, as(uid))
				wantNoError(t, "Create", err)
				size *= pageSize
				_, err = w.tree.Change(entry.ID, Change{Size: &size, Exempt: true})
				wantNoError(t, "resizing", err)
			}
			whole, err := w.tree.Usage()
			wantNoError(t, "Usage", err)
			got, err := w.tree.UsageFor(ann)
			wantNoError(t, "UsageFor", err)
			want := whole
			if c.blocks != none {
				want.Blocks, want.Bfree, want.Bavail = uint64(c.blocks), uint64(c.left), uint64(c.left)
			}
			want.Files, want.Ffree = 9, 8
			if got != want {
				t.Errorf("ann sees %+v, want %+v", got, want)
			}
			for _, uid := range []uint32{0, ben} {
				if seen, err := w.tree.UsageFor(uid); err != nil || seen != whole {
					t.Errorf("user %d sees %+v, %v, want %+v", uid, seen, err, whole)
				}
			}
		})
	}
}

// Users who make, grow, give away and remove at once: nobody goes beyond a limit, and in the end the books are what is there.
func TestQuotasConcurrently(t *testing.T) {
	const pages, objects = 60, 12
	onEachStore(t, 100*pageSize, func(t *testing.T, w *world) {
		w.tree.SetQuota(Quota{Bytes: pages * pageSize, Objects: objects})
		users := []uint32{ann, ben, cai}
		var done sync.WaitGroup
		for worker := range 6 {
			done.Go(func() {
				h := harassment{tree: w.tree, uid: users[worker%3], random: rand.New(rand.NewPCG(uint64(worker), 5))}
				for range 100 {
					if err := h.step(users); err != nil && !errors.Is(err, unix.EDQUOT) && !errors.Is(err, unix.ENOSPC) {
						t.Errorf("user %d: %v", h.uid, err)
						return
					}
					for _, user := range w.tree.Users() {
						if user.Held.Bytes > pages*pageSize || user.Held.Objects > objects || user.Held.Bytes < 0 || user.Held.Objects < 0 {
							t.Errorf("user %d holds %v", user.UID, user.Held)
							return
						}
					}
				}
				h.end()
			})
		}
		done.Wait()
		w.wantCounted(t)
		w.removeAll(t)
		w.wantEmpty(t)
	})
}

// harassment is a user who never stops.
type harassment struct {
	tree   *Tree
	uid    uint32
	random *rand.Rand
	mine   []Entry // referred to
	made   int
}

func (h *harassment) step(users []uint32) error {
	if len(h.mine) == 0 || h.random.IntN(3) == 0 {
		return h.make()
	}
	i := h.random.IntN(len(h.mine))
	one := h.mine[i]
	switch h.random.IntN(4) {
	case 0:
		to := users[h.random.IntN(len(users))]
		_, err := h.tree.Change(one.ID, Change{UID: &to})
		return err
	case 1:
		h.tree.Forget(one.ID, 1)
		h.mine = append(h.mine[:i], h.mine[i+1:]...)
		return nil
	}
	object, err := h.tree.Open(one.ID, unix.O_RDWR)
	if err != nil {
		return err
	}
	defer object.Close()
	size := h.random.Int64N(20 * pageSize)
	switch h.random.IntN(3) {
	case 0:
		_, err = object.WriteAt(make([]byte, 3*pageSize), size)
	case 1:
		err = object.Allocate(uint32(h.random.IntN(2))*unix.FALLOC_FL_KEEP_SIZE, size, pageSize)
	case 2:
		err = object.Resize(size)
	}
	return err
}

// make makes a file, which loses its name at once as often as not.
func (h *harassment) make() error {
	h.made++
	name := fmt.Sprintf("%p %d", h, h.made)
	entry, err := createFile(h.tree, RootID, name, 0o600, as(h.uid))
	if err != nil {
		return err
	}
	h.mine = append(h.mine, entry)
	if h.random.IntN(2) == 0 {
		return h.tree.Unlink(RootID, name)
	}
	return nil
}

func (h *harassment) end() {
	for _, one := range h.mine {
		h.tree.Forget(one.ID, 1)
	}
}
