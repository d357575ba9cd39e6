package main

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"testing"
)

const exampleQuotas = ` UID USER    BYTES BYTES-LIMIT OBJECTS OBJECTS-LIMIT OWN
   0 root     8192           -       3             - -
1000 an\040n 4096    10485760      12            10 bytes
1001 1001        0           -       0             5 bytes,objects
`

func quotaMount(t *testing.T, config string) string {
	t.Helper()
	return fakeMount(t, map[string]string{".shmfs/quota": exampleQuotas, ".shmfs/config": config})
}

func TestQuotaList(t *testing.T) {
	for _, c := range []struct {
		view tableView
		want string
	}{
		{tableView{}, `USER    BYTES BYTES-LIMIT OBJECTS OBJECTS-LIMIT OWN
root       8K           -       3             - -
an\040n    4K         10M      12            10 bytes
1001        0           -       0             5 bytes,objects
`},
		{tableView{columns: "uid,bytes-limit", bytes: true, order: "-objects"}, " UID BYTES-LIMIT\n1000    10485760\n   0           -\n1001           -\n"},
		{tableView{json: true, columns: "user,bytes-limit,objects,own", noHeadings: true}, `[{"user":"root","bytes-limit":null,"objects":3,"own":null},
{"user":"an n","bytes-limit":10485760,"objects":12,"own":"bytes"},
{"user":"1001","bytes-limit":null,"objects":0,"own":"bytes,objects"}]
`},
	} {
		all, err := readInfoTable(quotaMount(t, ""), quotaFile)
		if err != nil {
			t.Fatal(err)
		}
		var output bytes.Buffer
		if err := c.view.show(&output, all, usualQuotaColumns...); err != nil {
			t.Fatal(err)
		}
		requireText(t, output.String(), c.want)
	}
}

// Who is in no table holds nothing and has everybody's limits.
func TestQuotaOfWhoHoldsNothing(t *testing.T) {
	for _, c := range []struct {
		config string
		who    account
		want   string
	}{
		{"commit: strict\nquota-objects: 7\nquota-uid: 1048576\n", account{"b b", 7}, "7,b b,0,1048576,0,7,"},
		{"commit: strict\nquota-objects: 0\nquota-uid: 0\n", account{"7", 7}, "7,7,0,,0,,"},
		{"commit: lazy\nquota-objects: 7\n", account{"7", 7}, "7,7,,,0,7,"},
		{"commit: strict\nquota-objects: 7\nquota-uid: 1048576\n", account{"root", 0}, "0,root,0,,0,,"},
	} {
		mount := quotaMount(t, c.config)
		all, err := readInfoTable(mount, quotaFile)
		if err != nil {
			t.Fatal(err)
		}
		row, err := c.who.emptyRow(mount, all)
		if err != nil {
			t.Fatal(err)
		}
		requireText(t, strings.Join(row, ","), c.want)
		if row := (account{"ann", 1000}).rowOf(all); row == nil || row[1] != "an n" {
			t.Errorf("the row of user 1000 is %q", row)
		}
	}
}

func TestFindAccount(t *testing.T) {
	for text, want := range map[string]uint32{"root": 0, "0": 0, "1000": 1000, "4294967294": 1<<32 - 2} {
		if who, err := findAccount(text); err != nil || who.uid != want || who.name != text {
			t.Errorf("%s is %v, %v", text, who, err)
		}
	}
	for _, text := range []string{"", "no such user", "4294967295", "99999999999", "-1", "+1"} {
		if who, err := findAccount(text); codeOf(err) != exitUsage {
			t.Errorf("%q is %v, %v", text, who, err)
		}
	}
	if _, err := findAccount(strconv.Itoa(os.Getuid())); err != nil {
		t.Error(err)
	}
}

func TestUserLimit(t *testing.T) {
	for text, want := range map[string]string{
		"0": " x=0", "none": " x=0", "default": " x=default", "12": " x=12", "4K": " x=4096", "1g": " x=1073741824",
	} {
		var limit userLimit
		if err := limit.Set(text); err != nil || limit.word("x") != want || limit.String() != text {
			t.Errorf("%s is %q, %v", text, limit.word("x"), err)
		}
	}
	for _, text := range []string{"", "-1", "1.5G", "Default", "all", "1GB", "99999999999999999999"} {
		var limit userLimit
		if err := limit.Set(text); err == nil || limit.word("x") != "" {
			t.Errorf("%q is %q", text, limit.word("x"))
		}
	}
}

// Whoever is given less than they hold shall not wonder.
func TestQuotaNotes(t *testing.T) {
	mount := quotaMount(t, "")
	for uid, want := range map[uint32]string{0: "", 7: "", 1001: "", 1000: "shmfs: ann holds 12 of 10 objects: nothing more is given until it is less\n"} {
		var notes bytes.Buffer
		if err := (quotaChange{}).note(mount, account{"ann", uid}, &notes); err != nil {
			t.Fatal(err)
		}
		requireText(t, notes.String(), want)
	}
}
