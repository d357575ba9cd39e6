package source

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const start = "package p\nimport \"shmfs/mmapcore/crashpoint\"\n"

func write(t *testing.T, files map[string]string) (directory string) {
	t.Helper()
	directory = t.TempDir()
	for name, text := range files {
		path := filepath.Join(directory, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return directory
}

func TestNames(t *testing.T) {
	directory := write(t, map[string]string{
		"a/a.go":           start + "func f() { crashpoint.Here(\"b\"); func() { crashpoint.Here(`a`) }() }",
		"c.go":             start + "func f(x any) { switch x.(type) { case int: crashpoint.Here(\"c\") } }",
		"other.go":         "package p\nfunc g() { crashpoint.Here(h) }", // something else of that name
		"a/a_test.go":      start + "func g() { crashpoint.Here(\"test\") }",
		"testdata/x.go":    start + "func g() { crashpoint.Here(\"data\") }",
		"notes.txt":        "crashpoint.Here(\"text\")",
		"a/commented.go":   start + "// crashpoint.Here(\"comment\")\nvar s = \"crashpoint.Here(1)\"",
		"a/b/elsewhere.go": start + "func (t *T) f() { defer crashpoint.Here(\"d\") }",
	})
	names, err := Names(directory)
	if want := []string{"a", "b", "c", "d"}; err != nil || !slices.Equal(names, want) {
		t.Fatalf("the points are %v, %v, not %v", names, err, want)
	}
}

func TestPointsThatWouldBeMissed(t *testing.T) {
	for text, complaint := range map[string]string{
		start + "func f() { crashpoint.Here(name) }":                                      "not a string literal",
		start + "func f() { crashpoint.Here(\"a\" + \"b\") }":                             "not a string literal",
		start + "func f() { crashpoint.Here(\"a\"); crashpoint.Here(\"a\") }":             "also at",
		start + "var f = crashpoint.Here":                                                 "not called",
		start + "func f() { g(crashpoint.Here) }":                                         "not called",
		"package p\nimport cp \"shmfs/mmapcore/crashpoint\"\nfunc f() { cp.Here(\"a\") }": "another name",
		"package p\nimport . \"shmfs/mmapcore/crashpoint\"\nfunc f() { Here(\"a\") }":     "another name",
		"package p\nfunc {":                       "expected",
		start + "func f() { crashpoint.Here() }":  "one name",
		start + "func f() { crashpoint.Here(1) }": "not a string literal",
	} {
		_, err := Names(write(t, map[string]string{"p.go": text}))
		if err == nil || !strings.Contains(err.Error(), complaint) {
			t.Errorf("%q: the error is %v, not %q", text, err, complaint)
		}
	}
	if _, err := Names(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a directory that is not there has points")
	}
}
