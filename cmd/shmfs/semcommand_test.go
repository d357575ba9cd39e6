package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// What each operation writes into the file, and how it takes what the file shows.
func TestOperationsAreCommands(t *testing.T) {
	for name, c := range map[string]struct {
		operate func(semaphore) error
		want    string
	}{
		"post":    {func(s semaphore) error { return s.operate("post 3") }, "post 3\n"},
		"wait":    {func(s semaphore) error { return s.wait(timeLimit{}) }, "wait\n"},
		"trywait": {semaphore.tryWait, "trywait\n"},
		"timed":   {func(s semaphore) error { return s.wait(timeLimit{given: true, duration: 5e8}) }, "timedwait 0.500000000\n"},
	} {
		target := plainSemaphore(t, "x", exampleText)
		if err := c.operate(target); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got, err := os.ReadFile(target.path()); err != nil || !strings.HasPrefix(string(got), c.want) {
			t.Errorf("%s wrote %q, %v, want %q", name, got, err, c.want)
		}
	}
}

func TestReset(t *testing.T) {
	target := plainSemaphore(t, "x", exampleText)
	if err := target.reset(); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(target.path()); err != nil || !strings.HasPrefix(string(got), "set 3\n") {
		t.Errorf("it wrote %q, %v", got, err)
	}
	unknown := plainSemaphore(t, "x", strings.Replace(exampleText, "initial: 3", "initial: unknown", 1))
	if err := unknown.reset(); err == nil || !strings.Contains(err.Error(), "shmfs sem set x N") {
		t.Errorf("what was created with an unknown value is reset: %v", err)
	}
}

func TestGet(t *testing.T) {
	var output bytes.Buffer
	if err := plainSemaphore(t, "x", exampleText).showValue(&output); err != nil || output.String() != "2\n" {
		t.Errorf("the value is %q, %v", &output, err)
	}
	output.Reset()
	err := plainSemaphore(t, "x", "value: -\nstate: invalid: size 7\n").showValue(&output)
	if codeOf(err) != exitFailure || output.Len() > 0 {
		t.Errorf("the value of no semaphore is %q, %v", &output, err)
	}
	err = plainSemaphore(t, "x", "state: ok\x1b[2J\n").showAll(&output)
	if err != nil || output.String() != `state: ok\x1b[2J`+"\n" {
		t.Errorf("it shows %q, %v", &output, err)
	}
}

// Where the daemon knows no semaphores, no command pretends to have done something, and no file changes.
func TestPlainFilesAreRefused(t *testing.T) {
	for name, operate := range map[string]func(semaphore) error{
		"post":    func(s semaphore) error { return s.operate("post 1") },
		"wait":    func(s semaphore) error { return s.wait(timeLimit{}) },
		"trywait": semaphore.tryWait,
		"reset":   semaphore.reset,
		"run": func(s semaphore) error {
			return (&semaphoreRun{semaphore: s, units: 1, arguments: []string{"true"}}).run()
		},
	} {
		for _, text := range []string{"", "3\n"} {
			target := plainSemaphore(t, "x", text)
			if err := operate(target); err == nil || !strings.Contains(err.Error(), "serves no semaphores") {
				t.Errorf("%s of a plain file: %v", name, err)
			}
			if got, err := os.ReadFile(target.path()); err != nil || string(got) != text {
				t.Errorf("%s left %q of %q, %v", name, got, text, err)
			}
		}
	}
}

func TestCreateWithoutSemaphores(t *testing.T) {
	target := semaphore{name: "x", mount: t.TempDir()}
	err := (newSemaphore{value: 7}).create(target)
	if codeOf(err) != exitFailure || !strings.Contains(err.Error(), "serves no semaphores") {
		t.Errorf("a semaphore is made where there are none: %v", err)
	}
	if err := target.remove(); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("a plain file is left: %v", err)
	}
}

func TestCreateOfWhatExists(t *testing.T) {
	target := plainSemaphore(t, "x", exampleText)
	err := (newSemaphore{value: 7}).create(target)
	if codeOf(err) != exitFailure || !strings.Contains(err.Error(), "exists already") {
		t.Errorf("it is created twice: %v", err)
	}
	if err := target.remove(); err != nil {
		t.Error(err)
	}
}

func TestFileMode(t *testing.T) {
	for text, want := range map[string]uint32{"600": 0o600, "0666": 0o666, "0": 0} {
		var got fileMode
		if err := got.Set(text); err != nil || !got.given || got.permissions != want {
			t.Errorf("%q is %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "8", "1777", "rw", "-1", "99999999999999999999999"} {
		if err := new(fileMode).Set(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestNumber(t *testing.T) {
	for text, want := range map[string]int{"0": 0, "1": 1, "2147483647": mostUnits} {
		if got, err := number(text, 0); got != want || err != nil {
			t.Errorf("%q is %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "-1", "2147483648", "1.5", "1e3", "0x1", " 1", "+1"} {
		if got, err := number(text, 0); codeOf(err) != exitUsage {
			t.Errorf("%q is taken for %d, %v", text, got, err)
		}
	}
	if _, err := number("0", 1); codeOf(err) != exitUsage {
		t.Errorf("0 is 1 or more: %v", err)
	}
}

// listDirectory makes a directory as a mount could show it.
func listDirectory(t *testing.T) string {
	t.Helper()
	directory := t.TempDir()
	for name, text := range map[string]string{
		"sem.jobs":       exampleText,
		"sem.abcdef":     exampleText, // six letters, and a semaphore
		"sem.tmpXY1":     "value: -\nstate: invalid: size 0\n",
		"sem.tmpXY2":     "",
		"sem.broken":     "value: -\nwaiters: -\nstate: unreadable for a reason\n", // six letters, and not known to be none
		"sem.broken one": "value: -\nwaiters: -\nstate: invalid: \x1b[31m\n",
		"sem.\x1b[2J\n":  exampleText,
		"sem.":           exampleText,
		"object":         "value: 3\nstate: ok\n",
	} {
		if err := os.WriteFile(filepath.Join(directory, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(directory, "sem.directory"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(filepath.Join(directory, "sem.pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	return directory
}

func TestListTable(t *testing.T) {
	directory := listDirectory(t)
	const want = `NAME           VALUE  WAITERS  HELD  LAYOUT  STATE
\x1b[2J\n      2      0        3     glibc   ok
abcdef         2      0        3     glibc   ok
broken         -      -        0     -       unreadable for a reason
broken\x20one  -      -        0     -       invalid: \x1b[31m
jobs           2      0        3     glibc   ok
`
	var output bytes.Buffer
	if err := (semaphoreList{}).show(directory, &output); err != nil || output.String() != want {
		t.Errorf("%v\n%s\nwant\n%s", err, &output, want)
	}
	output.Reset()
	if err := (semaphoreList{noHeadings: true}).show(t.TempDir(), &output); err != nil || output.Len() > 0 {
		t.Errorf("of no semaphores it shows %q, %v", &output, err)
	}
}

func TestListJSON(t *testing.T) {
	directory := t.TempDir()
	for name, text := range map[string]string{"sem.a\x7f\u009b": "value: 1\nwaiters: 0\nstate: ok\n", "sem.b\xff": exampleText} {
		if err := os.WriteFile(filepath.Join(directory, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const want = `[{"name":"a\u007f\u009b","value":1,"waiters":0,"held":0,"layout":"-","state":"ok","initial":null,"created":"",` +
		`"stuck":"","holders":[]},{"name":"b\ufffd","name_bytes":"Yv8=","value":2,"waiters":0,"held":3,"layout":"glibc",` +
		`"state":"ok","initial":3,"created":"2026-11-23T04:30:16.123456789Z","stuck":"no",` +
		`"holders":[{"pid":4711,"units":1,"command":"bash"},{"pid":4712,"units":2,"command":"a \"b\", units 3\n"}]}]` + "\n"
	var output bytes.Buffer
	if err := (semaphoreList{json: true}).show(directory, &output); err != nil || output.String() != want {
		t.Errorf("%v\n%s\nwant\n%s", err, &output, want)
	}
	output.Reset()
	if err := (semaphoreList{json: true}).show(t.TempDir(), &output); err != nil || output.String() != "[]\n" {
		t.Errorf("of no semaphores it shows %q, %v", &output, err)
	}
}

func TestListOfNoDirectory(t *testing.T) {
	if _, err := listSemaphores(filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("what does not exist is listed")
	}
}
