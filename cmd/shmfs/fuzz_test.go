package main

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// What these read comes from a mount or from the mount table, and so from whoever made the mount or chose the names in it.

// requireShowable fails the test unless a line is fit for a terminal.
func requireShowable(t *testing.T, line string) {
	t.Helper()
	if strings.ToValidUTF8(line, "") != line || strings.ContainsFunc(line, func(character rune) bool { return !unicode.IsPrint(character) }) {
		t.Errorf("a terminal is given %q", line)
	}
}

// FuzzMountTable reads arbitrary lines as those of the mount table.
func FuzzMountTable(f *testing.F) {
	f.Add(`36 35 0:44 / /mnt/a\040b rw,nosuid shared:1 - fuse.shmfs shmfs rw,user_id=1000,group_id=1000,default_permissions`)
	f.Add(`36 35 0:44 / /mnt\ - - fuse.shmfs - -`)
	f.Add("1 - - - \\777\\0\x00 - user_id=99999999999999999999")
	f.Fuzz(func(t *testing.T, line string) {
		entry, ok := parseMount(line)
		if !ok {
			return
		}
		if entry.user() < 0 {
			t.Errorf("the user is %d", entry.user())
		}
		if strings.Count(entry.point, `\`) > strings.Count(line, `\`) || len(entry.point) > len(line) {
			t.Errorf("the mountpoint is %q", entry.point)
		}
		_ = wholeMounts([]mount{entry, entry}, func(mount) bool { return true })
	})
}

// FuzzSemaphoreText reads arbitrary texts as those of semaphores, and shows what it found.
func FuzzSemaphoreText(f *testing.F) {
	f.Add("value: 2\nwaiters: 0\nstate: ok\nlayout: glibc\ninitial: 3\ncreated: 2026-11-23T04:30:16.123456789Z\nheld: 1\nholder: pid 4711, units 1, command \"bash\"\nstuck: no\n")
	f.Add("value: -\nstate: invalid: \x1b[2J\nlayout: \u009b\nholder: \x1b\nheld: 99999999999999999999\n")
	f.Add("state: ok\n")
	f.Fuzz(func(t *testing.T, text string) {
		state, err := parseSemaphore(text)
		if err != nil {
			return
		}
		if state.State == validState && state.Value == nil {
			t.Errorf("%q is a semaphore without a value", text)
		}
		var table, list bytes.Buffer
		if err := writeTable(&table, []listed{{"name", state}}, false); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(table.String()) {
			requireShowable(t, strings.TrimSuffix(line, "\n"))
		}
		if err := writeJSON(&list, []listed{{"name", state}}); err != nil || !json.Valid(list.Bytes()) {
			t.Errorf("as JSON it is %q, %v", &list, err)
		}
	})
}

// FuzzRecord reads arbitrary texts as the records of an object's text.
func FuzzRecord(f *testing.F) {
	f.Add(`pid 4711, user root, command "ba\"sh, x", bytes 4096, resident 4096, sharing shared, protection rw-`)
	f.Add(`pid 1e999, user \033[2J, command "unfinished, bytes -`)
	f.Add("\x1b[2J \u202e, \xff ,")
	f.Fuzz(func(t *testing.T, text string) {
		line, err := parseRecord(text).text()
		if err != nil || !json.Valid([]byte(line)) {
			t.Errorf("%q is %s, %v", text, strconv.Quote(line), err)
		}
		requireShowable(t, line)
	})
}

// FuzzEventLine shows arbitrary lines as events.
func FuzzEventLine(f *testing.F) {
	f.Add(`{"seq":1,"time":"2026-11-23T04:30:16.123456789Z","event":"create","object":"a\nb","object-bytes":"/w==","inode":5,"uid":0,"pid":7,"command":"\u001b","type":"file"}`)
	f.Add(`{"event":"\u009b2J","time":"2026-11-23T04:30:16Z","type":["\u202e",{"a":"\u0007"}],"flags":1e999,"size":-1,"uid":-0.5e7,"to":"x","object":"\\"}`)
	f.Add("\x1b]0;title\a")
	f.Fuzz(func(t *testing.T, line string) {
		for _, colours := range []painter{false, true} {
			shown := newEventWriter(colours).line(line)
			for _, colour := range append(mapValues(eventColours), plainColour, boldColour) {
				if colours {
					shown = strings.ReplaceAll(shown, colour, "")
				}
			}
			requireShowable(t, shown)
		}
		requireShowable(t, escapeJSON(line))
	})
}

func mapValues(of map[string]string) []string {
	var values []string
	for _, value := range of {
		values = append(values, value)
	}
	return values
}
