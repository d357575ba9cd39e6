package differential

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// reach counts how often each operation gave each errno (or success, as ""): what the random calls really reach.
type reach map[string]map[string]int

// count takes in one call's outcome on the reference side.
func (r *reach) count(c Call, o Outcome) {
	if *r == nil {
		*r = make(reach)
	}
	if (*r)[c.Operation] == nil {
		(*r)[c.Operation] = make(map[string]int)
	}
	(*r)[c.Operation][o.Errno]++
}

// unreached are the operations that never succeeded.
func (r reach) unreached() []string {
	var names []string
	for _, each := range operations {
		if each.name != "look at everything" && r[each.name][""] == 0 {
			names = append(names, each.name)
		}
	}
	return names
}

// String is one line for each operation.
func (r reach) String() string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(r)) {
		fmt.Fprintf(&text, "%s: %d succeeded", name, r[name][""])
		for _, errno := range slices.Sorted(maps.Keys(r[name])) {
			if errno != "" {
				fmt.Fprintf(&text, ", %d %s", r[name][errno], errno)
			}
		}
		text.WriteByte('\n')
	}
	return text.String()
}
