package table

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Escape returns a field as one word that is fit for a table and for a terminal, whatever bytes it has. What is no printable UTF-8,
// space, tab, newline and backslash become \ooo, three octal digits for each byte, as do characters that are not seen or that
// change how others are shown: controls, directions of writing, joiners, fillers, variation selectors, and combining marks with nothing to stand on.
// An empty field is "-", and "-" is \055.
func Escape(field string) string { return string(AppendEscaped(nil, field)) }

// AppendEscaped appends the escaped field to text.
func AppendEscaped(text []byte, field string) []byte {
	switch field {
	case "":
		return append(text, '-')
	case "-":
		return append(text, `\055`...)
	}
	if ordinary(field) {
		return append(text, field...)
	}
	based := false // there is a character that a combining mark can stand on
	for at := 0; at < len(field); {
		if b := field[at]; b < utf8.RuneSelf {
			based = '!' <= b && b <= '~' && b != '\\'
			text = appendByte(text, b, based)
			at++
			continue
		}
		character, size := utf8.DecodeRuneInString(field[at:])
		if character == utf8.RuneError && size == 1 || !seen(character) || !based && unicode.Is(unicode.M, character) {
			text, based = appendOctal(text, field[at:at+size]), false
		} else {
			text, based = append(text, field[at:at+size]...), true
		}
		at += size
	}
	return text
}

// ordinary says whether a field is ASCII that stands for itself, as nearly all are.
func ordinary(field string) bool {
	for i := range len(field) {
		if b := field[i]; b <= ' ' || b > '~' || b == '\\' {
			return false
		}
	}
	return true
}

func appendByte(text []byte, b byte, plain bool) []byte {
	if plain {
		return append(text, b)
	}
	return append(text, '\\', '0'+b>>6, '0'+b>>3&7, '0'+b&7)
}

func appendOctal(text []byte, raw string) []byte {
	for i := range len(raw) {
		text = appendByte(text, raw[i], false)
	}
	return text
}

const brailleBlank = '\u2800' // counts as a symbol, and shows nothing

// seen says whether a character beyond ASCII shows itself and only itself.
func seen(character rune) bool {
	return unicode.IsPrint(character) && character != brailleBlank &&
		!unicode.In(character, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

var errEscape = errors.New("a backslash that is not followed by three octal digits up to 377")

// Unescape returns the field that a word stands for. It takes every byte in octal, also where Escape would have written it as it is, since
// the other side may know other characters. Errors: the word is empty, has a space, a control character or invalid
// UTF-8, or a backslash without three octal digits up to 377.
func Unescape(word string) (string, error) {
	if word == "-" {
		return "", nil
	}
	switch {
	case word == "":
		return "", errors.New("reading a field: there is nothing, not even a dash")
	case ordinary(word):
		return word, nil
	case !utf8.ValidString(word):
		return "", fmt.Errorf("reading a field: %+q is no UTF-8", word)
	case strings.ContainsFunc(word, func(character rune) bool { return character == ' ' || unicode.IsControl(character) }):
		return "", fmt.Errorf("reading a field: %+q has a space or a control character", word)
	case !strings.Contains(word, `\`):
		return word, nil
	}
	return unescape(word)
}

func unescape(word string) (string, error) {
	field := make([]byte, 0, len(word))
	for at := 0; at < len(word); at++ {
		if word[at] != '\\' {
			field = append(field, word[at])
			continue
		}
		if len(word) < at+4 {
			return "", fmt.Errorf("reading a field: %+q: %w", word, errEscape)
		}
		first, second, third := word[at+1]-'0', word[at+2]-'0', word[at+3]-'0'
		if first > 3 || second > 7 || third > 7 {
			return "", fmt.Errorf("reading a field: %+q: %w", word, errEscape)
		}
		field = append(field, first<<6|second<<3|third)
		at += 3
	}
	return string(field), nil
}
