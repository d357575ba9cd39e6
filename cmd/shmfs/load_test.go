package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/sys/unix"
)

func TestLoad(t *testing.T) {
	mount := fakeMount(t, map[string]string{"short": "12345", "long": strings.Repeat("x", 300<<10)})
	content := strings.Repeat("0123456789", 20<<10)
	for _, name := range []string{"new", "short", "long"} {
		for _, total := range []int64{-1, int64(len(content)), 17, 1 << 20} {
			target := object{name: name, mount: mount}
			if err := target.load(iotest.HalfReader(strings.NewReader(content)), fileMode{}, &progress{total: total}); err != nil {
				t.Fatal(err)
			}
			var output bytes.Buffer
			if err := target.copyTo(&output); err != nil || output.String() != content {
				t.Errorf("%s with %d bytes expected has %d bytes, %v", name, total, output.Len(), err)
			}
		}
	}
}

func TestLoadThatFails(t *testing.T) {
	mount := fakeMount(t, map[string]string{"old": "12345", "sem.jobs": "", "d/x": ""})
	broken := io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(unix.EIO))
	if err := (object{name: "new", mount: mount}).load(broken, fileMode{}, &progress{total: -1}); !errors.Is(err, unix.EIO) {
		t.Errorf("a broken input: %v", err)
	}
	if _, err := os.Stat(mount + "/new"); !errors.Is(err, unix.ENOENT) {
		t.Errorf("an object is left: %v", err)
	}
	if err := (object{name: "old", mount: mount}).load(iotest.ErrReader(unix.EIO), fileMode{}, &progress{total: -1}); !errors.Is(err, unix.EIO) {
		t.Errorf("a broken input: %v", err)
	}
	requireSize(t, object{name: "old", mount: mount}, 5)
	for name, code := range map[string]int{"sem.jobs": exitUsage, "d": exitFailure, "e/x": exitFailure} {
		if err := (object{name: name, mount: mount}).load(strings.NewReader("x"), fileMode{}, &progress{}); codeOf(err) != code {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestProgress(t *testing.T) {
	known := progress{total: 1000, columns: 60}
	requireText(t, known.line(500, 2), "[################                ]  50%  500 of 1000, 250/s")
	requireText(t, known.line(2000, 0), "[###################################] 100%  2K of 1000, -/s")
	narrow := progress{total: 0, columns: 20}
	requireText(t, narrow.line(0, 1), "100%  0 of 0, 0/s")
	unknown := progress{total: -1, columns: 60}
	requireText(t, unknown.line(5<<20, 1), "5M, 5M/s")

	var output bytes.Buffer
	now := time.Unix(1000, 0)
	shown := progress{output: &output, total: 4, columns: 20, now: func() time.Time { return now }, started: now.Add(-time.Second)}
	shown.show(1)
	shown.show(2) // too soon
	shown.show(4) // the end is always shown
	shown.end()
	requireText(t, output.String(), "\r25%  1 of 4, 1/s\x1b[K\r100%  4 of 4, 4/s\x1b[K\n")
	quiet := newProgress(&output, 4)
	quiet.show(4)
	quiet.end()
	if quiet.output != nil {
		t.Error("what is no terminal is told of the progress")
	}
}
