package journal

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

var when = time.Date(2026, 3, 4, 5, 6, 7, 80, time.FixedZone("", 3600))

func text(e *Event, full bool) string { return string(encode(e).appendTo(nil, full)) }

func TestLines(t *testing.T) {
	const begin, user = `{"seq":7,"time":"2026-03-04T04:06:07.000000080Z",`, `,"object":"a/b","inode":9,"uid":1000,"pid":42,"command":"sh"`
	for _, c := range []struct {
		event Event
		want  string
	}{
		{Event{Kind: Create, Type: "file"}, `"event":"create"` + user + `,"type":"file"}`},
		{Event{Kind: Open, Flags: "read,write", Opens: 2}, `"event":"open"` + user + `,"flags":"read,write","opens":2}`},
		{Event{Kind: Close, Flags: "read"}, `"event":"close"` + user + `,"flags":"read","opens":0}`},
		{Event{Kind: Resize, Size: 1 << 40}, `"event":"resize"` + user + `,"size":1099511627776}`},
		{Event{Kind: Unlink, Links: 1}, `"event":"unlink"` + user + `,"links":1}`},
		{Event{Kind: Rename, To: "c"}, `"event":"rename"` + user + `,"to":"c"}`},
		{Event{Kind: Link, To: "\xff"}, `"event":"link"` + user + `,"to":"\ufffd","to-bytes":"/w=="}`},
		{Event{Kind: Chmod, Mode: 0o1640, Owner: 1, Group: 2}, `"event":"chmod"` + user + `,"mode":"1640","owner":1,"group":2}`},
		{Event{Kind: SemaphorePost, Units: 3, Value: 4}, `"event":"sem-post"` + user + `,"units":3,"value":4}`},
		{Event{Kind: SemaphoreWait, Units: 1, Value: -1}, `"event":"sem-wait"` + user + `,"units":1}`},
		{Event{Kind: HolderDied, Units: 2}, `"event":"holder-died"` + user + `,"units":2}`},
		{Event{Kind: NoSpace, Wanted: -5}, `"event":"enospc"` + user + `,"wanted":-5}`},
		{Event{Kind: Quota, Wanted: 5}, `"event":"quota"` + user + `,"wanted":5}`},
		{Event{Kind: WorkerRestarted}, `"event":"worker-restarted"` + user + `}`},
	} {
		e := c.event
		e.Sequence, e.Time, e.Object, e.Inode, e.UID, e.PID, e.Command = 7, when, "a/b", 9, 1000, 42, "sh"
		if got, want := text(&e, true), begin+strings.ReplaceAll(c.want, `\ufffd`, "\ufffd")+"\n"; got != want {
			t.Errorf("got  %swant %s", got, want)
		}
		want := strings.Replace(text(&e, true), `,"pid":42,"command":"sh"`, "", 1)
		if got := text(&e, false); got != want || encode(&e).length(false) != len(want) {
			t.Errorf("without the process it is %swant %s", got, want)
		}
	}
}

func TestWhatIsNotKnownIsLeftOut(t *testing.T) {
	got := text(&Event{Sequence: 1, Time: when, Kind: WorkerRestarted, Unattributed: true}, true)
	if want := `{"seq":1,"time":"2026-03-04T04:06:07.000000080Z","event":"worker-restarted"}` + "\n"; got != want {
		t.Errorf("got %q", got)
	}
}

func TestDroppedLine(t *testing.T) {
	got := string(encodeDropped(3, when).text)
	if want := `{"event":"dropped","count":3,"time":"2026-03-04T04:06:07.000000080Z"}` + "\n"; got != want {
		t.Errorf("got %q", got)
	}
}

func FuzzLine(f *testing.F) {
	for _, seed := range []string{"", "frames", "a\"b\\c", "\x1b[31m\n\r\t\x00\x7f", "\xff\xfe", "日本\u2028\u202e\u009b", "\U0001f600\U000e0041", "\xed\xa0\x80"} {
		f.Add(seed, "sh")
		f.Add("a", seed)
	}
	f.Fuzz(func(t *testing.T, object, command string) {
		e := Event{Sequence: 1, Time: when, Kind: Rename, Object: object, To: command, PID: 1, Command: command}
		requireLine(t, text(&e, true), object, command, true)
		requireLine(t, text(&e, false), object, command, false)
	})
}

// requireLine says that a line is JSON of these strings, and that a terminal that shows it does nothing else.
func requireLine(t *testing.T, line, object, command string, full bool) {
	t.Helper()
	body, ended := strings.CutSuffix(line, "\n")
	if !ended || !utf8.ValidString(body) || strings.ContainsFunc(body, func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Fatalf("%q is no line to show", line)
	}
	var got struct {
		Object, Command, To string
		ObjectBytes         *string `json:"object-bytes"`
		ToBytes             *string `json:"to-bytes"`
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	requireBytes(t, got.ObjectBytes, object)
	requireBytes(t, got.ToBytes, command)
	if !full {
		command = ""
	}
	if got.Object != string([]rune(object)) || got.Command != string([]rune(command)) {
		t.Fatalf("%+q and %+q became %q", object, command, line)
	}
}

func requireBytes(t *testing.T, got *string, want string) {
	t.Helper()
	if utf8.ValidString(want) {
		if got != nil {
			t.Fatalf("%+q needs no bytes, and they are %q", want, *got)
		}
		return
	}
	if got == nil || *got != base64.StdEncoding.EncodeToString([]byte(want)) {
		t.Fatalf("the bytes of %+q are missing or wrong", want)
	}
}
