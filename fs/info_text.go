package fs

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"shmfs/fs/table"
)

// versionText is what the file version holds.
func (f *Filesystem) versionText(asker) ([]byte, error) {
	return []byte(BuildVersion().String() + "\n"), nil
}

// configText lists the options in force.
func (f *Filesystem) configText(asker) ([]byte, error) {
	words := splitOptions(f.options.Load().String())
	slices.Sort(words)
	var text strings.Builder
	for _, word := range words {
		name, value, valued := strings.Cut(word, "=")
		if !valued {
			value = "yes"
		}
		fmt.Fprintf(&text, "%s: %s\n", name, lineOf(value))
	}
	return []byte(text.String()), nil
}

// lineOf is a value fit for the rest of a line: as it is, or escaped as a table's fields are if it holds what a terminal or a reader of lines
// would obey. Paths and names of the mount's options are those of who mounted.
func lineOf(value string) string {
	plain := utf8.ValidString(value) && !strings.ContainsFunc(value, func(character rune) bool { return !unicode.IsPrint(character) })
	if plain {
		return value
	}
	return table.Escape(value)
}
