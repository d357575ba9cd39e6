package main

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestObjectName(t *testing.T) {
	for text, want := range map[string]string{
		"frames": "frames", "/frames": "frames", "a//b/../c/": "a/c", "sem.jobs": "sem.jobs", "a\nb": "a\nb", ".shmfs2": ".shmfs2",
		"../../etc": "etc",
	} {
		if got, err := objectName(text); err != nil || got != want {
			t.Errorf("%q is %q, %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"", "/", ".", "..", ".shmfs", "/.shmfs/objects", "a\x00"} {
		if got, err := objectName(text); codeOf(err) != exitUsage {
			t.Errorf("%q is taken for %q, %v", text, got, err)
		}
	}
}

func TestIsWithin(t *testing.T) {
	for _, c := range []struct {
		name  string
		names []string
		want  bool
	}{
		{"a", nil, true}, {"a", []string{"a"}, true}, {"a/b", []string{"a"}, true}, {"ab", []string{"a"}, false},
		{"a", []string{"a/b"}, false}, {"b", []string{"a", "b"}, true},
	} {
		if got := isWithin(c.name, c.names); got != c.want {
			t.Errorf("%q within %q: %v", c.name, c.names, got)
		}
	}
}

func TestObjectRefusals(t *testing.T) {
	mount := fakeMount(t, map[string]string{"sem.jobs": ""})
	for _, c := range []struct {
		name  string
		err   error
		code  int
		words string
	}{
		{"x", unix.ENOENT, exitFailure, "shmfs ls"},
		{"jobs", unix.ENOENT, exitFailure, "is sem.jobs"},
		{"x", unix.EEXIST, exitFailure, "shmfs rm x"},
		{"x", unix.EACCES, exitPermission, "sudo"},
		{"x", unix.ENOSPC, exitFailure, "remount,size="},
		{"x", unix.ENOTCONN, exitNotMounted, "mount it again"},
		{"x", unix.EIO, exitFailure, "input/output error"},
	} {
		err := object{name: c.name, mount: mount}.refusal(c.err)
		if codeOf(err) != c.code || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%v of %s is told as %d %v", c.err, c.name, codeOf(err), err)
		}
	}
}

// What is no regular file is refused without opening it: a FIFO would be waited for.
func TestOnlyRegularFilesAreOpened(t *testing.T) {
	mount := fakeMount(t, map[string]string{"plain": "x", "d/x": ""})
	if err := errors.Join(unix.Mkfifo(mount+"/pipe", 0o600), os.Symlink("plain", mount+"/link")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"pipe": "special", "link": "symbolic link", "d": "directory", "none": "does not exist"} {
		if _, err := (object{name: name, mount: mount}).open(unix.O_RDONLY); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	descriptor, err := object{name: "plain", mount: mount}.open(unix.O_RDONLY)
	if err != nil {
		t.Fatal(err)
	}
	_ = unix.Close(descriptor)
}
