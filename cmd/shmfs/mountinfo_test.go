package main

import (
	"reflect"
	"testing"
)

func TestParseMount(t *testing.T) {
	cases := []struct {
		name string
		line string
		want mount
		ok   bool
	}{
		{"optional fields", `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue`,
			mount{36, "98:0", "/mnt2", []string{"rw", "noatime"}, "ext3", []string{"rw", "errors=continue"}, "/mnt1"}, true},
		{"no optional field", `92 63 0:43 / /mnt/shared ro,nosuid,nodev - fuse.shmfs jobs ro,user_id=7,group_id=8`,
			mount{92, "0:43", "/mnt/shared", []string{"ro", "nosuid", "nodev"}, "fuse.shmfs", []string{"ro", "user_id=7", "group_id=8"}, "/"}, true},
		{"escaped point and source", `1 2 0:3 / /a\040b\134c\011d\012e rw - fuse.shmfs two\040words rw`,
			mount{1, "0:3", "/a b\\c\td\ne", []string{"rw"}, "fuse.shmfs", []string{"rw"}, "/"}, true},
		{"a point with a dash", `1 2 0:3 / /a\040-\040b rw - tmpfs none rw`,
			mount{1, "0:3", "/a - b", []string{"rw"}, "tmpfs", []string{"rw"}, "/"}, true},
		{"no dash", `36 35 98:0 / /mnt2 rw ext3 /dev/root rw`, mount{}, false},
		{"too short", `36 35 98:0 / - ext3 /dev/root rw`, mount{}, false},
		{"no number", `x 35 98:0 / /mnt2 rw - ext3 /dev/root rw`, mount{}, false},
		{"empty", ``, mount{}, false},
	}
	for _, c := range cases {
		got, ok := parseMount(c.line)
		if ok != c.ok || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %+v, %v\nwant %+v", c.name, got, ok, c.want)
		}
	}
}

func TestUnescape(t *testing.T) {
	for text, want := range map[string]string{
		``: ``, `plain`: `plain`, `\040`: ` `, `a\134040`: `a\040`, `\04`: `\04`, `\9`: `\9`, `\089`: `\089`, `\777`: `\777`, `end\`: `end\`,
	} {
		if got := unescape(text); got != want {
			t.Errorf("unescape(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestMountUser(t *testing.T) {
	for _, c := range []struct {
		super []string
		want  int
	}{
		{[]string{"rw", "user_id=1000", "group_id=7"}, 1000},
		{[]string{"rw", "group_id=7"}, 0},
		{[]string{"user_id=many"}, 0},
		{nil, 0},
	} {
		if got := (mount{super: c.super}).user(); got != c.want {
			t.Errorf("%q belongs to %d, want %d", c.super, got, c.want)
		}
	}
}

func TestContains(t *testing.T) {
	for _, c := range []struct {
		point, path string
		want        bool
	}{
		{"/a/b", "/a/b", true},
		{"/a/b", "/a/b/c", true},
		{"/a/b", "/a/b/..c", true},
		{"/a/b", "/a/bc", false},
		{"/a/b", "/a", false},
		{"/a/b", "/", false},
		{"/a/b", "/c", false},
		{"/", "/a", true},
	} {
		if got := (mountpoint{path: c.point}).contains(c.path); got != c.want {
			t.Errorf("%s contains %s: %v, want %v", c.point, c.path, got, c.want)
		}
	}
}
