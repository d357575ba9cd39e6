package fs

import (
	"fmt"
	"strconv"
)

// OptionError says what is wrong with one option of a list.
type OptionError struct {
	// Option is the name as it was given.
	Option string
	// Value is what was given behind the equals sign, if anything.
	Value string
	// Problem says what is wrong and what to do instead.
	Problem string
	// Nearest is the known name, or the known value, that looks most like what was given; empty where there is none.
	Nearest string
}

const unknownOption = "unknown option"

// Error returns one line, whatever bytes the option was given in.
func (e *OptionError) Error() string {
	if e.Problem == unknownOption {
		return fmt.Sprintf("%s %s: did you mean %q?", unknownOption, quoteOption(e.Option), e.Nearest)
	}
	word := e.Option
	if e.Value != "" {
		word += "=" + e.Value
	}
	if e.Nearest != "" {
		return fmt.Sprintf("option %s: %s: did you mean %q?", quoteOption(word), e.Problem, e.Nearest)
	}
	return fmt.Sprintf("option %s: %s", quoteOption(word), e.Problem)
}

// quoteOption shows what a user wrote on one line, and no more of it than helps to find it again.
func quoteOption(text string) string {
	const most = 80
	if len(text) > most {
		return strconv.Quote(text[:most]) + "..."
	}
	return strconv.Quote(text)
}

// nearestName returns the name with the fewest edits from a text, the first of several that are equally near.
func nearestName(text string, names []string) string {
	const most = 80 // a longer text is equally far from every name
	if len(text) > most {
		text = text[:most]
	}
	best, fewest := "", len(text)+most
	for _, name := range names {
		if edits := editDistance(text, name); edits < fewest {
			best, fewest = name, edits
		}
	}
	return best
}

// editDistance counts the single letters to insert, delete, replace or swap with their neighbour that turn a into b.
func editDistance(a, b string) int {
	// Three rows of the table suffice: a swap looks back two.
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replaced := last[j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			row[j] = min(replaced, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
