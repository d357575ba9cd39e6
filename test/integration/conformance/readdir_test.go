package conformance

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

var readdirTests = map[string]test{
	"kinds and inode numbers":                    readdirKinds,
	"many entries, each once":                    readdirMany,
	"seeking to every cookie":                    readdirSeek,
	"cookies hold after changes":                 readdirSeekChanged,
	"cookies are the directory's":                readdirSeekOther,
	"rewinding shows what is new":                readdirRewind,
	"removing while listing":                     readdirRemove,
	"renaming while listing":                     readdirRename,
	"what stays is seen once under changes":      readdirConcurrent,
	"seeking from the end, to data":              readdirWhence,
	"bad buffers":                                readdirBad,
	"separate and shared positions":              readdirPositions,
	"hard links have one inode number":           readdirLinks,
	"a removed directory refuses":                readdirRemoved,
	"created in order, listed after a long time": readdirRecreated,
}

func readdirKinds(t *testing.T, dir string) {
	touch(t, dir+"/file", 0o644)
	mkdir(t, dir+"/directory", 0o755)
	ok(t, unix.Symlink("x", dir+"/link"), "symlink")
	ok(t, unix.Mkfifo(dir+"/fifo", 0o644), "mkfifo")
	ok(t, unix.Mknod(dir+"/socket", unix.S_IFSOCK|0o644, 0), "mknod of a socket")
	ok(t, unix.Mknod(dir+"/character", unix.S_IFCHR|0o644, 0), "mknod of a character device")
	ok(t, unix.Mknod(dir+"/block", unix.S_IFBLK|0o644, int(unix.Mkdev(7, 9))), "mknod of a block device")
	want := map[string]byte{"file": unix.DT_REG, "directory": unix.DT_DIR, "link": unix.DT_LNK, "fifo": unix.DT_FIFO,
		"socket": unix.DT_SOCK, "character": unix.DT_CHR, "block": unix.DT_BLK, ".": unix.DT_DIR, "..": unix.DT_DIR}
	entries := list(t, openDirectory(t, dir), 4096)
	equal(t, len(entries), len(want), "entries")
	for _, e := range entries {
		equal(t, e.kind, want[e.name], "d_type of %s", e.name)
		equal(t, e.ino, lstat(t, dir+"/"+e.name).Ino, "d_ino of %s", e.name)
	}
	equal(t, entries[0].name+" "+entries[1].name, ". ..", "the first two entries")
}

func makeMany(t T, dir string, n int) map[string]bool {
	t.Helper()
	made := map[string]bool{}
	for i := range n {
		name := fmt.Sprintf("entry-%05d", i)
		ok(t, unix.Mknod(dir+"/"+name, unix.S_IFREG|0o644, 0), "mknod")
		made[name] = true
	}
	return made
}

// seenOnce requires that all wanted names are among the entries once; others may be there too when the directory changes.
func seenOnce(t T, entries []entry, want map[string]bool) {
	t.Helper()
	seen := map[string]int{}
	for _, e := range entries {
		seen[e.name]++
	}
	for name := range want {
		if seen[name] != 1 {
			t.Errorf("the listing has %q %d times, want once", name, seen[name])
			return
		}
	}
	for name, times := range seen {
		if times != 1 {
			t.Errorf("the listing has %q %d times", name, times)
			return
		}
	}
}

func readdirMany(t *testing.T, dir string) {
	made := makeMany(t, dir, 3000)
	for _, size := range []int{64, 500, 4096, 1 << 20} {
		entries := list(t, openDirectory(t, dir), size)
		equal(t, len(entries), len(made)+2, "entries with a buffer of %d bytes", size)
		seenOnce(t, entries, made)
	}
	equal(t, stat(t, dir).Size, int64(len(made)+2)*direntSize, "st_size of the directory")
}

func readdirSeek(t *testing.T, dir string) {
	makeMany(t, dir, 200)
	d := openDirectory(t, dir)
	entries := list(t, d, 1000)
	cookies := map[int64]bool{}
	for i, e := range entries[:len(entries)-1] {
		cookies[e.cookie] = true
		seekDirectory(t, d, e.cookie)
		next := batch(t, d, 4096)
		if len(next) == 0 || next[0] != entries[i+1] {
			t.Fatalf("after seeking behind %q the listing goes on with %.1v, want %v", e.name, next, entries[i+1])
		}
	}
	equal(t, len(cookies), len(entries)-1, "different cookies")
	seekDirectory(t, d, entries[len(entries)-1].cookie)
	equal(t, len(batch(t, d, 4096)), 0, "entries behind the last")
}

func readdirSeekChanged(t *testing.T, dir string) {
	made := makeMany(t, dir, 300)
	d := openDirectory(t, dir)
	first := batch(t, d, 2000)
	at, err := unix.Seek(d.fd, 0, io.SeekCurrent)
	ok(t, err, "telling the position")
	equal(t, at, first[len(first)-1].cookie, "position after a batch")
	rest := list(t, d, 2000)
	removed := map[string]bool{}
	for i, e := range rest {
		if i%3 == 0 {
			ok(t, unix.Unlink(dir+"/"+e.name), "unlink")
			removed[e.name] = true
		}
	}
	ok(t, unix.Unlink(dir+"/"+first[len(first)-1].name), "unlink of the entry the cookie stands behind")
	seekDirectory(t, d, at)
	again := list(t, d, 700)
	for _, e := range first[2:] {
		delete(made, e.name)
	}
	for name := range removed {
		delete(made, name)
	}
	equal(t, len(again), len(made), "entries that remain behind the position")
	seenOnce(t, again, made)
}

func readdirSeekOther(t *testing.T, dir string) {
	makeMany(t, dir, 100)
	entries := list(t, openDirectory(t, dir), 4096)
	middle := entries[50]
	d := openDirectory(t, dir)
	seekDirectory(t, d, middle.cookie)
	rest := list(t, d, 4096)
	equal(t, len(rest), len(entries)-51, "entries behind the cookie, on a fresh descriptor")
	equal(t, rest[0], entries[51], "the next entry")
}

func readdirRewind(t *testing.T, dir string) {
	made := makeMany(t, dir, 50)
	d := openDirectory(t, dir)
	seenOnce(t, list(t, d, 4096), made)
	touch(t, dir+"/new", 0o644)
	ok(t, unix.Unlink(dir+"/entry-00007"), "unlink")
	delete(made, "entry-00007")
	made["new"] = true
	for range 3 {
		rewind(t, d)
		entries := list(t, d, 4096)
		equal(t, len(entries), len(made)+2, "entries after rewinding")
		seenOnce(t, entries, made)
	}
}

func readdirRemove(t *testing.T, dir string) {
	makeMany(t, dir, 1000)
	d := openDirectory(t, dir)
	removed := 0
	for {
		entries := batch(t, d, 1024)
		if len(entries) == 0 {
			break
		}
		for _, e := range entries {
			if e.name != "." && e.name != ".." {
				ok(t, unix.Unlink(dir+"/"+e.name), "unlink")
				removed++
			}
		}
	}
	equal(t, removed, 1000, "entries removed in one pass")
	names(t, dir)
}

func readdirRename(t *testing.T, dir string) {
	made := makeMany(t, dir, 500)
	d := openDirectory(t, dir)
	entries := batch(t, d, 2000)
	for i := range 100 {
		old := fmt.Sprintf("entry-%05d", i*5)
		delete(made, old)
		ok(t, unix.Rename(dir+"/"+old, dir+"/renamed-"+itoa(i)), "rename")
	}
	seenOnce(t, append(entries, list(t, d, 2000)...), made)
}

func readdirConcurrent(t *testing.T, dir string) {
	made := makeMany(t, dir, 800)
	var stop atomic.Bool
	var workers sync.WaitGroup
	for w := range 2 {
		workers.Go(func() {
			for i := 0; !stop.Load(); i++ {
				path := fmt.Sprintf("%s/passing-%d-%d", dir, w, i%100)
				if err := unix.Mknod(path, unix.S_IFREG|0o644, 0); err != nil {
					t.Errorf("mknod: %v", err)
					return
				}
				if err := unix.Unlink(path); err != nil {
					t.Errorf("unlink: %v", err)
					return
				}
			}
		})
	}
	for range 15 {
		seenStaying(t, list(t, openDirectory(t, dir), 600), made)
	}
	stop.Store(true)
	workers.Wait()
}

// seenStaying requires that what existed throughout is seen exactly once, whatever else is seen.
func seenStaying(t T, entries []entry, want map[string]bool) {
	t.Helper()
	staying := entries[:0:0]
	for _, e := range entries {
		if want[e.name] {
			staying = append(staying, e)
		}
	}
	equal(t, len(staying), len(want), "entries that exist throughout")
	seenOnce(t, staying, want)
}

func readdirBad(t *testing.T, dir string) {
	f := create(t, dir+"/a-name-of-some-length")
	_, err := unix.Getdents(f.fd, make([]byte, 4096))
	fails(t, unix.ENOTDIR, err, "getdents64 of a file")
	d := openDirectory(t, dir)
	_, err = unix.Getdents(d.fd, make([]byte, 23))
	fails(t, unix.EINVAL, err, "getdents64 into 23 bytes")
	equal(t, len(batch(t, d, 24)), 1, "entries in 24 bytes")
	_, err = unix.Seek(d.fd, -1, io.SeekStart)
	fails(t, unix.EINVAL, err, "lseek to -1")
}

func readdirWhence(t *testing.T, dir string) {
	d := openDirectory(t, dir)
	_, err := unix.Seek(d.fd, 0, io.SeekEnd)
	fails(t, unix.EINVAL, err, "lseek from the end")
	_, err = unix.Seek(d.fd, 0, unix.SEEK_DATA)
	fails(t, unix.EINVAL, err, "lseek to data")
}

// readdirWhenceFuse is what the kernel does with a FUSE directory's offset without asking.
func readdirWhenceFuse(t *testing.T, dir string) {
	touch(t, dir+"/f", 0o644)
	d := openDirectory(t, dir)
	at, err := unix.Seek(d.fd, 0, io.SeekEnd)
	ok(t, err, "lseek from the end")
	equal(t, at, stat(t, dir).Size, "offset from the end")
	at, err = unix.Seek(d.fd, 0, unix.SEEK_DATA)
	ok(t, err, "lseek to data")
	equal(t, at, 0, "offset of data")
	equal(t, len(list(t, d, 4096)), 3, "entries after that")
}

func readdirPositions(t *testing.T, dir string) {
	made := makeMany(t, dir, 100)
	a, b := openDirectory(t, dir), openDirectory(t, dir)
	batch(t, a, 1000)
	equal(t, len(list(t, b, 4096)), len(made)+2, "entries by a separate descriptor")
	fd, err := unix.FcntlInt(uintptr(a.fd), unix.F_DUPFD_CLOEXEC, 0)
	ok(t, err, "duplicating")
	duplicate := adopt(t, fd)
	list(t, a, 4096)
	equal(t, len(list(t, duplicate, 4096)), 0, "entries left by the duplicate")
}

func readdirLinks(t *testing.T, dir string) {
	touch(t, dir+"/a", 0o644)
	for _, name := range []string{"b", "c", "d"} {
		ok(t, unix.Link(dir+"/a", dir+"/"+name), "link")
	}
	for _, e := range list(t, openDirectory(t, dir), 4096)[2:] {
		equal(t, e.ino, stat(t, dir+"/a").Ino, "d_ino of %s", e.name)
	}
}

func readdirRemoved(t *testing.T, dir string) {
	mkdir(t, dir+"/d", 0o755)
	makeMany(t, dir+"/d", 100)
	d := openDirectory(t, dir+"/d")
	batch(t, d, 1000)
	for i := range 100 {
		ok(t, unix.Unlink(dir+"/d/"+fmt.Sprintf("entry-%05d", i)), "unlink")
	}
	ok(t, unix.Rmdir(dir+"/d"), "rmdir")
	_, err := unix.Getdents(d.fd, make([]byte, 4096))
	fails(t, unix.ENOENT, err, "getdents64 of a removed directory")
}

// readdirRecreated lists with a descriptor that stood at the end while all names were replaced.
func readdirRecreated(t *testing.T, dir string) {
	makeMany(t, dir, 100)
	d := openDirectory(t, dir)
	list(t, d, 4096)
	for i := range 100 {
		ok(t, unix.Unlink(dir+"/"+fmt.Sprintf("entry-%05d", i)), "unlink")
	}
	made := makeMany(t, dir, 60)
	rewind(t, d)
	entries := list(t, d, 4096)
	equal(t, len(entries), 62, "entries")
	seenOnce(t, entries, made)
}
