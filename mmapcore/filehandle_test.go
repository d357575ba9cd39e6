package mmapcore

import (
	"testing"

	"golang.org/x/sys/unix"
)

// onEachStore runs a test on a store of each kind.
func onEachStore(t *testing.T, test func(t *testing.T, store *Store)) {
	for name, open := range map[string]func(*testing.T) *Store{
		"tmpfs":     func(t *testing.T) *Store { return newStore(t, defaultOptions) },
		"directory": newDirectoryStore,
	} {
		t.Run(name, func(t *testing.T) {
			checkNoDescriptorLeft(t)
			store := open(t)
			if !store.HandsOutHandles() {
				t.Fatal("no file handles (run the tests as root, with the temporary directory on a file system that exports)")
			}
			test(t, store)
		})
	}
}

func inodeOf(t *testing.T, descriptor int) uint64 {
	t.Helper()
	var stat unix.Stat_t
	wantNoError(t, "stat", unix.Fstat(descriptor, &stat))
	return stat.Ino
}

func TestReopenFindsTheSameInode(t *testing.T) {
	onEachStore(t, func(t *testing.T, store *Store) {
		descriptor := createIn(t, store, "file")
		inode := inodeOf(t, descriptor)
		handle, err := store.Identify(descriptor)
		wantNoError(t, "Identify", err)
		wantNoError(t, "closing", unix.Close(descriptor))
		wantNoError(t, "rename", unix.Renameat(store.Root(), "file", store.Root(), "renamed"))
		for _, flags := range []int{unix.O_PATH, unix.O_RDONLY, unix.O_RDWR} {
			again, err := store.Reopen(handle, flags)
			wantNoError(t, "Reopen", err)
			if got := inodeOf(t, again); got != inode {
				t.Errorf("inode %d, want %d", got, inode)
			}
			second, err := store.Identify(again)
			wantNoError(t, "Identify", err)
			if second != handle {
				t.Errorf("handle %x, was %x", second, handle)
			}
			closeOnExec, err := unix.FcntlInt(uintptr(again), unix.F_GETFD, 0)
			wantNoError(t, "fcntl", err)
			if closeOnExec&unix.FD_CLOEXEC == 0 {
				t.Error("the descriptor would be inherited")
			}
			wantNoError(t, "closing", unix.Close(again))
		}
	})
}

// Every type of inode has a handle: the tree knows its nodes by it.
func TestEveryTypeOfInodeHasAHandle(t *testing.T) {
	onEachStore(t, func(t *testing.T, store *Store) {
		root := store.Root()
		wantNoError(t, "mkdir", unix.Mkdirat(root, "directory", 0o700))
		wantNoError(t, "symlink", unix.Symlinkat("target", root, "symlink"))
		wantNoError(t, "mkfifo", unix.Mknodat(root, "fifo", unix.S_IFIFO|0o600, 0))
		wantNoError(t, "mknod of a socket", unix.Mknodat(root, "socket", unix.S_IFSOCK|0o600, 0))
		wantNoError(t, "mknod of a device", unix.Mknodat(root, "device", unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))))
		for _, name := range []string{"directory", "symlink", "fifo", "socket", "device"} {
			descriptor, err := unix.Openat(root, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
			wantNoError(t, "open of "+name, err)
			handle, err := store.Identify(descriptor)
			wantNoError(t, "Identify of "+name, err)
			again, err := store.Reopen(handle, unix.O_PATH)
			wantNoError(t, "Reopen of "+name, err)
			if inodeOf(t, again) != inodeOf(t, descriptor) {
				t.Errorf("%s: another inode", name)
			}
			wantNoError(t, "closing", unix.Close(again))
			wantNoError(t, "closing", unix.Close(descriptor))
		}
	})
}

func TestReopenAfterUnlink(t *testing.T) {
	onEachStore(t, func(t *testing.T, store *Store) {
		for name, flags := range map[string]int{"ordinary": unix.O_RDONLY, "O_PATH": unix.O_PATH} {
			created := createIn(t, store, "file")
			handle, err := store.Identify(created)
			wantNoError(t, "Identify", err)
			_, err = unix.Pwrite(created, []byte("kept"), 0)
			wantNoError(t, "writing", err)
			held, err := store.Reopen(handle, flags)
			wantNoError(t, "Reopen", err)
			wantNoError(t, "closing", unix.Close(created))
			wantNoError(t, "unlink", unix.Unlinkat(store.Root(), "file", 0))

			again, err := store.Reopen(handle, unix.O_RDWR)
			wantNoError(t, "Reopen while an "+name+" descriptor is held", err)
			got := make([]byte, 4)
			if _, err := unix.Pread(again, got, 0); err != nil || string(got) != "kept" {
				t.Errorf("read %q, %v", got, err)
			}
			wantNoError(t, "closing", unix.Close(again))
			wantNoError(t, "closing", unix.Close(held))
			_, err = store.Reopen(handle, unix.O_PATH)
			wantError(t, "Reopen of what is gone", err, unix.ESTALE)
		}
	})
}

// A handle of one store says nothing to another.
func TestReopenInAnotherStore(t *testing.T) {
	first, second := newStore(t, defaultOptions), newStore(t, defaultOptions)
	descriptor := createIn(t, first, "file")
	defer unix.Close(descriptor)
	handle, err := first.Identify(descriptor)
	wantNoError(t, "Identify", err)
	if again, err := second.Reopen(handle, unix.O_PATH); err == nil {
		// Inode numbers agree between stores; then it must at least be the other store's own.
		if inodeOf(t, again) == inodeOf(t, descriptor) {
			t.Error("the other store opened this store's file")
		}
		wantNoError(t, "closing", unix.Close(again))
	}
}

func TestReopenOfNonsense(t *testing.T) {
	store := newStore(t, defaultOptions)
	for _, handle := range []FileHandle{"", "x", "abc", FileHandle(make([]byte, 16))} {
		_, err := store.Reopen(handle, unix.O_PATH)
		wantError(t, "Reopen", err, unix.ESTALE)
	}
}

func TestGenerationIsStable(t *testing.T) {
	onEachStore(t, func(t *testing.T, store *Store) {
		descriptor := createIn(t, store, "file")
		handle, err := store.Identify(descriptor)
		wantNoError(t, "Identify", err)
		_, err = unix.Pwrite(descriptor, []byte("changed"), 0)
		wantNoError(t, "writing", err)
		wantNoError(t, "chmod", unix.Fchmod(descriptor, 0o444))
		wantNoError(t, "closing", unix.Close(descriptor))
		wantNoError(t, "rename", unix.Renameat(store.Root(), "file", store.Root(), "renamed"))
		descriptor, err = unix.Openat(store.Root(), "renamed", unix.O_PATH|unix.O_CLOEXEC, 0)
		wantNoError(t, "open", err)
		again, err := store.Identify(descriptor)
		wantNoError(t, "Identify", err)
		wantNoError(t, "closing", unix.Close(descriptor))
		if again.Generation() != handle.Generation() {
			t.Errorf("generation %d, was %d", again.Generation(), handle.Generation())
		}
	})
}

// Where a disk's file system gives an inode number to one file after the other, the generation tells them apart.
func TestGenerationTellsReusedInodesApart(t *testing.T) {
	onEachStore(t, func(t *testing.T, store *Store) {
		type identity struct {
			inode      uint64
			generation uint32
		}
		seen := make(map[identity]bool)
		for range 50 {
			descriptor := createIn(t, store, "file")
			handle, err := store.Identify(descriptor)
			wantNoError(t, "Identify", err)
			one := identity{inodeOf(t, descriptor), handle.Generation()}
			wantNoError(t, "closing", unix.Close(descriptor))
			wantNoError(t, "unlink", unix.Unlinkat(store.Root(), "file", 0))
			if seen[one] {
				t.Fatalf("inode %d of generation %d again", one.inode, one.generation)
			}
			seen[one] = true
		}
	})
}
