package table

import (
	"unicode"
	"unicode/utf8"
)

// cells is how many cells of a terminal a word takes.
func cells(word []byte) int {
	for at, b := range word {
		if b >= utf8.RuneSelf {
			return at + wideCells(word[at:])
		}
	}
	return len(word)
}

func wideCells(word []byte) int {
	sum := 0
	for len(word) > 0 {
		character, size := utf8.DecodeRune(word)
		word = word[size:]
		switch {
		case unicode.In(character, unicode.Mn, unicode.Me):
		case unicode.Is(wide, character):
			sum += 2
		default:
			sum++
		}
	}
	return sum
}

// wide has the characters that take two cells, by and large: East Asian scripts, their punctuation and full-width forms, and pictures.
// Where a terminal thinks otherwise a line is out of place by a cell.
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x1100, Hi: 0x115f, Stride: 1}, {Lo: 0x2e80, Hi: 0x303e, Stride: 1}, {Lo: 0x3041, Hi: 0xa4cf, Stride: 1},
		{Lo: 0xa960, Hi: 0xa97c, Stride: 1}, {Lo: 0xac00, Hi: 0xd7a3, Stride: 1}, {Lo: 0xf900, Hi: 0xfaff, Stride: 1},
		{Lo: 0xfe30, Hi: 0xfe6f, Stride: 1}, {Lo: 0xff00, Hi: 0xff60, Stride: 1}, {Lo: 0xffe0, Hi: 0xffe6, Stride: 1},
	},
	R32: []unicode.Range32{
		{Lo: 0x17000, Hi: 0x18cff, Stride: 1}, {Lo: 0x1b000, Hi: 0x1b2ff, Stride: 1}, {Lo: 0x1f300, Hi: 0x1f64f, Stride: 1},
		{Lo: 0x1f680, Hi: 0x1f6ff, Stride: 1}, {Lo: 0x1f900, Hi: 0x1faff, Stride: 1}, {Lo: 0x20000, Hi: 0x3fffd, Stride: 1},
	},
}
