package main

import (
	"strings"
	"testing"
)

func TestSemaphoreName(t *testing.T) {
	longest := strings.Repeat("n", 251)
	for _, c := range []struct {
		text, want string
		code       int
	}{
		{"jobs", "jobs", exitOK},
		{"/jobs", "jobs", exitOK},
		{"sem.jobs", "sem.jobs", exitOK},
		{"..", "..", exitOK},
		{" \n", " \n", exitOK},
		{longest, longest, exitOK},
		{"/" + longest, longest, exitOK},
		{longest + "n", "", exitUsage},
		{"", "", exitUsage},
		{"/", "", exitUsage},
		{"//jobs", "", exitUsage},
		{"a/b", "", exitUsage},
	} {
		got, err := semaphoreName(c.text)
		if got != c.want || codeOf(err) != c.code {
			t.Errorf("%q names %q, %v", c.text, got, err)
		}
	}
}

func TestIsTemporaryName(t *testing.T) {
	for name, want := range map[string]bool{
		"aZ09xy": true, "abcdef": true, "123456": true,
		"abcde": false, "abcdefg": false, "abc-ef": false, "abc ef": false, "abcde\x00": false,
		"äbcde": false, "AB@CDE": false, "": false,
		"abcd[f": false, "abc`ef": false,
	} {
		if got := isTemporaryName(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}

func TestShellName(t *testing.T) {
	for name, want := range map[string]string{
		"jobs": "jobs", "a.b-c:1": "a.b-c:1", "-x": "NAME", "a b": "NAME", "$(x)": "NAME", "ü": "NAME",
	} {
		if got := shellName(name); got != want {
			t.Errorf("%q is to be typed %q, want %q", name, got, want)
		}
	}
}
