package quota

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestChown gives away what fits and what does not. Whoever has CAP_CHOWN is held to the new owner's limits, root is not.
func TestChown(t *testing.T) {
	inEach(t, allPlaces, "quota-objects=4", func(t *testing.T, mount string) {
		a := start(t, mount, ann)
		file := a.must("open", "file", unix.O_RDWR|unix.O_CREAT)
		a.must("fallocate", file, keep, 0, 3*page)
		a.must("link", "file", "link")
		a.must("mkdir", "directory")
		a.must("symlink", "nowhere", "symlink")
		wantHolds(t, mount, ann, 3, 3)
		giver := start(t, mount, ben, unix.CAP_CHOWN)
		giver.must("chown", "link", cai)
		wantHolds(t, mount, ann, 0, 2)
		wantHolds(t, mount, cai, 3, 1)
		giver.must("chown", "directory", cai)
		giver.must("chown", "symlink", cai)
		wantHolds(t, mount, ann, 0, 0)
		wantHolds(t, mount, cai, 3, 3)
		giver.must("chown", "file", ann)
		if strictly(t, 1) > 0 {
			setQuota(t, mount, "%d bytes=%d", cai, 2*page)
			giver.wants(unix.EDQUOT, "chown", "file", cai)
			setQuota(t, mount, "%d bytes=default", cai)
		}
		setQuota(t, mount, "%d objects=2", cai)
		giver.wants(unix.EDQUOT, "chown", "file", cai)
		wantOwner(t, filepath.Join(mount, "file"), ann)
		wantHolds(t, mount, ann, 3, 1)
		wantHolds(t, mount, cai, 0, 2)
		giver.must("chown", "directory", cai) // whose it is
		must(t, os.Lchown(filepath.Join(mount, "file"), int(cai), -1))
		wantOwner(t, filepath.Join(mount, "file"), cai)
		wantHolds(t, mount, ann, 0, 0)
		wantHolds(t, mount, cai, 3, 3)
		giver.must("chown", "file", 0) // root may hold anything
		wantHolds(t, mount, 0, 3, 1)
		wantHolds(t, mount, cai, 0, 2)
		must(t, os.Remove(filepath.Join(mount, "file")))
		must(t, os.Remove(filepath.Join(mount, "link"))) // but ann still has it open
		wantHolds(t, mount, 0, 3, 1)
		a.leave()
		wantHolds(t, mount, 0, 0, 0)
	})
}

func wantOwner(t *testing.T, path string, want uint32) {
	t.Helper()
	var stat unix.Stat_t
	must(t, unix.Lstat(path, &stat))
	if stat.Uid != want {
		t.Errorf("%s belongs to %d, want %d", path, stat.Uid, want)
	}
}

// TestRootIsExempt has root hold, and do for others, what nobody else may.
func TestRootIsExempt(t *testing.T) {
	inEach(t, strictPlaces, fmt.Sprintf("size=8M,quota-uid=%d,quota-objects=2", 2*page), func(t *testing.T, mount string) {
		a, root := start(t, mount, ann), start(t, mount, 0)
		theirs := a.must("open", "theirs", unix.O_RDWR|unix.O_CREAT)
		for i := range 5 {
			root.must("mkdir", fmt.Sprint("directory", i))
		}
		own := root.must("open", "own", unix.O_RDWR|unix.O_CREAT)
		root.must("ftruncate", own, 9*page)
		file := root.must("open", "theirs", unix.O_RDWR)
		root.must("write", file, 3*page, 0)
		wantHolds(t, mount, ann, 3, 1)
		root.must("ftruncate", file, 5*page)
		root.must("truncate", "theirs", 6*page)
		root.must("fallocate", file, 0, 0, 7*page)
		root.must("fallocate", file, keep, 0, 8*page)
		wantHolds(t, mount, ann, 8, 1)
		wantHolds(t, mount, 0, 9, 6)
		a.wants(unix.EDQUOT, "fallocate", theirs, 0, 0, 9*page)
		a.must("fallocate", theirs, 0, 0, 8*page) // it has that
		a.must("ftruncate", theirs, page)
		a.must("ftruncate", theirs, 2*page)
		a.wants(unix.EDQUOT, "ftruncate", theirs, 3*page)
		root.wants(unix.ENOSPC, "ftruncate", file, 8<<20) // what no mount has, root has not
		wantHolds(t, mount, ann, 2, 1)
	})
}
