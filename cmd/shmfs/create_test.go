package main

import (
	"bytes"
	"errors"
	"math"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func requireSize(t *testing.T, target object, size int64) {
	t.Helper()
	info, err := os.Stat(target.path())
	if err != nil || info.Size() != size {
		t.Errorf("%s is %v, %v, want %d bytes", target.name, info, err, size)
	}
}

func TestCreateObject(t *testing.T) {
	mount := t.TempDir()
	target := object{name: "frames", mount: mount}
	if err := (newObject{size: byteCount{true, 5000}}).create(target); err != nil {
		t.Fatal(err)
	}
	requireSize(t, target, 5000)
	for name, want := range map[string]struct {
		code  int
		words string
	}{
		"frames":   {exitFailure, "shmfs rm frames"},
		"d/x":      {exitFailure, "mkdir -p"},
		"sem.jobs": {exitUsage, "shmfs sem create"},
	} {
		err := (newObject{size: byteCount{true, 1}}).create(object{name: name, mount: mount})
		if codeOf(err) != want.code || !strings.Contains(err.Error(), want.words) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := target.creationRefusal(unix.EACCES); codeOf(err) != exitPermission || !strings.Contains(err.Error(), "directory") {
		t.Errorf("no right to the directory: %v", err)
	}
	requireSize(t, target, 5000)
	if err := (newObject{size: byteCount{true, math.MaxInt64}}).create(object{name: "huge", mount: mount}); err == nil {
		t.Error("an object of the largest size there is can be made")
	}
	if _, err := os.Stat(mount + "/huge"); !errors.Is(err, unix.ENOENT) {
		t.Errorf("what does not fit is left behind: %v", err)
	}
}

func TestSizeChange(t *testing.T) {
	for _, c := range []struct {
		text      string
		now, then int64
	}{
		{"10", 5, 10}, {"0", 5, 0}, {"+1K", 5, 1029}, {"-5", 5, 0}, {"-0x4", 5, 1}, {"+0", 5, 5},
	} {
		var change sizeChange
		if err := change.Set(c.text); err != nil {
			t.Fatal(err)
		}
		if got, err := change.of(c.now); err != nil || got != c.then {
			t.Errorf("%d by %s is %d, %v", c.now, c.text, got, err)
		}
	}
	for _, text := range []string{"", "+", "-", "--1", "+-1", "x"} {
		if err := new(sizeChange).Set(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
	for _, text := range []string{"-6", "+9223372036854775807"} {
		var change sizeChange
		if err := change.Set(text); err != nil {
			t.Fatal(err)
		}
		if got, err := change.of(5); err == nil {
			t.Errorf("5 by %s is %d", text, got)
		}
	}
}

func TestResize(t *testing.T) {
	mount := fakeMount(t, map[string]string{"frames": "12345", "sem.jobs": "x", "d/x": ""})
	target := object{name: "frames", mount: mount}
	for _, c := range []struct {
		change sizeChange
		size   int64
	}{{sizeChange{"+3", 1, 3}, 8}, {sizeChange{"-7", -1, 7}, 1}, {sizeChange{"4K", 0, 4096}, 4096}} {
		if err := target.resize(c.change); err != nil {
			t.Fatal(err)
		}
		requireSize(t, target, c.size)
	}
	for name, code := range map[string]int{"sem.jobs": exitUsage, "none": exitFailure, "d": exitFailure} {
		if err := (object{name: name, mount: mount}).resize(sizeChange{"0", 0, 0}); codeOf(err) != code {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := target.resize(sizeChange{"-1M", -1, 1 << 20}); codeOf(err) != exitUsage || !strings.Contains(err.Error(), "4096 bytes") {
		t.Errorf("it shrinks below nothing: %v", err)
	}
}

func TestRemoveObjects(t *testing.T) {
	mount := fakeMount(t, map[string]string{"frames": "12345", "sem.jobs": "x", "d/x": ""})
	for _, name := range []string{"frames", "sem.jobs", "d/x"} {
		if err := (object{name: name, mount: mount}).remove(); err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(mount + "/" + name); !errors.Is(err, unix.ENOENT) {
			t.Errorf("%s is left: %v", name, err)
		}
	}
	directory := object{name: "d", mount: mount}.remove()
	missing := object{name: "a\nb", mount: mount}.remove()
	if codeOf(directory) != exitFailure || !strings.Contains(directory.Error(), "rmdir") {
		t.Errorf("a directory: %v", directory)
	}
	var told bytes.Buffer
	err := allFailures(&told, []error{directory, missing})
	if codeOf(err) != exitFailure || errorLine(err) != "" {
		t.Errorf("it ends with %d %v", codeOf(err), err)
	}
	requireText(t, told.String(), `shmfs: "d" is a directory: remove it with rmdir`+"\n"+
		`shmfs: object "a\nb" does not exist: see which do with shmfs ls`+"\n")
	if err := allFailures(&told, []error{missing}); !errors.Is(err, missing) {
		t.Errorf("one failure is told as %v", err)
	}
	if err := allFailures(&told, nil); err != nil {
		t.Error(err)
	}
}
