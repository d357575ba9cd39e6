package top

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// palette says which of the ways to set text apart are in use.
type palette int

const (
	plain     palette = iota // none: text for scripts
	colorless                // bold and reversed
	colorful
)

// The ways to set text apart, as a terminal's numbers.
const (
	bold     = "1"
	reversed = "7"
	red      = "31"
	green    = "32"
	yellow   = "33"
	cyan     = "36"
)

// paint sets a text apart, which must not be so already.
func (p palette) paint(text, how string) string {
	if p == plain || text == "" || p == colorless && how != bold && how != reversed {
		return text
	}
	return "\x1b[" + how + "m" + text + "\x1b[0m"
}

// fit makes a text that is not painted exactly as many cells wide: what is too long ends in "~".
func fit(text string, width int) string {
	text = cut(text, width)
	return text + strings.Repeat(" ", max(0, width-cells(text)))
}

// fitRight is fit with the text at the right side.
func fitRight(text string, width int) string {
	text = cut(text, width)
	return strings.Repeat(" ", max(0, width-cells(text))) + text
}

// cut makes a text, painted or not, as many cells wide at most.
func cut(text string, width int) string {
	if width < 1 {
		return ""
	}
	return ansi.TruncateWc(text, width, "~")
}

// cells is how many cells of a terminal a text takes.
func cells(text string) int {
	return ansi.StringWidthWc(text)
}
