package quota

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// holding is what a user holds.
type holding struct{ bytes, objects int64 }

// after returns what says whether so much time has gone by.
func after(duration time.Duration) func() bool {
	deadline := time.Now().Add(duration)
	return func() bool { return time.Now().After(deadline) }
}

// count walks through a mount and through what the actors have open, and adds up what each user holds. What is reserved behind a file's
// end shows by no call, so that nothing may be.
func count(t testing.TB, mount string, strict bool, actors []*actor) map[string]holding {
	t.Helper()
	held := map[string]holding{}
	seen := map[uint64]bool{}
	add := func(stat *unix.Stat_t) {
		if seen[stat.Ino] {
			return
		}
		seen[stat.Ino] = true
		one := held[fmt.Sprint(stat.Uid)]
		one.objects++
		switch {
		case !strict:
		case stat.Mode&unix.S_IFMT == unix.S_IFREG:
			one.bytes += (stat.Size + page - 1) / page * page
		case stat.Mode&unix.S_IFMT == unix.S_IFLNK && stat.Blocks > 0:
			one.bytes += page
		}
		held[fmt.Sprint(stat.Uid)] = one
	}
	var root unix.Stat_t
	must(t, unix.Lstat(mount, &root))
	must(t, filepath.WalkDir(mount, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || path == mount {
			return err
		}
		var stat unix.Stat_t
		err = unix.Lstat(path, &stat)
		add(&stat)
		return err
	}))
	for _, a := range actors {
		descriptors := fmt.Sprintf("/proc/%d/fd", a.command.Process.Pid)
		entries, err := os.ReadDir(descriptors)
		must(t, err)
		for _, entry := range entries {
			var stat unix.Stat_t
			if unix.Stat(filepath.Join(descriptors, entry.Name()), &stat) == nil && stat.Dev == root.Dev && stat.Ino != root.Ino {
				add(&stat)
			}
		}
	}
	return held
}

// books is what the mount says, and whether its own sum agrees: it need not while something changes, since one is read after the other.
func books(t testing.TB, mount string, strict bool) (said map[string]holding, agree bool) {
	t.Helper()
	said = map[string]holding{}
	var sum int64
	for _, one := range rows(t, mount, "quota") {
		var holds holding
		holds.bytes, _ = strconv.ParseInt(one["BYTES"], 10, 64)
		holds.objects, _ = strconv.ParseInt(one["OBJECTS"], 10, 64)
		if holds != (holding{}) {
			said[one["UID"]] = holds
		}
		sum += holds.bytes
	}
	return said, !strict || strings.Contains(text(t, mount, "stats"), fmt.Sprintf("\nbytes-charged: %d\n", sum))
}

// TestRecount has users do random things at their limits, all at once, then gives away some of what there is, and compares the books with
// what there is: while all of them have things open, without names too, and when they have gone.
func TestRecount(t *testing.T) {
	inEach(t, allPlaces, "size=64M,quota-objects=9", func(t *testing.T, mount string) {
		strict := strictly(t, 1) > 0
		seed := time.Now().UnixNano() % 1e9
		t.Logf("seed %d", seed)
		if strict {
			for _, user := range []uint32{ann, ben, cai} {
				setQuota(t, mount, "%d bytes=%d", user, 1<<20)
			}
		}
		var actors []*actor
		for i, user := range []uint32{ann, ben, cai, ann, ben, 0} {
			a := start(t, mount, user)
			a.ask("work", fmt.Sprintf("u%d-%d-", user, i), seed+int64(i), 150)
			actors = append(actors, a)
		}
		for _, a := range actors {
			a.answer("work")
		}
		requireBooks(t, mount, strict, actors)
		for i, name := range names(t, mount) {
			must(t, os.Lchown(filepath.Join(mount, name), int([]uint32{ann, ben, cai, 0}[i%4]), -1))
		}
		requireBooks(t, mount, strict, actors)
		for _, a := range actors {
			a.leave()
		}
		requireBooks(t, mount, strict, nil)
		for _, name := range names(t, mount) {
			must(t, os.RemoveAll(filepath.Join(mount, name)))
		}
		requireBooks(t, mount, strict, nil)
	})
}

// requireBooks waits until the daemon was told of what was let go of; then the books must be what there is.
func requireBooks(t *testing.T, mount string, strict bool, actors []*actor) {
	t.Helper()
	var said, there map[string]holding
	var agree bool
	for timeout := after(patience); !timeout(); _, _ = unix.Poll(nil, 5) {
		there = count(t, mount, strict, actors)
		if said, agree = books(t, mount, strict); agree && maps.Equal(said, there) {
			return
		}
	}
	t.Fatalf("the books say %v, and there is %v; their sum agrees with stats: %v", said, there, agree)
}

func names(t testing.TB, mount string) []string {
	t.Helper()
	entries, err := os.ReadDir(mount)
	must(t, err)
	all := make([]string, len(entries))
	for i, entry := range entries {
		all[i] = entry.Name()
	}
	return all
}
