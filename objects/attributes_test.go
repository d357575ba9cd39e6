package objects

import (
	"testing"

	"golang.org/x/sys/unix"
)

func pointer[T any](value T) *T { return &value }

func TestChange(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		entry := w.create(t, "file")
		atime, mtime := unix.Timespec{Sec: 1000, Nsec: 1}, unix.Timespec{Sec: 2000, Nsec: 2}
		stat, err := w.tree.Change(entry.ID, Change{
			Mode: pointer(uint32(0o6751)), UID: pointer(uint32(12)), GID: pointer(uint32(34)), Size: pointer(int64(5000)),
			Atime: &atime, Mtime: &mtime,
		})
		wantNoError(t, "Change", err)
		if again := w.stat(t, entry.ID); again != stat {
			t.Errorf("Change returned %+v, then it is %+v", stat, again)
		}
		if stat.Mode != unix.S_IFREG|0o6751 || stat.Uid != 12 || stat.Gid != 34 || stat.Size != 5000 || stat.Ino != entry.ID {
			t.Errorf("mode %o, owner %d:%d, %d bytes, inode %d", stat.Mode, stat.Uid, stat.Gid, stat.Size, stat.Ino)
		}
		if stat.Atim != atime || stat.Mtim != mtime {
			t.Errorf("times %v and %v, want %v and %v", stat.Atim, stat.Mtim, atime, mtime)
		}
		w.wantUsed(t, 2*pageSize)
		extended, err := w.tree.Statx(entry.ID, unix.STATX_BASIC_STATS|unix.STATX_BTIME)
		wantNoError(t, "Statx", err)
		if extended.Ino != entry.ID || extended.Size != 5000 || uint32(extended.Mode) != stat.Mode || extended.Btime.Sec == 0 {
			t.Errorf("Statx: %+v", extended)
		}
	})
}

// Emptying a file by opening it moves the times even if it was empty.
func TestChangeOpening(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		entry := w.create(t, "file")
		for _, size := range []int64{5000, 0} {
			past := unix.Timespec{Sec: 1000}
			_, err := w.tree.Change(entry.ID, Change{Size: pointer(size), Mtime: &past})
			wantNoError(t, "Change", err)
			stat, err := w.tree.Change(entry.ID, Change{Size: pointer(int64(0)), Opening: true})
			wantNoError(t, "Change at opening", err)
			if stat.Size != 0 || stat.Mtim == past {
				t.Errorf("from %d bytes: %d bytes, modified at %v", size, stat.Size, stat.Mtim)
			}
			w.wantUsed(t, 0)
		}
	})
}

func TestChangeLeavesTheRestAlone(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		entry, err := createFile(w.tree, RootID, "file", 0o640, Caller{UID: 12, GID: 34})
		wantNoError(t, "Create", err)
		mtime := unix.Timespec{Sec: 2000}
		before, err := w.tree.Change(entry.ID, Change{Mtime: &mtime})
		wantNoError(t, "Change", err)
		cases := map[string]struct {
			change Change
			expect func(want *unix.Stat_t)
		}{
			"mode":  {Change{Mode: pointer(uint32(0o600))}, func(want *unix.Stat_t) { want.Mode = unix.S_IFREG | 0o600 }},
			"owner": {Change{UID: pointer(uint32(56))}, func(want *unix.Stat_t) { want.Uid = 56 }},
			"group": {Change{GID: pointer(uint32(78))}, func(want *unix.Stat_t) { want.Gid = 78 }},
			"atime": {Change{Atime: pointer(unix.Timespec{Sec: 9})}, func(want *unix.Stat_t) { want.Atim = unix.Timespec{Sec: 9} }},
		}
		for name, c := range cases {
			want := w.stat(t, entry.ID)
			got, err := w.tree.Change(entry.ID, c.change)
			wantNoError(t, "Change of the "+name, err)
			c.expect(&want)
			want.Ctim = got.Ctim // that moves at every change
			if got != want {
				t.Errorf("Change of the %s gives %+v, want %+v", name, got, want)
			}
		}
		if before.Mtim != mtime {
			t.Errorf("mtime is %v, want %v", before.Mtim, mtime)
		}
	})
}

// A refused size refuses the whole change.
func TestChangeThatDoesNotFit(t *testing.T) {
	onEachStore(t, 4*pageSize, func(t *testing.T, w *world) {
		entry := w.create(t, "file")
		_, err := w.tree.Change(entry.ID, Change{Size: pointer(5 * pageSize), Mode: pointer(uint32(0))})
		wantError(t, "Change", err, unix.ENOSPC)
		if stat := w.stat(t, entry.ID); stat.Size != 0 || stat.Mode != unix.S_IFREG|0o644 {
			t.Errorf("%d bytes, mode %o", stat.Size, stat.Mode)
		}
		w.wantUsed(t, 0)
		directory := w.mkdir(t, "directory")
		_, err = w.tree.Change(directory.ID, Change{Size: pointer(int64(0))})
		wantError(t, "the size of a directory", err, unix.EISDIR)
	})
}

// A write by an ordinary user takes away what a program file may give its caller.
func TestWritersClearPrivileges(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		entry := w.create(t, "file")
		asked := uint32(0)
		writer := func(inGroup bool) Writer {
			return Writer{InGroup: func(group uint32) bool { asked = group; return inGroup }}
		}
		cases := []struct {
			mode    uint32
			inGroup bool
			want    uint32
		}{
			{0o644, false, 0o644},
			{0o4755, true, 0o755},
			{0o4644, true, 0o644},
			{0o2755, true, 0o755},
			{0o2745, true, 0o2745}, // setgid without group execution: not a privilege for a member of the group
			{0o2745, false, 0o745},
			{0o6755, true, 0o755},
			{0o1755, false, 0o1755},
		}
		for _, c := range cases {
			for _, way := range []string{"DropPrivileges", "Change"} {
				_, err := w.tree.Change(entry.ID, Change{GID: pointer(uint32(34)), UID: pointer(uint32(12))})
				wantNoError(t, "Change of the owner", err)
				_, err = w.tree.Change(entry.ID, Change{Mode: &c.mode})
				wantNoError(t, "Change of the mode", err)
				if way == "Change" {
					_, err = w.tree.Change(entry.ID, Change{Writer: pointer(writer(c.inGroup)), GID: pointer(uint32(35))})
				} else {
					err = w.tree.DropPrivileges(entry.ID, writer(c.inGroup))
				}
				wantNoError(t, way, err)
				if got := w.stat(t, entry.ID).Mode & 0o7777; got != c.want {
					t.Errorf("%s of %o, in group %v: %o, want %o", way, c.mode, c.inGroup, got, c.want)
				}
			}
		}
		if asked != 34 {
			t.Errorf("asked for group %d, want the one before the change, 34", asked)
		}
		const capability = "security.capability"
		// Version 2 of the kernel's struct vfs_cap_data, with CAP_NET_RAW.
		value := []byte{1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
		wantNoError(t, "Setxattr", w.tree.Setxattr(entry.ID, capability, value, 0))
		wantNoError(t, "DropPrivileges", w.tree.DropPrivileges(entry.ID, writer(true)))
		_, err := w.tree.Getxattr(entry.ID, capability)
		wantError(t, "the capability afterwards", err, unix.ENODATA)
	})
}

func TestDropSetgid(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		entry := w.create(t, "file")
		for mode, want := range map[uint32]uint32{0o6755: 0o4755, 0o644: 0o644, 0o2700: 0o700} {
			_, err := w.tree.Change(entry.ID, Change{Mode: &mode})
			wantNoError(t, "Change", err)
			wantNoError(t, "DropSetgid", w.tree.DropSetgid(entry.ID))
			if got := w.stat(t, entry.ID).Mode & 0o7777; got != want {
				t.Errorf("%o became %o, want %o", mode, got, want)
			}
		}
	})
}

// chown(2) to neither owner nor group still clears setuid and moves the change time.
func TestTouchIsAnOwnersChange(t *testing.T) {
	onEachStore(t, smallLimit, func(t *testing.T, w *world) {
		entry := w.create(t, "file")
		before, err := w.tree.Change(entry.ID, Change{Mode: pointer(uint32(0o4755))})
		wantNoError(t, "Change", err)
		after, err := w.tree.Change(entry.ID, Change{Touch: true})
		wantNoError(t, "Change of nothing", err)
		if after.Mode&0o7777 != 0o755 || after.Uid != before.Uid || after.Gid != before.Gid {
			t.Errorf("mode %o, owner %d:%d", after.Mode, after.Uid, after.Gid)
		}
	})
}

// Who sets a size is told right before that makes the file longer, and at no other time; when the note cannot be taken nothing happens.
func TestGrowthIsNoted(t *testing.T) {
	for commit, limit := range map[string]int64{"strict": smallLimit, "lazy": -1} {
		t.Run(commit, func(t *testing.T) {
			onEachStore(t, limit, func(t *testing.T, w *world) { wantGrowthNoted(t, w, limit >= 0) })
		})
	}
}

func wantGrowthNoted(t *testing.T, w *world, charged bool) {
	t.Helper()
	entry := w.create(t, "file")
	for _, step := range []struct {
		size  int64
		noted int
	}{{3 * pageSize, 1}, {3 * pageSize, 0}, {5, 0}, {6, 1}, {0, 0}} {
		noted, before := 0, w.stat(t, entry.ID).Size
		note := func() error {
			noted++
			if size := w.stat(t, entry.ID).Size; size != before {
				t.Errorf("noted when the size was %d already, not %d", size, before)
			}
			return nil
		}
		if _, err := w.tree.Change(entry.ID, Change{Size: &step.size, Growing: note}); err != nil || noted != step.noted {
			t.Errorf("%d to %d: noted %d times, want %d (%v)", before, step.size, noted, step.noted, err)
		}
	}
	refuse := func() error { return unix.ENOSPC }
	_, err := w.tree.Change(entry.ID, Change{Size: pointer(pageSize), Growing: refuse})
	wantError(t, "a growth that cannot be noted", err, unix.ENOSPC)
	if stat := w.stat(t, entry.ID); stat.Size != 0 {
		t.Errorf("it has %d bytes", stat.Size)
	}
	if charged {
		w.wantUsed(t, 0)
	}
}
