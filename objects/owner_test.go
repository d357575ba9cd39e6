package objects

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// makers is every call that makes something which belongs to its caller.
var makers = map[string]struct {
	mode uint32 // the file type's bits
	call func(w *world, parent uint64, name string, mode uint32, caller Caller) (Entry, error)
}{
	"Create": {unix.S_IFREG, func(w *world, parent uint64, name string, mode uint32, caller Caller) (Entry, error) {
		return createFile(w.tree, parent, name, mode, caller)
	}},
	"Tmpfile": {unix.S_IFREG, func(w *world, parent uint64, _ string, mode uint32, caller Caller) (Entry, error) {
		return createTmpfile(w.tree, parent, mode, caller)
	}},
	"Mkdir": {unix.S_IFDIR, func(w *world, parent uint64, name string, mode uint32, caller Caller) (Entry, error) {
		return w.tree.Mkdir(parent, name, mode, caller)
	}},
	"Mknod": {unix.S_IFIFO, func(w *world, parent uint64, name string, mode uint32, caller Caller) (Entry, error) {
		return w.tree.Mknod(parent, name, unix.S_IFIFO|mode, 0, caller)
	}},
	"Symlink": {unix.S_IFLNK, func(w *world, parent uint64, name string, _ uint32, caller Caller) (Entry, error) {
		return w.tree.Symlink(parent, name, "target", caller)
	}},
}

// wantOwned checks owner, type and permission bits. A symbolic link has all of them.
func wantOwned(t *testing.T, maker string, stat *unix.Stat_t, uid, gid, mode uint32) {
	t.Helper()
	if maker == "Symlink" {
		mode = 0o777
	}
	mode |= makers[maker].mode
	if stat.Uid != uid || stat.Gid != gid || stat.Mode != mode {
		t.Errorf("%s made %o of %d:%d, want %o of %d:%d", maker, stat.Mode, stat.Uid, stat.Gid, mode, uid, gid)
	}
}

func TestWhatIsMadeBelongsToTheCaller(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		closed, err := w.tree.Mkdir(RootID, "closed", 0o700, Caller{}) // the kernel has checked the caller's rights already
		wantNoError(t, "Mkdir", err)
		for name, maker := range makers {
			for _, caller := range []Caller{{UID: 1000, GID: 1001}, {UID: 0, GID: 5}, {UID: 5, GID: 0}, {UID: 65534, GID: 65534}, {}} {
				for _, mode := range []uint32{0o640, 0, 0o777} {
					entry, err := maker.call(w, closed.ID, "new", mode, caller)
					wantNoError(t, name, err)
					wantOwned(t, name, &entry.Stat, caller.UID, caller.GID, mode)
					stat := w.stat(t, entry.ID)
					wantOwned(t, name, &stat, caller.UID, caller.GID, mode)
					w.removeAny(t, name, closed.ID, "new")
					w.tree.Forget(entry.ID, 1)
				}
			}
		}
		wantDaemonsIdentity(t)
	})
}

func (w *world) removeAny(t *testing.T, maker string, parent uint64, name string) {
	t.Helper()
	switch maker {
	case "Tmpfile": // has no name
	case "Mkdir":
		wantNoError(t, "Rmdir", w.tree.Rmdir(parent, name))
	default:
		wantNoError(t, "Unlink", w.tree.Unlink(parent, name))
	}
}

// wantDaemonsIdentity checks that every thread is root again, with all of root's capabilities. A thread that an earlier test made
// another user's for good may take a moment to end.
func wantDaemonsIdentity(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		foreign := foreignThreads(t)
		if len(foreign) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("threads that are not root, or have not the capabilities of others: %q", foreign)
		}
		_, _ = unix.Poll(nil, 1) // there is no event to wait for
	}
}

// foreignThreads says of each thread that is not root's, or has other capabilities than the first, what it has.
func foreignThreads(t *testing.T) (foreign []string) {
	t.Helper()
	threads, err := filepath.Glob("/proc/self/task/*/status")
	wantNoError(t, "listing threads", err)
	var effective string
	for _, thread := range threads {
		status, err := os.ReadFile(thread)
		if err != nil {
			continue // the thread has ended
		}
		for line := range strings.Lines(string(status)) {
			fields := strings.Fields(line)
			switch fields[0] {
			case "Uid:", "Gid:":
				if !slices.Equal(fields[1:], []string{"0", "0", "0", "0"}) {
					foreign = append(foreign, thread+" "+line)
				}
			case "CapEff:":
				if effective == "" {
					effective = fields[1]
				}
				if fields[1] != effective {
					foreign = append(foreign, thread+" "+line)
				}
			}
		}
	}
	return foreign
}

// Many callers at once do not get each other's files.
func TestCallersAtOnce(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		var done sync.WaitGroup
		for caller := range uint32(6) {
			done.Go(func() {
				for range 50 {
					entry, err := createTmpfile(w.tree, RootID, 0o600, Caller{UID: caller, GID: caller + 100})
					if err != nil {
						t.Error(err)
						return
					}
					if s := entry.Stat; s.Uid != caller || s.Gid != caller+100 {
						t.Errorf("caller %d:%d got a file of %d:%d", caller, caller+100, s.Uid, s.Gid)
					}
					w.tree.Forget(entry.ID, 1)
				}
			})
		}
		done.Wait()
		wantDaemonsIdentity(t)
		w.wantEmpty(t)
	})
}

// In a setgid directory everything gets the directory's group, and directories are setgid in turn.
func TestSetgidDirectories(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		shared := w.mkdir(t, "shared")
		group, mode := uint32(77), uint32(0o2777)
		_, err := w.tree.Change(shared.ID, Change{GID: &group, Mode: &mode})
		wantNoError(t, "Change", err)
		for name, maker := range makers {
			entry, err := maker.call(w, shared.ID, "new", 0o750, Caller{UID: 1000, GID: 1001})
			wantNoError(t, name, err)
			want := uint32(0o750)
			if name == "Mkdir" {
				want |= unix.S_ISGID
			}
			wantOwned(t, name, &entry.Stat, 1000, group, want)
			w.removeAny(t, name, shared.ID, "new")
		}
	})
}

func TestUmask(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		for name, maker := range makers {
			entry, err := maker.call(w, RootID, "new", 0o777, Caller{UID: 1000, GID: 1001, Umask: 0o027})
			wantNoError(t, name, err)
			wantOwned(t, name, &entry.Stat, 1000, 1001, 0o750)
			w.removeAny(t, name, RootID, "new")
			entry, err = maker.call(w, RootID, "new", 0o600, Caller{UID: 1000, GID: 1001, Umask: 0o077})
			wantNoError(t, name, err)
			wantOwned(t, name, &entry.Stat, 1000, 1001, 0o600)
			w.removeAny(t, name, RootID, "new")
		}
	})
}

// accessControlList encodes a list of its least size, in the format of version 2 that the kernel's attributes have.
func accessControlList(owner, group, others uint16) []byte {
	const userObject, groupObject, other, noID = 0x01, 0x04, 0x20, 0xffffffff
	list := binary.LittleEndian.AppendUint32(nil, 2)
	for _, entry := range []struct{ tag, permission uint16 }{{userObject, owner}, {groupObject, group}, {other, others}} {
		list = binary.LittleEndian.AppendUint16(list, entry.tag)
		list = binary.LittleEndian.AppendUint16(list, entry.permission)
		list = binary.LittleEndian.AppendUint32(list, noID)
	}
	return list
}

// A directory's default access control list takes the umask's place.
func TestDefaultAccessControlListTakesTheUmasksPlace(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		directory := w.mkdir(t, "directory")
		err := w.tree.Setxattr(directory.ID, "system.posix_acl_default", accessControlList(7, 7, 5), 0)
		wantNoError(t, "Setxattr (the temporary directory's file system needs access control lists)", err)
		for name, maker := range makers {
			entry, err := maker.call(w, directory.ID, "new", 0o776, Caller{UID: 1000, GID: 1001, Umask: 0o077})
			wantNoError(t, name, err)
			stat := w.stat(t, entry.ID)
			wantOwned(t, name, &stat, 1000, 1001, 0o774)
			w.removeAny(t, name, directory.ID, "new")
		}
	})
}
