package semfs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"shmfs/mmapcore"

	"golang.org/x/sys/unix"
)

func TestCommands(t *testing.T) {
	const forever = mmapcore.NoTimeout
	cases := map[string]command{
		"post":                      {Post, 1, false, forever, 0},
		"post 2":                    {Post, 2, false, forever, 0},
		"post 2147483647":           {Post, MaxValue, false, forever, 0},
		"post 007":                  {Post, 7, false, forever, 0},
		" \t post \t 3 \r":          {Post, 3, false, forever, 0},
		"wait":                      {Take, 1, true, forever, 0},
		"trywait":                   {Take, 1, false, forever, 0},
		"timedwait 2":               {Take, 1, true, 2 * time.Second, 0},
		"timedwait 0.25":            {Take, 1, true, 250 * time.Millisecond, 0},
		"timedwait .5":              {Take, 1, true, 500 * time.Millisecond, 0},
		"timedwait 1.":              {Take, 1, true, time.Second, 0},
		"timedwait 0":               {Take, 1, true, 0, 0},
		"timedwait 1000000000":      {Take, 1, true, 1e9 * time.Second, 0},
		"set 0":                     {Set, 0, false, forever, 0},
		"set 2147483647":            {Set, MaxValue, false, forever, 0},
		"acquire":                   {Acquire, 1, true, forever, 0},
		"acquire 2147483647":        {Acquire, MaxValue, true, forever, 0},
		"timedacquire 0.5":          {Acquire, 1, true, 500 * time.Millisecond, 0},
		"timedacquire 3 2147483647": {Acquire, MaxValue, true, 3 * time.Second, 0},
		"release":                   {Release, 1, false, forever, 0},
		"release 4":                 {Release, 4, false, forever, 0},
	}
	for line, want := range cases {
		parsed, found, err := parseCommand([]byte(line))
		if parsed != want || !found || err != nil {
			t.Errorf("%q is %+v, %v, %v, want %+v", line, parsed, found, err, want)
		}
	}
	for _, line := range []string{"", " ", "\t \r", "\v\f"} {
		if parsed, found, err := parseCommand([]byte(line)); found || err != nil {
			t.Errorf("%q is %+v, %v, %v, want nothing", line, parsed, found, err)
		}
	}
}

// What is no command is EINVAL, and the message names what is wrong.
func TestInvalidCommands(t *testing.T) {
	cases := map[string]string{
		"frobnicate":               `unknown command "frobnicate"`,
		"POST":                     `unknown command "POST"`,
		"pos":                      `unknown command "pos"`,
		"postt":                    `unknown command "postt"`,
		"3":                        `unknown command "3": a number alone creates a semaphore; set N`,
		"\x00\xff":                 `unknown command "\x00\xff"`,
		strings.Repeat("a", 4096):  `unknown command "` + strings.Repeat("a", 40) + `"...`,
		"post 0":                   `post: "0" is no number from 1 to 2147483647`,
		"post -1":                  `post: "-1" is no number`,
		"post +1":                  `post: "+1" is no number`,
		"post 0x10":                `post: "0x10" is no number`,
		"post 1_0":                 `post: "1_0" is no number`,
		"post 1.5":                 `post: "1.5" is no number`,
		"post 2147483648":          `post: "2147483648" is no number`,
		"post 99999999999999999":   `post: "99999999999999999" is no number`,
		"post ٣":                   `post: "٣" is no number`,
		"post 1 2":                 `post: "2" is too much`,
		"wait 1":                   `wait: "1" is too much`,
		"trywait now":              `trywait: "now" is too much`,
		"timedwait":                `timedwait needs a number`,
		"timedwait -1":             `timedwait: "-1" is no number of seconds up to 1e+09`,
		"timedwait +1":             `timedwait: "+1" is no number of seconds`,
		"timedwait 1e3":            `timedwait: "1e3" is no number of seconds`,
		"timedwait inf":            `timedwait: "inf" is no number of seconds`,
		"timedwait NaN":            `timedwait: "NaN" is no number of seconds`,
		"timedwait 0x1p4":          `timedwait: "0x1p4" is no number of seconds`,
		"timedwait .":              `timedwait: "." is no number of seconds`,
		"timedwait 1..2":           `timedwait: "1..2" is no number of seconds`,
		"timedwait 1000000001":     `timedwait: "1000000001" is no number of seconds`,
		"timedwait 1 1":            `timedwait: "1" is too much`,
		"set":                      `set needs a number`,
		"set x":                    `set: "x" is no number from 0 to 2147483647`,
		"set 2147483648":           `set: "2147483648" is no number`,
		"set 1 1":                  `set: "1" is too much`,
		"acquire 0":                `acquire: "0" is no number from 1`,
		"acquire 1 1":              `acquire: "1" is too much`,
		"timedacquire":             `timedacquire needs a number`,
		"timedacquire x":           `timedacquire: "x" is no number of seconds`,
		"timedacquire 1 0":         `timedacquire: "0" is no number from 1`,
		"timedacquire 1 1 1":       `timedacquire: "1" is too much`,
		"release 0":                `release: "0" is no number from 1`,
		"release 1 " + "\x07":      `release: "\a" is too much`,
		"post " + nines(1<<10):     `post: "` + nines(40) + `"... is no number`,
		"timedwait " + nines(5000): `timedwait: "` + nines(40) + `"... is no number`,
	}
	for line, want := range cases {
		_, found, err := parseCommand([]byte(line))
		if !found || !errors.Is(err, unix.EINVAL) || !strings.HasPrefix(fmt.Sprint(err), want) {
			t.Errorf("%.60q: %v, %v, want EINVAL and %q", line, found, err, want)
		}
	}
}

func nines(count int) string { return strings.Repeat("9", count) }

func TestParseInitial(t *testing.T) {
	for text, want := range map[string]struct {
		value  uint32
		length int
	}{
		"3":                {3, 1},
		"3\n":              {3, 2},
		"0\n":              {0, 2},
		" 2147483647 \r\n": {MaxValue, 14},
		"4\npost\n":        {4, 2},
		"5\n\x00garbage":   {5, 2},
	} {
		if value, length, err := ParseInitial([]byte(text)); value != want.value || length != want.length || err != nil {
			t.Errorf("%q creates %d by %d bytes, %v, want %+v", text, value, length, err, want)
		}
	}
	for _, text := range []string{"", "\n", "post", "-1", "2147483648", "1 2", "1.0", "\n3\n", "0x3", strings.Repeat("0", 31) + "x"} {
		if _, length, err := ParseInitial([]byte(text)); !errors.Is(err, unix.EINVAL) || length != 0 {
			t.Errorf("%q creates by %d bytes, %v, want EINVAL", text, length, err)
		}
	}
}

// FuzzCommand checks that whatever is accepted is in range, and means the same when it is written as it is meant.
func FuzzCommand(f *testing.F) {
	for _, entry := range grammar {
		operands := strings.NewReplacer("S", "1.5", "[N]", "2", "V", "0").Replace(entry.operands)
		f.Add([]byte(entry.name + " " + operands + "\n" + entry.name))
	}
	f.Add([]byte("\r\n \xff\x00"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for len(text) > 0 {
			line, length := cutLine(text)
			if length < 1 || length > len(text) || bytes.IndexByte(line, '\n') >= 0 || length > len(line)+1 {
				t.Fatalf("the line of %q is %q, of %d bytes", text, line, length)
			}
			checkCommand(t, line)
			text = text[length:]
		}
	})
}

func checkCommand(t *testing.T, line []byte) {
	parsed, found, err := parseCommand(line)
	if err != nil {
		if !found || !errors.Is(err, unix.EINVAL) {
			t.Fatalf("%q: %v, %v", line, found, err)
		}
		return
	}
	if found != (len(bytes.Fields(line)) > 0) {
		t.Fatalf("%q: found is %v", line, found)
	}
	if !found {
		return
	}
	least := uint32(1)
	if parsed.kind == Set {
		least = 0
	}
	timed := parsed.timeout != mmapcore.NoTimeout
	if parsed.units < least || parsed.units > MaxValue || parsed.timeout < 0 || (timed && parsed.timeout > longestTimeout*time.Second) {
		t.Fatalf("%q is %+v", line, parsed)
	}
	again, _, err := parseCommand([]byte(canonical(parsed)))
	difference := (again.timeout - parsed.timeout).Abs() // a float64 does not hold every nanosecond of 30 years
	again.timeout = parsed.timeout
	if err != nil || again != parsed || difference > time.Microsecond {
		t.Fatalf("%q is %+v, which is written %q and then is %+v, %v", line, parsed, canonical(parsed), again, err)
	}
}

// canonical writes a command with all it takes.
func canonical(c command) string {
	seconds := fmt.Sprintf("%d.%09d", c.timeout/time.Second, c.timeout%time.Second)
	timed := c.timeout != mmapcore.NoTimeout
	switch {
	case c.kind == Post:
		return fmt.Sprintf("post %d", c.units)
	case c.kind == Set:
		return fmt.Sprintf("set %d", c.units)
	case c.kind == Release:
		return fmt.Sprintf("release %d", c.units)
	case c.kind == Acquire && timed:
		return fmt.Sprintf("timedacquire %s %d", seconds, c.units)
	case c.kind == Acquire:
		return fmt.Sprintf("acquire %d", c.units)
	case timed:
		return "timedwait " + seconds
	case c.patient:
		return "wait"
	}
	return "trywait"
}

// FuzzCreation checks the two ways to create: by a number, and by libc's bytes, of which the value is noted and nothing else changed.
func FuzzCreation(f *testing.F) {
	for _, layout := range []Layout{Glibc, Musl} {
		for _, value := range []uint32{0, 3, MaxValue} {
			image, err := Image(layout, value)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(image)
			f.Add(image[:noteOffset])
			f.Add(append(bytes.Clone(image[:noteOffset]), make([]byte, Size-noteOffset)...))
		}
	}
	f.Add([]byte("3\n"))
	f.Add([]byte(" 2147483647\r\npost"))
	f.Fuzz(func(t *testing.T, text []byte) {
		checkInitial(t, text)
		checkNote(t, text)
	})
}

func checkInitial(t *testing.T, text []byte) {
	value, length, err := ParseInitial(text)
	if err != nil {
		if !errors.Is(err, unix.EINVAL) || value != 0 || length != 0 {
			t.Fatalf("%q creates %d by %d bytes, %v", text, value, length, err)
		}
		return
	}
	if value > MaxValue || length < 1 || length > len(text) {
		t.Fatalf("%q creates %d by %d bytes", text, value, length)
	}
	if again, _, err := ParseInitial(fmt.Appendln(nil, value)); again != value || err != nil {
		t.Fatalf("%d creates %d, %v", value, again, err)
	}
	for _, layout := range []Layout{Glibc, Musl} {
		image, err := Image(layout, value)
		if err != nil {
			t.Fatal(err)
		}
		w := words(binary.LittleEndian.Uint64(image))
		found, reason := decode(w, binary.LittleEndian.Uint32(image[sharingOffset:]))
		if found != layout || layout.value(w) != value || w.waiters() != 0 {
			t.Fatalf("the image of %v with %d is % x: %v %s", layout, value, image, found, reason)
		}
		again := bytes.Clone(image)
		NoteInitial(again)
		if !bytes.Equal(again, image) {
			t.Fatalf("noted once % x, twice % x", image, again)
		}
	}
}

func checkNote(t *testing.T, before []byte) {
	after := bytes.Clone(before)
	NoteInitial(after)
	want := bytes.Clone(before)
	if len(before) == Size {
		w := words(binary.LittleEndian.Uint64(before))
		if layout, _ := decode(w, binary.LittleEndian.Uint32(before[sharingOffset:])); layout != nil {
			binary.LittleEndian.PutUint32(want[16:], layout.value(w))
			binary.LittleEndian.PutUint32(want[20:], layout.value(w)^0x5eed2bad)
		}
	}
	if !bytes.Equal(after, want) {
		t.Fatalf("% x noted is % x, want % x", before, after, want)
	}
}

// What happens to stand where the value would be noted is no note, above all not what both libcs may leave there.
func TestOnlyNotesAreNotes(t *testing.T) {
	for _, note := range []uint64{0, 1, math.MaxUint32, math.MaxUint64, 7<<32 | 7, 0x00007f0123456780, noteOf(3) + 1, noteOf(3) + 1<<32, noteOf(1 << 31)} {
		image, err := Image(Musl, 3)
		wantNoError(t, "Image", err)
		binary.LittleEndian.PutUint64(image[noteOffset:], note)
		if state := StateOf(image); state.Noted || state.Initial != 0 {
			t.Errorf("%#x is read as %+v", note, state)
		}
	}
	for _, value := range []uint32{0, 1, MaxValue} {
		if initial, noted := parseNote(noteOf(value)); initial != value || !noted {
			t.Errorf("%d is noted as %d, %v", value, initial, noted)
		}
	}
}
