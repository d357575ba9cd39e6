package main

import (
	"errors"
	"testing"
)

func TestPrintable(t *testing.T) {
	for _, c := range []struct{ text, plain, field string }{
		{"jobs", "jobs", "jobs"},
		{"", "", ""},
		{"größe", "größe", "größe"},
		{"two words", "two words", `two\x20words`},
		{`a\nb`, `a\nb`, `a\\nb`},
		{"a\nb\tc", `a\nb\tc`, `a\nb\tc`},
		{"\x1b[31m\x7f", `\x1b[31m\x7f`, `\x1b[31m\x7f`},
		{"\u009b2J", `\u009b2J`, `\u009b2J`},
		{"\u202egnp", `\u202egnp`, `\u202egnp`},
		{"\xff\xc2", `\xff\xc2`, `\xff\xc2`},
		{"\ufffd", "\ufffd", "\ufffd"},
		{`"quoted"`, `"quoted"`, `"quoted"`},
	} {
		if got := printable(c.text); got != c.plain {
			t.Errorf("printable(%q) = %s, want %s", c.text, got, c.plain)
		}
		if got := printableField(c.text); got != c.field {
			t.Errorf("printableField(%q) = %s, want %s", c.text, got, c.field)
		}
	}
}

func TestErrorLine(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, ""},
		{failure(exitTimeout, ""), ""},
		{errors.New("first\nsecond \x1b[2J"), `first second \x1b[2J`},
	} {
		if got := errorLine(c.err); got != c.want {
			t.Errorf("%v is told as %q, want %q", c.err, got, c.want)
		}
	}
}
