package faults

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// recount is what a walk through a mount finds.
type recount struct {
	charged int // bytes: whole pages of regular files, what symbolic links take
	files   int // regular files
	names   int
}

// walk counts everything, each inode once.
func walk(t testing.TB, place string) recount {
	t.Helper()
	var found recount
	seen := map[uint64]bool{}
	must(t, filepath.WalkDir(place, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || path == place {
			return err
		}
		found.names++
		var stat unix.Stat_t
		if err := unix.Lstat(path, &stat); err != nil {
			return fmt.Errorf("looking at %s: %w", path, err)
		}
		if seen[stat.Ino] {
			return nil
		}
		seen[stat.Ino] = true
		switch stat.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			found.files++
			found.charged += wholePages(int(stat.Size))
		case unix.S_IFLNK:
			found.charged += wholePages(int(stat.Blocks) * 512)
		}
		return nil
	}))
	return found
}

// requireSettled checks, when nobody uses the mount any more, that what it says of itself is what a walk finds, and that nothing is open.
// Files are charged for so many bytes beyond their sizes.
func (d *daemon) requireSettled(t testing.TB, beyond int) {
	t.Helper()
	found := walk(t, d.place)
	want := map[string]string{"objects": strconv.Itoa(found.files), "handles": "0", "event-readers": "0"} // stats is made before its own is there
	said, err := d.stats()
	must(t, err)
	if said["commit"] == "strict" {
		want["bytes-charged"] = strconv.Itoa(found.charged + beyond)
	}
	// The kernel tells the daemon of what was closed and forgotten a little later.
	eventually(t, fmt.Sprintf("the stats are %v", want), func() (bool, string) {
		said, err := d.stats()
		must(t, err)
		instead := ""
		for key, value := range want {
			if said[key] != value {
				instead += fmt.Sprintf("%s: %s; ", key, said[key])
			}
		}
		return instead == "", instead
	})
}

// requireEmptied removes everything, and checks that the mount is as it was before there was anything.
func (d *daemon) requireEmptied(t testing.TB, before map[string]string) {
	t.Helper()
	entries, err := os.ReadDir(d.place)
	must(t, err)
	for _, entry := range entries {
		must(t, os.RemoveAll(filepath.Join(d.place, entry.Name())))
	}
	if found := walk(t, d.place); found != (recount{}) {
		t.Errorf("after everything was removed there is %+v", found)
	}
	eventually(t, "everything was given back", func() (bool, string) {
		said, err := d.stats()
		must(t, err)
		instead := ""
		for _, key := range []string{"objects", "directories", "semaphores", "bytes-charged", "bytes-resident", "inodes-used", "handles", "nodes", "event-readers"} {
			if said[key] != before[key] {
				instead += fmt.Sprintf("%s: %s, was %s; ", key, said[key], before[key])
			}
		}
		return instead == "", instead
	})
}
