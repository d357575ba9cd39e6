package inspection

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"shmfs/fs/table"
	"shmfs/test/integration/rig"

	"golang.org/x/sys/unix"
)

// workerOf is the process that serves a mount.
func workerOf(t testing.TB, mount string) int {
	t.Helper()
	for line := range strings.Lines(text(t, mount, "stats")) {
		if value, found := strings.CutPrefix(line, "worker-pid: "); found {
			number, err := strconv.Atoi(strings.TrimSpace(value))
			must(t, err)
			return number
		}
	}
	t.Fatal("stats has no worker-pid")
	return 0
}

// killWorker ends it. The next call of anything waits for the next.
func killWorker(t testing.TB, mount string) {
	t.Helper()
	must(t, unix.Kill(workerOf(t, mount), unix.SIGKILL))
}

const tableNames = 300

// makeTable makes the objects that each table is to show.
func makeTable(t testing.TB, mount string) {
	t.Helper()
	for i := range tableNames {
		create(t, filepath.Join(mount, fmt.Sprintf("object-%03d", i)), "x")
	}
}

// requireTable checks that a text is one table of objects, whole: its lines are sorted, and every object is there once.
func requireTable(t testing.TB, content string) {
	t.Helper()
	parsed, err := table.Parse([]byte(content))
	if err != nil {
		t.Fatalf("%v in\n%s", err, content)
	}
	var names []string
	for _, row := range parsed.Rows {
		names = append(names, row[0])
	}
	kept := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !strings.HasPrefix(name, "object-") })
	if !slices.IsSorted(names) || len(slices.Compact(kept)) != tableNames || !strings.HasSuffix(content, "\n") {
		t.Fatalf("this is no table of %d objects:\n%s", tableNames, content)
	}
}

// A text that is read in pieces while workers die is the one that was opened.
func TestOneOpenShowsOneStateWhileWorkersDie(t *testing.T) {
	inEach(t, []place{places[0], places[2]}, func(t *testing.T, mount string) {
		makeTable(t, mount)
		for _, name := range []string{"objects", "stats", "handles", "object/object-007"} {
			descriptor := open(t, info(mount, name), unix.O_RDONLY)
			first := pieces(t, descriptor, 1000)
			half := open(t, info(mount, name), unix.O_RDONLY)
			whole := pieces(t, half, 1<<16)
			killWorker(t, mount)
			create(t, filepath.Join(mount, "a-long-name-before-all-others-"+filepath.Base(name)), "more")
			must(t, unix.Truncate(filepath.Join(mount, "object-007"), int64(len(name))<<12))
			if again := pieces(t, descriptor, 777); again != first {
				t.Errorf("%s: one open shows two states", name)
			}
			killWorker(t, mount)
			if again := pieces(t, half, 333); again != whole {
				t.Errorf("%s: one open shows two states after two deaths", name)
			}
		}
	})
}

// What cat prints while the worker is killed is one table.
func TestTablesWhileWorkersDie(t *testing.T) {
	inEach(t, []place{places[0], places[2]}, func(t *testing.T, mount string) {
		makeTable(t, mount)
		for round := range 10 {
			worker, moment := workerOf(t, mount), time.Duration(rand.Int64N(int64(5*time.Millisecond)))
			died := make(chan error, 1)
			go func() {
				time.Sleep(moment) // at any time of the reading
				died <- unix.Kill(worker, unix.SIGKILL)
			}()
			for over := false; !over; {
				select {
				case err := <-died:
					must(t, err)
					over = true
				default:
				}
				changing := filepath.Join(mount, fmt.Sprintf("another-%0*d", 1+round*20, round))
				create(t, changing, "x")
				requireTable(t, rig.MustRun(t, mount, patience, exec.Command("cat", info(mount, "objects"))))
				must(t, os.Remove(changing))
			}
		}
	})
}

// unread is an object's text without what changes when it is looked at.
func unread(content string) string {
	before, rest, _ := strings.Cut(content, "accessed: ")
	_, after, _ := strings.Cut(rest, "\n")
	return before + after
}

// What object/PATH says of an object, who created it above all, it says when workers have died and been replaced, and its creator has ended.
func TestCreatorsOutliveWorkers(t *testing.T) {
	inEach(t, places, func(t *testing.T, mount string) {
		create(t, filepath.Join(mount, "file"), "x")
		must(t, os.Mkdir(filepath.Join(mount, "directory"), 0o755))
		must(t, os.Symlink("file", filepath.Join(mount, "directory", "symlink")))
		shell := as(ann, exec.Command("sh", "-c", `echo $$; echo 3 > sem.jobs; echo x > anns; mkfifo -m 600 fifo; ln anns anns-too; mv anns anns-moved`))
		shell.Dir = mount
		created := strings.TrimSpace(rig.MustRun(t, mount, patience, shell))
		before := map[string]string{}
		for _, name := range []string{"file", "directory/symlink", "sem.jobs", "anns-moved", "fifo"} {
			before[name] = unread(text(t, mount, "object/"+name))
		}
		for name, want := range map[string]string{"file": fmt.Sprint(os.Getpid()), "sem.jobs": created, "anns-moved": created} {
			if is := values(t, before[name])["creator-pid"]; !slices.Equal(is, []string{want}) {
				t.Errorf("object/%s: creator-pid is %q, want %s", name, is, want)
			}
		}
		check := func(after string) {
			t.Helper()
			for name, want := range before {
				if found := unread(text(t, mount, "object/"+name)); found != want {
					t.Errorf("object/%s after %s:\n%swas\n%s", name, after, found, want)
				}
			}
		}
		for _, death := range []string{"a death", "another"} {
			killWorker(t, mount)
			check(death)
		}
		rig.MustRun(t, mount, patience, exec.Command(rig.Binary(t), "reload", mount))
		check("a reload")
		must(t, os.Remove(filepath.Join(mount, "file")))
		rig.MustRun(t, mount, patience, exec.Command("mkfifo", filepath.Join(mount, "file"))) // may get the number of the one before
		killWorker(t, mount)
		if is := values(t, text(t, mount, "object/file"))["creator-command"]; !slices.Equal(is, []string{"mkfifo"}) {
			t.Errorf("object/file, made anew: creator-command is %q", is)
		}
	})
}

// A text that is too long to be kept is made again by the next worker: what is read of it before and after a death is one table, the last that was made,
// unless what was read before has changed.
func TestLongTablesWhileWorkersDie(t *testing.T) {
	inEach(t, []place{places[0], places[2]}, func(t *testing.T, mount string) {
		const names, begun = 6000, 300 << 10
		name := func(first string) string { return filepath.Join(mount, first+strings.Repeat("x", 150)) }
		for i := range names {
			create(t, name(fmt.Sprintf("object-%06d", i)), "")
		}
		half, stale := open(t, info(mount, "objects"), unix.O_RDONLY), open(t, info(mount, "objects"), unix.O_RDONLY)
		first := make([]byte, begun)
		for _, descriptor := range []int{half, stale} {
			n, err := unix.Pread(descriptor, first, 0)
			must(t, err)
			if n != begun {
				t.Fatalf("%d bytes can be read, want %d", n, begun)
			}
		}
		killWorker(t, mount)
		create(t, name("object-behind"), "")
		rest := make([]byte, 4<<20)
		n, err := unix.Pread(half, rest, begun)
		for size := -1; err == nil && size != n; { // a READ is no longer than 1 MiB
			var more int
			size = n
			more, err = unix.Pread(half, rest[n:], int64(begun+n))
			n += more
		}
		must(t, err)
		content := string(first) + string(rest[:n])
		parsed, err := table.Parse([]byte(content))
		must(t, err)
		if len(content) <= 1<<20 || len(parsed.Rows) != names+1 || !strings.HasPrefix(parsed.Rows[names][0], "object-behind") {
			t.Errorf("there are %d rows in %d bytes, want %d", len(parsed.Rows), len(content), names+1)
		}
		create(t, name("object-000009-and-more"), "")
		killWorker(t, mount)
		if n, err := unix.Pread(stale, rest, begun); err != unix.ESTALE {
			t.Errorf("what was read has changed, and reading on returns %d bytes, %v", n, err)
		}
	})
}
