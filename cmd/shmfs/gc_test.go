package main

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// statusOf is the text of an object of the example, as far as gc reads it.
func statusOf(inode int, opens, created, process string) string {
	return "inode: " + strconv.Itoa(inode) + "\ncreated: " + created + "\ncreator-pid: " + process + "\ncreator-command: ba\\040sh\nopens: " + opens + "\nmappers: 0\n"
}

// gcMount has two objects and a semaphore that nobody uses, one that is mapped under another name, and one that came into use just now.
func gcMount(t *testing.T) string {
	t.Helper()
	heading, _, _ := strings.Cut(exampleObjects, "\n")
	const rest = `
a           file          1 4096 4096 0644 0 0 1 0 5 2020-01-01T00:00:00Z
d           directory    60    0    0 0755 0 0 2 0 3 2020-01-01T00:00:00Z
d/linked    file          1 4096 4096 0644 0 0 2 0 7 2020-01-01T00:00:00Z
frames      file          9 4096 4096 0644 0 0 2 0 7 2020-01-01T00:00:00Z
just\040now file          9 4096 4096 0644 0 0 1 0 8 2020-01-01T00:00:00Z
open        file          9 4096 4096 0644 0 0 1 1 9 2020-01-01T00:00:00Z
sem.jobs    semaphore    32 4096 4096 0644 0 0 1 0 6 2020-01-01T00:00:00Z
young       file       2048 4096 4096 0644 0 0 1 0 4 2020-01-01T00:00:00Z
`
	return fakeMount(t, map[string]string{
		".shmfs/objects": heading + rest, ".shmfs/maps": exampleMaps, ".shmfs/handles": exampleHandles,
		"a": "", "d/linked": "", "frames": "", "just now": "", "open": "", "sem.jobs": "", "young": "",
		".shmfs/object/a":        statusOf(5, "0", "2019-01-01T00:00:00Z", "999999999"),
		".shmfs/object/just now": statusOf(8, "1", "2019-01-01T00:00:00Z", "1"),
		".shmfs/object/sem.jobs": statusOf(6, "0", "2019-01-01T00:00:00Z", "-"),
		".shmfs/object/young":    statusOf(4, "0", time.Now().Add(-90*time.Minute).UTC().Format(time.RFC3339Nano), "1"),
	})
}

func collect(t *testing.T, mount string, c collection, names ...string) string {
	t.Helper()
	var output, complaints bytes.Buffer
	if err := c.run(mount, names, &output, &complaints); err != nil || complaints.Len() > 0 {
		t.Fatalf("%v\n%s", err, &complaints)
	}
	return output.String()
}

func TestCollectDryRun(t *testing.T) {
	mount := gcMount(t)
	view := tableView{columns: "name,type,size,creator,creator-pid"}
	requireText(t, collect(t, mount, collection{dryRun: true, view: view}), `NAME     TYPE      SIZE CREATOR  CREATOR-PID
a        file         1 ba\040sh   999999999
sem.jobs semaphore   32 ba\040sh           -
young    file        2K ba\040sh           1
`)
	requireText(t, collect(t, mount, collection{dryRun: true, view: tableView{columns: "name,age", noHeadings: true}}, "young"), "young 1h30m\n")
	older := collection{dryRun: true, older: timeLimit{true, 2 * time.Hour}, view: tableView{columns: "name", noHeadings: true, order: "-name"}}
	requireText(t, collect(t, mount, older), "sem.jobs\na\n")
	for _, name := range []string{"a", "sem.jobs", "young"} {
		if _, err := os.Stat(mount + "/" + name); err != nil {
			t.Errorf("%s is gone: %v", name, err)
		}
	}
}

func TestCollectForce(t *testing.T) {
	mount := gcMount(t)
	if err := os.Remove(mount + "/sem.jobs"); err != nil { // somebody was faster
		t.Fatal(err)
	}
	view := tableView{columns: "name", noHeadings: true}
	if err := (&collection{force: true, view: tableView{columns: "none"}}).run(mount, nil, &bytes.Buffer{}, &bytes.Buffer{}); codeOf(err) != exitUsage {
		t.Errorf("a wrong column: %v", err)
	}
	requireText(t, collect(t, mount, collection{force: true, view: view}), "a\nyoung\n")
	for name, left := range map[string]bool{"a": false, "young": false, "d/linked": true, "frames": true, "just now": true, "open": true} {
		if _, err := os.Stat(mount + "/" + name); errors.Is(err, unix.ENOENT) == left {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOrphans(t *testing.T) {
	for process, want := range map[string]bool{"": false, "x": false, "0": false, "1": false, strconv.Itoa(os.Getpid()): false, "999999999": true} {
		if got := (&unusedObject{process: process}).isOrphan(); got != want {
			t.Errorf("process %q: %v", process, got)
		}
	}
}

func TestSeesEverybody(t *testing.T) {
	for _, c := range []struct {
		super string
		user  int
		want  bool
	}{
		{"rw,user_id=0,allow_other", 0, true}, {"rw,user_id=5", 0, true}, {"rw,user_id=5", 5, true},
		{"rw,user_id=5,allow_other", 5, false}, {"rw,user_id=0,allow_other", 5, false},
	} {
		if got := seesEverybody(mount{super: strings.Split(c.super, ",")}, c.user); got != c.want {
			t.Errorf("user %d of %s: %v", c.user, c.super, got)
		}
	}
}
