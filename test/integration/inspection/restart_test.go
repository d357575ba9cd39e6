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
