package main

import (
	"bytes"
	"testing"
)

const exampleMaps = `OBJECT START-END                 PROTECTION SHARING OFFSET RESIDENT PID USER COMMAND
#77    7f0000000000-7f0000001000 rw-        shared       0     4096  12 root ba\040sh
d/x    7f0000000000-7f0000001000 r--        private      0        0   9 root bash
frames 7f0000000000-7f0000002000 r--        shared       0     4096  12 root ba\040sh
frames 7f0000004000-7f0000404000 -wx        shared    8192  4194304  12 root ba\040sh
`

const exampleHandles = `OBJECT PID USER COMMAND  FLAGS      SINCE
frames   9 root bash     read,write 2026-11-29T10:22:11.079805544Z
frames  12 root ba\040sh read,write 2026-11-29T10:22:11.079805544Z
frames  12 root ba\040sh read       2026-11-29T10:22:10.079805544Z
`

func whoMount(t *testing.T) string {
	t.Helper()
	return fakeMount(t, map[string]string{".shmfs/maps": exampleMaps, ".shmfs/handles": exampleHandles, ".shmfs/objects": exampleObjects})
}

func TestWho(t *testing.T) {
	inUTC(t)
	for _, c := range []struct {
		view  tableView
		names []string
		want  string
	}{
		{tableView{}, nil, `OBJECT PID USER COMMAND  OPEN MAPPED RESIDENT
#77     12 root ba\040sh    0     4K       4K
d/x      9 root bash        0     4K        0
frames   9 root bash        1      0        0
frames  12 root ba\040sh    2     4M       4M
`},
		{tableView{columns: "all", bytes: true}, []string{"frames"},
			`OBJECT PID USER COMMAND  OPEN FLAGS      SINCE                           MAPPED RANGES PROTECTION SHARING RESIDENT
frames   9 root bash        1 read,write 2026-11-29T10:22:11.079805544Z       0      0 -          -              0
frames  12 root ba\040sh    2 read,write 2026-11-29T10:22:10.079805544Z 4202496      2 rwx        shared   4198400
`},
		{tableView{noHeadings: true, columns: "pid,open", order: "-open"}, []string{"d", "frames"}, "12 2\n 9 1\n 9 0\n"},
		{tableView{json: true, columns: "object,pid,mapped"}, []string{"#77"}, `[{"object":"#77","pid":12,"mapped":4096}]` + "\n"},
	} {
		users, err := readUsers(whoMount(t), c.names)
		if err != nil {
			t.Fatal(err)
		}
		var output bytes.Buffer
		if err := c.view.show(&output, users, usualUserColumns...); err != nil {
			t.Fatal(err)
		}
		requireText(t, output.String(), c.want)
	}
}

func TestWhoOfNothing(t *testing.T) {
	mount := whoMount(t)
	if err := requireKnown(mount, []string{"none"}); codeOf(err) != exitFailure {
		t.Errorf("what does not exist is looked for: %v", err)
	}
	for _, names := range [][]string{nil, {"frames"}, {"#12"}} {
		if err := requireKnown(mount, names); err != nil {
			t.Errorf("%q: %v", names, err)
		}
	}
}
