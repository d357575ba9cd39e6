package main

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const exampleEvents = `{"seq":1,"time":"2026-11-29T10:30:12.372207551Z","event":"create","object":"e v\u001b","inode":13,"uid":0,"pid":30304,"command":"ba\u001bsh","type":"file"}
{"seq":2,"time":"2026-11-29T10:30:12.5Z","event":"open","inode":13,"uid":99999,"flags":"read,write","opens":1}
{"seq":3,"time":"2026-11-29T10:30:12.5Z","event":"resize","object":"d/x","inode":13,"uid":0,"pid":4,"command":"","size":5120}
{"seq":4,"time":"2026-11-29T10:30:12.5Z","event":"rename","object":"a\ufffd","object-bytes":"Yf8=","to":"b","uid":0}
{"seq":5,"time":"2026-11-29T10:30:12.5Z","event":"chmod","object":"l","mode":"0600","owner":0,"group":5}
{"seq":6,"time":"2026-11-29T10:30:12.5Z","event":"sem-post","object":"sem.q","units":1,"value":9007199254740993}
{"seq":7,"time":"2026-11-29T10:30:12.5Z","event":"enospc","wanted":2097152}
{"event":"dropped","count":12,"time":"2026-11-29T10:30:12.5Z"}
{"seq":8,"time":"2026-11-29T10:30:12.5Z","event":"later\u001b","object":"x"}
`

func TestWatch(t *testing.T) {
	inUTC(t)
	var output bytes.Buffer
	if err := copyEvents(strings.NewReader(exampleEvents+"no \x1b event\n{}\n"), &output, newEventWriter(false).line); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	requireText(t, output.String(), `10:30:12.372207 create      e\040v\033 type=file by ba\033sh[30304] user=root
10:30:12.500000 open        #13 flags=read,write opens=1 user=99999
10:30:12.500000 resize      d/x size=5K by -[4] user=root
10:30:12.500000 rename      a\377 -> b user=root
10:30:12.500000 chmod       l mode=0600 owner=0 group=5
10:30:12.500000 sem-post    sem.q units=1 value=9007199254740993
10:30:12.500000 enospc      - wanted=2M
10:30:12.500000 dropped     - count=12
10:30:12.500000 later\x1b   x
no \x1b event
{}
`)
}

func TestWatchInColour(t *testing.T) {
	inUTC(t)
	line, _, _ := strings.Cut(exampleEvents, "\n")
	requireText(t, newEventWriter(true).line(line),
		"10:30:12.372207 \x1b[32mcreate     \x1b[0m e\\040v\\033 type=file by ba\\033sh[30304] user=root")
}

func TestWatchJSON(t *testing.T) {
	var output bytes.Buffer
	if err := copyEvents(strings.NewReader(exampleEvents), &output, escapeJSON); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	requireText(t, output.String(), strings.ReplaceAll(exampleEvents, "\x1b", `\u001b`))
}

// What has come is shown before more is waited for.
func TestWatchShowsAtOnce(t *testing.T) {
	input, feed := io.Pipe()
	shown, output := io.Pipe()
	defer shown.Close()
	go func() { _ = output.CloseWithError(copyEvents(input, output, escapeJSON)) }()
	for _, line := range []string{"first\n", "second\n"} {
		go func() { _, _ = io.WriteString(feed, line) }()
		got := make([]byte, len(line))
		if _, err := io.ReadFull(shown, got); err != nil || string(got) != line {
			t.Fatalf("%q, %v", got, err)
		}
	}
	_ = feed.CloseWithError(unix.ENOTCONN)
	if _, err := io.ReadAll(shown); !errors.Is(err, unix.ENOTCONN) {
		t.Errorf("it ends with %v", err)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, unix.ENOSPC }

func TestWatchFailures(t *testing.T) {
	broken := copyEvents(strings.NewReader(exampleEvents), brokenWriter{}, escapeJSON)
	for _, c := range []struct {
		err   error
		code  int
		words string
	}{
		{io.EOF, exitNotMounted, "has ended"},
		{unix.ENOTCONN, exitNotMounted, "has ended"},
		{unix.EIO, exitFailure, "reading .shmfs/events"},
		{broken, exitFailure, "writing events: no space left"},
	} {
		if err := watchFailure("/mnt", c.err); codeOf(err) != c.code || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%v is told as %d %v", c.err, codeOf(err), err)
		}
	}
}
