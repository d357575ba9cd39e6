package fs

import (
	"fmt"
	"slices"
	"strings"
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
		fmt.Fprintf(&text, "%s: %s\n", name, value)
	}
	return []byte(text.String()), nil
}
