package main

import (
	"bytes"
	"io"
	"math"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const dumped = "hello\n\x00\xff 0123456789abcdef~\x7f\x1b[31m"

// dumpOf is what a dump prints of an object with these contents.
func dumpOf(t *testing.T, dump objectDump, contents string) string {
	t.Helper()
	target := object{name: "x", mount: fakeMount(t, map[string]string{"x": contents})}
	var output bytes.Buffer
	if err := dump.show(target, &output); err != nil {
		t.Fatal(err)
	}
	return output.String()
}

func TestDump(t *testing.T) {
	requireText(t, dumpOf(t, objectDump{}, dumped), `00000000: 6865 6c6c 6f0a 00ff 2030 3132 3334 3536  hello... 0123456
00000010: 3738 3961 6263 6465 667e 7f1b 5b33 316d  789abcdef~..[31m
`)
	requireText(t, dumpOf(t, objectDump{offset: byteCount{true, 3}, length: byteCount{true, 19}}, dumped),
		`00000003: 6c6f 0a00 ff20 3031 3233 3435 3637 3839  lo... 0123456789
00000013: 6162 63                                  abc
`)
	for _, dump := range []objectDump{{length: byteCount{true, 0}}, {offset: byteCount{true, 1000}}} {
		requireText(t, dumpOf(t, dump, dumped), "")
	}
	requireText(t, dumpOf(t, objectDump{offset: byteCount{true, 31}, length: byteCount{true, math.MaxInt64}}, dumped),
		"0000001f: 6d                                       m\n")
}

// What is read in several pieces is dumped as if it were one.
func TestLongDump(t *testing.T) {
	contents := strings.Repeat("x", 2*chunk) + "yz"
	lines := strings.Split(dumpOf(t, objectDump{}, contents), "\n")
	if len(lines) != 2*chunk/hexWidth+2 || !strings.HasPrefix(lines[2*chunk/hexWidth], "00040000: 797a  ") {
		t.Errorf("%d lines, the last but one %q", len(lines), lines[len(lines)-2])
	}
}

func TestChangedBytes(t *testing.T) {
	for _, c := range []struct {
		before, now string
		seen        bool
		want        string
	}{{"", "ab", false, "--"}, {"", "ab", true, "xx"}, {"ab", "ac", true, "-x"}, {"a", "abc", true, "-xx"}, {"abc", "a", true, "-"}} {
		var got strings.Builder
		for _, changed := range changedBytes([]byte(c.before), []byte(c.now), c.seen) {
			got.WriteByte("-x"[map[bool]int{true: 1}[changed]])
		}
		if got.String() != c.want {
			t.Errorf("from %q to %q it is %q, want %q", c.before, c.now, &got, c.want)
		}
	}
}

// followed is a picture of an object whose contents change between two looks.
func followed(t *testing.T, terminal bool, rows int) (p *picture, output *bytes.Buffer, look func(contents string)) {
	t.Helper()
	target := object{name: "x\x1b", mount: fakeMount(t, map[string]string{"x\x1b": ""})}
	descriptor, err := target.open(unix.O_RDONLY)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(descriptor) })
	output = &bytes.Buffer{}
	p = newPicture(output, &objectDump{})
	p.terminal, p.mark, p.rows = terminal, "<", func() int { return rows }
	return p, output, func(contents string) {
		t.Helper()
		if err := os.WriteFile(target.path(), []byte(contents), 0o600); err != nil {
			t.Fatal(err)
		}
		output.Reset()
		if err := p.look(dumpedFile{target, descriptor}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFollowOnATerminal(t *testing.T) {
	p, output, look := followed(t, true, 4)
	look("0123456789abcdef" + "0123456789abcdef" + "not shown")
	clear, rest, _ := strings.Cut(output.String(), "\x1b[H")
	heading, body, _ := strings.Cut(rest, "\n")
	if clear != "\x1b[2J\x1b[?25l" || !strings.HasPrefix(heading, `x\x1b  `) {
		t.Errorf("it begins with %q", output)
	}
	requireText(t, body, "00000000: 3031 3233 3435 3637 3839 6162 6364 6566  0123456789abcdef\x1b[K\n"+
		"00000010: 3031 3233 3435 3637 3839 6162 6364 6566  0123456789abcdef\x1b[K\n\x1b[J")
	look("0123x")
	_, body, _ = strings.Cut(output.String(), "\n")
	requireText(t, body, "00000000: 3031 3233 <78\x1b[0m                             0123<x\x1b[0m\x1b[K\n\x1b[J")
	output.Reset()
	p.end()
	requireText(t, output.String(), "\x1b[?25h")
}

func TestFollowElsewhere(t *testing.T) {
	p, output, look := followed(t, false, 4)
	first := "0123456789abcdef0123456789abcdef"
	look(first)
	requireText(t, output.String(), dumpOf(t, objectDump{}, first))
	look(first)
	requireText(t, output.String(), "")
	look(first[:31] + "g")
	requireText(t, output.String(), "00000010: 3031 3233 3435 3637 3839 6162 6364 6567  0123456789abcdeg\n")
	output.Reset()
	p.end()
	requireText(t, output.String(), "")
}

func TestDumpOfNothing(t *testing.T) {
	if err := (&objectDump{}).show(object{name: "x", mount: t.TempDir()}, io.Discard); codeOf(err) != exitFailure {
		t.Errorf("what does not exist: %v", err)
	}
}
