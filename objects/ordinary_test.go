package objects

import (
	"errors"
	"runtime"
	"testing"

	"shmfs/mmapcore"

	"golang.org/x/sys/unix"
)

const ordinaryUser = 65534

// asOrdinaryUser runs a test on a thread that belongs to an ordinary user, in a tree on a store that does so too.
func asOrdinaryUser(t *testing.T, test func(t *testing.T, w *world)) {
	stores := map[string]func() (*mmapcore.Store, error){
		"tmpfs": func() (*mmapcore.Store, error) {
			mount, err := mmapcore.MountTmpfs(mmapcore.TmpfsOptions{Mode: 0o700, UID: ordinaryUser, GID: ordinaryUser})
			if err != nil {
				return nil, err
			}
			if err := becomeOrdinary(); err != nil {
				return nil, err
			}
			return mmapcore.StoreOnMount(mount)
		},
		"directory": func() (*mmapcore.Store, error) {
			path := t.TempDir() // of the outer test, which removes it as root
			if err := unix.Chown(path, ordinaryUser, ordinaryUser); err != nil {
				return nil, err
			}
			// The directories above are root's alone, so it is gone to before; with a working directory of this thread's own.
			if err := errors.Join(unix.Unshare(unix.CLONE_FS), unix.Chdir(path), becomeOrdinary()); err != nil {
				return nil, err
			}
			return mmapcore.OpenDirectory(".")
		},
	}
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			runtime.LockOSThread() // never unlocked: the thread ends with the test
			w := &world{before: descriptors(t), ledger: NewLedger(smallLimit)}
			store, err := open()
			wantNoError(t, "opening a store as an ordinary user", err)
			if store.HandsOutHandles() {
				t.Fatal("an ordinary user's store hands out handles")
			}
			w.tree, err = New(store, w.ledger)
			wantNoError(t, "making a tree", err)
			w.empty = descriptors(t)
			test(t, w)
			w.close(t)
		})
	}
}

// becomeOrdinary makes this thread, and no other, an ordinary user's for good.
func becomeOrdinary() error {
	for _, call := range []uintptr{unix.SYS_SETRESGID, unix.SYS_SETRESUID} {
		if _, _, errno := unix.RawSyscall(call, ordinaryUser, ordinaryUser, ordinaryUser); errno != 0 {
			return errno
		}
	}
	return nil
}

// An ordinary user's daemon creates everything as that user, whoever asks: its mount serves nobody else.
func TestOrdinaryUserOwnsEverything(t *testing.T) {
	asOrdinaryUser(t, func(t *testing.T, w *world) {
		for name, maker := range makers {
			for _, caller := range []Caller{{UID: ordinaryUser, GID: ordinaryUser}, {UID: 0, GID: 0}, {UID: 7, GID: 8}} {
				entry, err := maker.call(w, RootID, "new", 0o640, caller)
				wantNoError(t, name, err)
				wantOwned(t, name, &entry.Stat, ordinaryUser, ordinaryUser, 0o640)
				w.removeAny(t, name, RootID, "new")
				w.tree.Forget(entry.ID, 1)
			}
		}
		w.wantEmpty(t)
	})
}

// The life of a file, from its creation to its end, needs no privilege.
func TestOrdinaryUsersLifeCycle(t *testing.T) {
	asOrdinaryUser(t, func(t *testing.T, w *world) {
		entry := w.create(t, "file")
		w.write(t, entry.ID, "hello", 0)
		directory := w.mkdir(t, "directory")
		_, err := w.tree.Link(entry.ID, directory.ID, "linked")
		wantNoError(t, "Link", err)
		wantNoError(t, "Rename", w.tree.Rename(RootID, "file", directory.ID, "moved", 0, Caller{}))
		w.tree.Forget(entry.ID, 2)
		w.tree.Forget(directory.ID, 1)
		w.wantUsed(t, pageSize)

		directory = w.lookup(t, "directory")
		found, err := w.tree.Lookup(directory.ID, "moved")
		wantNoError(t, "Lookup", err)
		if found.ID != entry.ID || found.Stat.Nlink != 2 {
			t.Errorf("found %d with %d links, want %d with 2", found.ID, found.Stat.Nlink, entry.ID)
		}
		w.wantContent(t, found.ID, "hello")
		_, err = w.tree.Change(found.ID, Change{Size: pointer(3 * pageSize)})
		wantNoError(t, "Change of the size", err)
		wantNoError(t, "Setxattr", w.tree.Setxattr(found.ID, "user.mark", []byte("x"), 0))
		wantNoError(t, "Unlink", w.tree.Unlink(directory.ID, "moved"))
		wantNoError(t, "Unlink", w.tree.Unlink(directory.ID, "linked"))
		w.write(t, found.ID, "still", 0)
		w.wantUsed(t, 3*pageSize)
		w.tree.Forget(found.ID, 1)
		w.wantGone(t, found.ID)

		unnamed, err := createTmpfile(w.tree, directory.ID, 0o600, Caller{UID: ordinaryUser, GID: ordinaryUser})
		wantNoError(t, "Tmpfile", err)
		_, err = w.tree.Link(unnamed.ID, directory.ID, "named")
		wantNoError(t, "Link of a Tmpfile", err)
		wantNoError(t, "Unlink", w.tree.Unlink(directory.ID, "named"))
		w.tree.Forget(unnamed.ID, 2)
		wantNoError(t, "Rmdir", w.tree.Rmdir(RootID, "directory"))
		w.tree.Forget(directory.ID, 1)
		w.wantEmpty(t)
	})
}

// The store holds an ordinary user to the modes of his files, as any file system does.
func TestOrdinaryUserIsHeldToModes(t *testing.T) {
	asOrdinaryUser(t, func(t *testing.T, w *world) {
		entry, err := createFile(w.tree, RootID, "file", 0o400, Caller{UID: ordinaryUser, GID: ordinaryUser})
		wantNoError(t, "Create", err)
		object, err := w.tree.Open(entry.ID, unix.O_RDONLY)
		wantNoError(t, "Open for reading", err)
		wantNoError(t, "closing", object.Close())
		_, err = w.tree.Open(entry.ID, unix.O_RDWR)
		wantError(t, "Open for writing", err, unix.EACCES)
		_, err = w.tree.Change(entry.ID, Change{Size: pointer(pageSize)})
		wantError(t, "Change of the size", err, unix.EACCES)
		_, err = w.tree.Change(entry.ID, Change{Mode: pointer(uint32(0o200))})
		wantNoError(t, "Change of the mode", err)
		_, err = w.tree.Change(entry.ID, Change{Size: pointer(pageSize)})
		wantNoError(t, "Change of the size of what may be written", err)
		_, err = w.tree.Change(entry.ID, Change{UID: pointer(uint32(0))})
		wantError(t, "Change of the owner", err, unix.EPERM)
		w.wantUsed(t, pageSize)
		w.unlink(t, "file")
		w.tree.Forget(entry.ID, 1)
		w.wantEmpty(t)
	})
}
