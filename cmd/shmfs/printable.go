package main

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// printable returns a text in which everything that is no printable character, the bytes that are no UTF-8 included, is written
// as Go writes it in strings (\n, \x1b, \u202e). Names are anybody's to choose: a terminal must not obey them.
func printable(text string) string {
	var safe strings.Builder
	for len(text) > 0 {
		character, size := utf8.DecodeRuneInString(text)
		if strconv.IsPrint(character) && (character != utf8.RuneError || size > 1) {
			safe.WriteString(text[:size])
		} else {
			quoted := strconv.Quote(text[:size])
			safe.WriteString(quoted[1 : len(quoted)-1])
		}
		text = text[size:]
	}
	return safe.String()
}

var fieldEscapes = strings.NewReplacer(`\`, `\\`, ` `, `\x20`)

// printableField is printable for a column of a table: it has no space in it, and no two texts look the same.
func printableField(text string) string {
	return printable(fieldEscapes.Replace(text))
}
