package fs

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestFirstLines(t *testing.T) {
	line := strings.Repeat("x", 99) + "\n"
	for name, c := range map[string]struct {
		text string
		want int // bytes; negative: EINVAL
	}{
		"nothing":                  {"", 0},
		"a line without an end":    {"post", 4},
		"as much as is taken":      {strings.Repeat("x", mostText), mostText},
		"whole lines":              {strings.Repeat(line, 40), 4000},
		"more lines than fit":      {strings.Repeat(line, 1000), 4000},
		"a line that ends just so": {strings.Repeat("x", mostText-1) + "\n" + line, mostText},
		"a line too long":          {strings.Repeat("x", mostText) + "\n", -1},
		"a line too long behind":   {line + strings.Repeat("x", mostText), 100},
	} {
		got, err := firstLines([]byte(c.text))
		if invalid := errors.Is(err, unix.EINVAL); invalid != (c.want < 0) || err == nil && !bytes.Equal(got, []byte(c.text[:c.want])) {
			t.Errorf("%s: %d bytes, %v, want %d", name, len(got), err, c.want)
		}
	}
}
