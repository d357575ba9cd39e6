package quota

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"shmfs/test/integration/rig"

	"golang.org/x/sys/unix"
)

// figure is a number among the mount's figures.
func figure(t testing.TB, mount, key string) int {
	t.Helper()
	for line := range strings.Lines(text(t, mount, "stats")) {
		if value, found := strings.CutPrefix(line, key+": "); found {
			number, err := strconv.Atoi(strings.TrimSpace(value))
			must(t, err)
			return number
		}
	}
	t.Fatalf("stats has no %s", key)
	return 0
}

// killWorker ends the process that serves a mount, and waits for the next.
func killWorker(t testing.TB, mount string) {
	t.Helper()
	worker := figure(t, mount, "worker-pid")
	must(t, unix.Kill(worker, unix.SIGKILL))
	for timeout := after(patience); figure(t, mount, "worker-pid") == worker; {
		if timeout() {
			t.Fatalf("process %d goes on serving", worker)
		}
	}
}

// TestLimitsOutliveTheWorker sets limits of all kinds, and has the worker die and replaced by another.
func TestLimitsOutliveTheWorker(t *testing.T) {
	inEach(t, strictPlaces, fmt.Sprintf("size=64M,quota-uid=%d,quota-objects=4", 8*page), func(t *testing.T, mount string) {
		setQuota(t, mount, "%d bytes=%d", ben, 16*page)
		setQuota(t, mount, "%d objects=0", cai)
		shmfs(t, mount, "mount", "-o", fmt.Sprintf("remount,quota-uid=%d", 9*page), mount)
		a, b := start(t, mount, ann), start(t, mount, ben)
		file := a.must("open", "file", unix.O_RDWR|unix.O_CREAT)
		a.must("fallocate", file, keep, 0, 4*page)
		a.must("link", "file", "link")
		nameless := a.must("tmpfile")
		a.must("ftruncate", nameless, 3*page)
		a.must("mkdir", "directory")
		must(t, os.Lchown(filepath.Join(mount, "directory"), int(ben), -1))
		b.must("ftruncate", b.must("open", "ben's", unix.O_RDWR|unix.O_CREAT), 15*page)
		before := text(t, mount, "quota")
		for range 3 {
			killWorker(t, mount)
			if now := text(t, mount, "quota"); now != before {
				t.Errorf("quota was\n%s\nand is\n%s", before, now)
			}
			a.wants(unix.EDQUOT, "ftruncate", nameless, 6*page)
			a.must("ftruncate", nameless, 5*page)
			wantHolds(t, mount, ann, 9, 2)
			a.must("ftruncate", nameless, 3*page)
			b.must("ftruncate", 0, 16*page)
			b.wants(unix.EDQUOT, "ftruncate", 0, 17*page)
			b.must("ftruncate", 0, 15*page)
		}
		shmfs(t, mount, "reload", mount)
		if now := text(t, mount, "quota"); now != before {
			t.Errorf("quota was\n%s\nand after a reload is\n%s", before, now)
		}
		a.leave()
		wantHolds(t, mount, ann, 4, 1) // what is reserved too
	})
}

// TestRecountAcrossDeaths has the worker die again and again while users do random things at their limits.
func TestRecountAcrossDeaths(t *testing.T) {
	inEach(t, allPlaces, "size=64M,quota-objects=9", func(t *testing.T, mount string) {
		strict := strictly(t, 1) > 0
		seed := time.Now().UnixNano() % 1e9
		t.Logf("seed %d", seed)
		if strict {
			shmfs(t, mount, "mount", "-o", "remount,quota-uid=1M", mount)
		}
		var actors []*actor
		for i, user := range []uint32{ann, ben, cai, ann, 0} {
			a := start(t, mount, user)
			a.ask("work", fmt.Sprintf("u%d-%d-", user, i), seed+int64(i), 100)
			actors = append(actors, a)
		}
		for range 5 {
			killWorker(t, mount)
			for _, one := range rows(t, mount, "quota") {
				bytes, _ := strconv.ParseInt(one["BYTES"], 10, 64)
				objects, _ := strconv.ParseInt(one["OBJECTS"], 10, 64)
				if one["UID"] != "0" && (objects > 9 || bytes > 1<<20) {
					t.Errorf("user %s holds %d bytes, %d objects", one["UID"], bytes, objects)
				}
			}
		}
		for _, a := range actors {
			a.answer("work")
		}
		requireBooks(t, mount, strict, actors)
		killWorker(t, mount)
		requireBooks(t, mount, strict, actors)
		for _, a := range actors {
			a.leave()
		}
		requireBooks(t, mount, strict, nil)
	})
}

// TestAnotherMountHasNone has limits of single users end with the mount.
func TestAnotherMountHasNone(t *testing.T) {
	store := t.TempDir()
	must(t, os.Chmod(store, os.ModeSticky|0o777))
	t.Run("first", func(t *testing.T) {
		mount := rig.Shmfs(t, "require-passthrough,store="+store)
		setQuota(t, mount, "%d objects=1", ann)
		a := start(t, mount, ann)
		a.must("open", "file", unix.O_RDWR|unix.O_CREAT)
		a.must("write", 0, 3*page, 0)
		a.wants(unix.EDQUOT, "mkdir", "more")
	})
	mount := rig.Shmfs(t, "require-passthrough,store="+store)
	if there, agree := books(t, mount, true); !agree || !maps.Equal(there, map[string]holding{fmt.Sprint(ann): {3 * page, 1}}) {
		t.Errorf("the next mount finds %v", there)
	}
	start(t, mount, ann).must("mkdir", "more")
	wantHolds(t, mount, ann, 3, 2)
}
