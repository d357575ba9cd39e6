package quota

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const keep = unix.FALLOC_FL_KEEP_SIZE

// TestBytes goes to the limit and one byte beyond it by every call that grows something.
func TestBytes(t *testing.T) {
	const limit = 64 // pages
	inEach(t, strictPlaces, fmt.Sprintf("size=64M,quota-uid=%d", limit*page), func(t *testing.T, mount string) {
		a := start(t, mount, ann)
		file := a.must("open", "file", unix.O_RDWR|unix.O_CREAT)
		other := a.must("open", "other", unix.O_RDWR|unix.O_CREAT)
		wantHolds(t, mount, ann, 0, 2)
		for _, step := range []struct {
			call  []any
			want  unix.Errno
			value int64
			pages int64 // held then
		}{
			{[]any{"ftruncate", file, limit * page}, 0, 0, limit},
			{[]any{"ftruncate", file, limit*page + 1}, unix.EDQUOT, 0, limit},
			{[]any{"ftruncate", other, 1}, unix.EDQUOT, 0, limit},
			{[]any{"truncate", "other", 1}, unix.EDQUOT, 0, limit},
			{[]any{"write", other, 1, 0}, unix.EDQUOT, 0, limit},
			{[]any{"fallocate", other, 0, 0, 1}, unix.EDQUOT, 0, limit},
			{[]any{"fallocate", other, keep, 0, 1}, unix.EDQUOT, 0, limit},
			{[]any{"symlink", strings.Repeat("t", 200), "link"}, unix.EDQUOT, 0, limit},
			{[]any{"rename", "other", "another"}, 0, 0, limit},
			{[]any{"rename", "another", "other"}, 0, 0, limit},
			{[]any{"map", file, limit * page}, 0, 0, limit}, // what is charged can be touched
			{[]any{"ftruncate", file, (limit-1)*page - 1}, 0, 0, limit - 1},
			{[]any{"ftruncate", file, (limit - 1) * page}, 0, 0, limit - 1},
			{[]any{"write", other, 3 * page, 0}, 0, page, limit}, // what fits
			{[]any{"write", other, page, page}, unix.EDQUOT, 0, limit},
			{[]any{"write", other, page, 100}, 0, page - 100, limit},
			{[]any{"write", file, 10 * page, (limit - 3) * page}, 0, 2 * page, limit},
			{[]any{"ftruncate", other, 0}, 0, 0, limit - 1},
			{[]any{"fallocate", file, keep, 0, limit * page}, 0, 0, limit}, // one page behind the end
			{[]any{"fallocate", file, keep, 0, limit*page + 1}, unix.EDQUOT, 0, limit},
			{[]any{"write", other, 1, 0}, unix.EDQUOT, 0, limit},
			{[]any{"truncate", "file", (limit - 1) * page}, 0, 0, limit - 1}, // frees what was reserved
			{[]any{"fallocate", file, unix.FALLOC_FL_PUNCH_HOLE | keep, 0, 10 * page}, 0, 0, limit - 1},
			{[]any{"fallocate", file, 0, (limit - 1) * page, page}, 0, 0, limit},
			{[]any{"fallocate", file, 0, (limit - 1) * page, page + 1}, unix.EDQUOT, 0, limit},
			{[]any{"open", "file", unix.O_RDWR | unix.O_TRUNC}, 0, 2, 0},
			{[]any{"ftruncate", other, 1 << 40}, unix.ENOSPC, 0, 0}, // neither has the mount
			{[]any{"ftruncate", other, (64 << 20) + 1}, unix.ENOSPC, 0, 0},
			{[]any{"ftruncate", other, 64 << 20}, unix.EDQUOT, 0, 0},
		} {
			if value, errno := a.do(step.call...); errno != step.want || errno == 0 && value != step.value {
				t.Fatalf("%v: %d, %v, want %d, %v", step.call, value, errno, step.value, step.want)
			}
			wantHolds(t, mount, ann, step.pages, 2)
		}
		a.must("ftruncate", other, limit*page)
		a.must("symlink", "short", "short") // takes no bytes
		wantHolds(t, mount, ann, limit, 3)
		b := start(t, mount, ben) // another user has all of their own
		b.must("open", "ben's", unix.O_RDWR|unix.O_CREAT)
		b.must("ftruncate", 0, limit*page)
		wantHolds(t, mount, ben, limit, 1)
	})
}

// TestObjects makes one of each kind until no more is given.
func TestObjects(t *testing.T) {
	inEach(t, allPlaces, "quota-objects=6", func(t *testing.T, mount string) {
		a := start(t, mount, ann)
		file := a.must("open", "file", unix.O_RDWR|unix.O_CREAT)
		a.must("mkdir", "directory")
		a.must("mkfifo", "directory/fifo")
		a.must("symlink", "nowhere", "symlink")
		a.must("text", "sem.jobs", "3")
		nameless := a.must("tmpfile")
		wantHolds(t, mount, ann, strictly(t, 1), 6) // the semaphore's page
		refused := [][]any{
			{"open", "more", unix.O_RDWR | unix.O_CREAT}, {"mkdir", "more"}, {"mkfifo", "directory/more"}, {"symlink", "nowhere", "more"},
			{"text", "sem.more", "3"}, {"tmpfile"},
		}
		for _, call := range refused {
			a.wants(unix.EDQUOT, call...)
		}
		a.wants(unix.EEXIST, "mkdir", "directory")
		a.wants(unix.EEXIST, "open", "file", unix.O_RDWR|unix.O_CREAT|unix.O_EXCL)
		a.must("open", "file", unix.O_RDWR|unix.O_CREAT)
		a.must("link", "file", "directory/link") // no inode more
		a.must("give", nameless, "named")
		a.must("rename", "named", "renamed")
		a.must("unlink", "file")
		wantHolds(t, mount, ann, strictly(t, 1), 6)
		a.must("unlink", "directory/link") // still open
		a.wants(unix.EDQUOT, "mkdir", "more")
		a.must("close", file)
		a.must("close", file+2)
		wantHolds(t, mount, ann, strictly(t, 1), 5)
		a.must("mkdir", "more")
		a.must("rename", "renamed", "symlink") // what was there goes
		wantHolds(t, mount, ann, strictly(t, 1), 5)
		a.must("rmdir", "more")
		a.must("unlink", "sem.jobs")
		a.must("unlink", "directory/fifo")
		a.must("rmdir", "directory")
		a.must("unlink", "symlink")
		a.leave()
		wantHolds(t, mount, ann, 0, 0)
	})
}

// strictly is so many pages, or none under commit=lazy.
func strictly(t *testing.T, pages int64) int64 {
	if strings.HasSuffix(t.Name(), "lazy") {
		return 0
	}
	return pages
}

// TestWithoutAName has what lost its name held against its owner for as long as anybody uses it.
func TestWithoutAName(t *testing.T) {
	inEach(t, strictPlaces, fmt.Sprintf("quota-uid=%d,quota-objects=3", 8*page), func(t *testing.T, mount string) {
		a, b := start(t, mount, ann), start(t, mount, ben)
		for i, use := range []string{"open", "mapped", "open elsewhere"} {
			name := fmt.Sprint("file", i)
			file := a.must("open", name, unix.O_RDWR|unix.O_CREAT)
			a.must("ftruncate", file, 2*page)
			switch use {
			case "mapped":
				a.must("map", file, 2*page)
				a.must("close", file)
			case "open elsewhere":
				b.must("open", name, unix.O_RDWR)
				a.must("close", file)
			}
			a.must("unlink", name)
		}
		wantHolds(t, mount, ann, 6, 3)
		a.wants(unix.EDQUOT, "mkdir", "more")
		b.leave()
		wantHolds(t, mount, ann, 4, 2)
		file := a.must("open", "more", unix.O_RDWR|unix.O_CREAT)
		a.must("ftruncate", file, 4*page)
		a.wants(unix.EDQUOT, "ftruncate", file, 5*page)
		a.leave()
		wantHolds(t, mount, ann, 4, 1)
	})
}

// TestComesBack removes and makes again at the limit, many times. The daemon waits for what the kernel tells later, though not for as long as
// a busy machine may take.
func TestComesBack(t *testing.T) {
	inEach(t, strictPlaces, fmt.Sprintf("quota-uid=%d,quota-objects=1", 16*page), func(t *testing.T, mount string) {
		a := start(t, mount, ann)
		for i := range int64(50) {
			file, errno := a.do("open", "file", unix.O_RDWR|unix.O_CREAT|unix.O_EXCL)
			for timeout := after(patience); errno == unix.EDQUOT && !timeout(); {
				file, errno = a.do("open", "file", unix.O_RDWR|unix.O_CREAT|unix.O_EXCL)
			}
			if errno != 0 {
				t.Fatalf("making it for the %dth time: %v", i, errno)
			}
			a.must("ftruncate", file, 16*page)
			a.must("unlink", "file")
			a.must("close", i)
		}
		wantHolds(t, mount, ann, 0, 0)
	})
}
