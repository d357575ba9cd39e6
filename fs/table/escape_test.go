package table

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestEscape(t *testing.T) {
	for field, want := range map[string]string{
		"":                   `-`,
		"-":                  `\055`,
		"--":                 `--`,
		"-a":                 `-a`,
		"frames":             `frames`,
		"a/b.c":              `a/b.c`,
		`a\b`:                `a\134b`,
		"a b\tc\nd":          `a\040b\011c\012d`,
		"\x1b[31mred\a\x7f":  `\033[31mred\007\177`,
		"\x00":               `\000`,
		"\xff\xfe":           `\377\376`,
		"caf\xc3":            `caf\303`,
		"\xc0\x80":           `\300\200`,
		"\xed\xa0\x80":       `\355\240\200`, // half of a surrogate pair
		"café":               `café`,
		"日本語":                `日本語`,
		"\ufffd":             "\ufffd", // the character itself, which is printable
		"\u0085\u009b31m":    `\302\205\302\23331m`,
		"a\u202eb\u2066c":    `a\342\200\256b\342\201\246c`,
		"a\u200bb\u200d":     `a\342\200\213b\342\200\215`,
		"\u00a0\u2028\u3000": `\302\240\342\200\250\343\200\200`,
		"\ufeffa":            `\357\273\277a`,
		"a\ufe0f":            `a\357\270\217`,
		"\u2800\u3164":       `\342\240\200\343\205\244`,
		"\U000e0041":         `\363\240\201\201`,
		"\ue000":             `\356\200\200`,
		"e\u0301":            "e\u0301",
		"\u0301e":            `\314\201e`,
		" \u0301":            `\040\314\201`,
	} {
		if got := Escape(field); got != want {
			t.Errorf("Escape(%+q) = %s, want %s", field, got, want)
		}
		if got, err := Unescape(want); err != nil || got != field {
			t.Errorf("Unescape(%s) = %+q, %v, want %+q", want, got, err, field)
		}
	}
}

func TestUnescapeTakesAnyOctal(t *testing.T) {
	if got, err := Unescape(`\141\303\251`); err != nil || got != "aé" {
		t.Errorf("got %+q, %v", got, err)
	}
}

func TestUnescapeRefuses(t *testing.T) {
	for _, word := range []string{"", " ", "a b", "a\n", "\t", "\x1b", "\x7f", "\u0085", "\xff", `\`, `\1`, `\12`, `\08x`, `\400`, `\777`, `\x41`, `a\\`,
		`\-01`, `\1/2`} {
		if got, err := Unescape(word); err == nil || got != "" || strings.Contains(err.Error(), "\n") {
			t.Errorf("Unescape(%+q) = %+q, %v", word, got, err)
		}
	}
}

func FuzzEscape(f *testing.F) {
	for _, seed := range []string{"", "-", "a b", "\x1b]0;x\a", "\xff", "\u202e", "日本語", `\134`, "e\u0301\u200b", "\u061c", "\U0001f468\u200d\U0001f469"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, field string) {
		word := Escape(field)
		requireTame(t, word)
		back, err := Unescape(word)
		if err != nil || back != field {
			t.Fatalf("%+q became %s, and that %+q, %v", field, word, back, err)
		}
		if plain, err := Unescape(field); err == nil {
			if again, err := Unescape(Escape(plain)); err != nil || again != plain {
				t.Fatalf("%+q stands for %+q, which became %+q, %v", field, plain, again, err)
			}
		}
	})
}

// requireTame says that a word is one, and that a terminal shows it and does nothing else.
func requireTame(t *testing.T, word string) {
	t.Helper()
	if word == "" || !utf8.ValidString(word) {
		t.Fatalf("%+q is no word", word)
	}
	for _, character := range word {
		if unicode.IsSpace(character) || !unicode.IsPrint(character) || unicode.In(character, unicode.C, unicode.Z, unicode.Bidi_Control, unicode.Join_Control) {
			t.Fatalf("%+q has %U", word, character)
		}
	}
}
