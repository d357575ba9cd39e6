package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// listing is what `shmfs ls` prints of the example.
func listing(t *testing.T, view tableView, names ...string) string {
	t.Helper()
	mount := fakeMount(t, map[string]string{".shmfs/objects": exampleObjects})
	objects, err := readObjects(mount, names)
	if err != nil {
		t.Fatal(err)
	}
	var output bytes.Buffer
	if err := view.show(&output, objects, usualObjectColumns...); err != nil {
		t.Fatal(err)
	}
	return output.String()
}

// inUTC makes UTC the local time zone until the test's end.
func inUTC(t *testing.T) {
	t.Helper()
	local := time.Local
	time.Local = time.UTC
	t.Cleanup(func() { time.Local = local })
}

func TestLs(t *testing.T) {
	inUTC(t)
	requireText(t, listing(t, tableView{}), `NAME                SIZE RESIDENT MODE OWNER OPENS MODIFIED
bad\033[31m\012\377    1       4K 0644 99999     0 2026-11-29T10:22:11Z
d                     60        0 0755 root      0 2026-11-29T10:22:11Z
d/x                 1.5K       4K 0644 root      2 2026-11-29T10:22:10Z
d2                     0        0 0600 root      0 2026-11-29T10:22:12Z
frames                5M        0 0644 root      1 2026-11-29T10:22:11Z
sem.jobs              32       4K 0644 root      0 2026-11-29T10:22:11Z
`)
	requireText(t, listing(t, tableView{noHeadings: true, bytes: true, columns: "size,Name,modified", order: "-size"}, "d", "frames"),
		`5242880 frames 2026-11-29T10:22:11.079805544Z
   1536 d/x    2026-11-29T10:22:10.083752760Z
     60 d      2026-11-29T10:22:11.083752760Z
`)
	requireText(t, listing(t, tableView{noHeadings: true, columns: "name", order: "opens"}, "sem.jobs", "d/x", "frames"), "sem.jobs\nframes\nd/x\n")
	if all := listing(t, tableView{columns: "all"}); !strings.HasPrefix(all, "NAME") || !strings.Contains(all, " OWNER GROUP\n") {
		t.Errorf("all columns are\n%s", all)
	}
}

func TestLsJSON(t *testing.T) {
	got := listing(t, tableView{json: true, columns: "name,size,owner,modified", order: "name"}, "d/x")
	requireText(t, got, `[{"name":"d/x","size":1536,"owner":"root","modified":"2026-11-29T10:22:10.083752760Z"}]`+"\n")
	got = listing(t, tableView{json: true})
	var rows []map[string]any
	if err := json.Unmarshal([]byte(got), &rows); err != nil || len(rows) != 6 || len(rows[1]) != 14 {
		t.Fatalf("%v\n%s", err, got)
	}
	if rows[0]["name"] != "bad\x1b[31m\n\ufffd" || rows[0]["name_bytes"] != "YmFkG1szMW0K/w==" || strings.Contains(got, "\x1b") {
		t.Errorf("the first is %v", rows[0])
	}
}

func TestLsOfNothing(t *testing.T) {
	heading, _, _ := strings.Cut(exampleObjects, "\n")
	mount := fakeMount(t, map[string]string{".shmfs/objects": heading + "\n"})
	for want, view := range map[string]tableView{"[]\n": {json: true}, "": {noHeadings: true}, "NAME\n": {columns: "name"}} {
		objects, err := readObjects(mount, nil)
		if err != nil {
			t.Fatal(err)
		}
		var output bytes.Buffer
		if err := view.show(&output, objects, usualObjectColumns...); err != nil || output.String() != want {
			t.Errorf("%+v prints %q, %v, want %q", view, &output, err, want)
		}
	}
}

func TestLsRefuses(t *testing.T) {
	mount := fakeMount(t, map[string]string{".shmfs/objects": exampleObjects})
	if _, err := readObjects(mount, []string{"d", "none"}); codeOf(err) != exitFailure || !strings.Contains(err.Error(), `"none" does not exist`) {
		t.Errorf("what does not exist is listed: %v", err)
	}
	objects, err := readObjects(mount, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, view := range []tableView{{columns: "name,colour"}, {order: "-colour"}, {columns: ","}} {
		if err := view.show(&bytes.Buffer{}, objects); codeOf(err) != exitUsage || !strings.Contains(err.Error(), "there are NAME,TYPE,") {
			t.Errorf("%+v: %v", view, err)
		}
	}
}

// A daemon of another version, or no daemon, is told apart from an empty mount.
func TestInfoRefusals(t *testing.T) {
	if _, err := readInfoTable(t.TempDir(), "objects"); codeOf(err) != exitFailure || !strings.Contains(err.Error(), "daemon of this version") {
		t.Errorf("a mount without the directory: %v", err)
	}
	for _, text := range []string{"", "NAME SIZE\nx\n", "NAME SIZE\nx 1"} {
		mount := fakeMount(t, map[string]string{".shmfs/objects": text})
		if _, err := readInfoTable(mount, "objects"); codeOf(err) != exitFailure || !strings.Contains(err.Error(), "shmfs version") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
