package journal

import (
	"encoding/base64"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"
)

// timeFormat is RFC 3339 in UTC with all nanoseconds.
const timeFormat = "2006-01-02T15:04:05.000000000Z"

// line is an event's text. What not everybody may see stands in one piece, so that leaving it out is cutting it out.
type line struct {
	text     []byte // with its newline
	from, to int    // of what names the process
}

func (l *line) length(full bool) int {
	if full {
		return len(l.text)
	}
	return len(l.text) - (l.to - l.from)
}

func (l *line) appendTo(into []byte, full bool) []byte {
	if full {
		return append(into, l.text...)
	}
	return append(append(into, l.text[:l.from]...), l.text[l.to:]...)
}

func encode(e *Event) *line {
	text := make([]byte, 0, 256)
	text = append(text, `{"seq":`...)
	text = strconv.AppendUint(text, e.Sequence, 10)
	text = appendTime(text, e.Time)
	text = appendString(text, `,"event":`, string(e.Kind))
	if e.Object != "" {
		text = appendPath(text, "object", e.Object)
	}
	if e.Inode != 0 {
		text = appendNumber(text, `,"inode":`, e.Inode)
	}
	if !e.Unattributed {
		text = appendNumber(text, `,"uid":`, e.UID)
	}
	from := len(text)
	if e.PID != 0 {
		text = appendNumber(text, `,"pid":`, e.PID)
	}
	if e.Command != "" {
		text = appendString(text, `,"command":`, e.Command)
	}
	to := len(text)
	return &line{text: append(appendDetails(text, e), "}\n"...), from: from, to: to}
}

// appendDetails appends the keys of the event's own kind.
func appendDetails(text []byte, e *Event) []byte {
	switch e.Kind {
	case Create:
		text = appendString(text, `,"type":`, e.Type)
	case Open, Close:
		text = appendString(text, `,"flags":`, e.Flags)
		text = appendNumber(text, `,"opens":`, e.Opens)
	case Resize:
		text = appendNumber(text, `,"size":`, e.Size)
	case Unlink:
		text = appendNumber(text, `,"links":`, e.Links)
	case Rename, Link:
		text = appendPath(text, "to", e.To)
	case Chmod:
		text = append(text, `,"mode":"`...)
		text = append(text, byte('0'+e.Mode>>9&7), byte('0'+e.Mode>>6&7), byte('0'+e.Mode>>3&7), byte('0'+e.Mode&7), '"')
		text = appendNumber(text, `,"owner":`, e.Owner)
		text = appendNumber(text, `,"group":`, e.Group)
	case SemaphorePost, SemaphoreWait:
		text = appendNumber(text, `,"units":`, e.Units)
		if e.Value >= 0 {
			text = appendNumber(text, `,"value":`, e.Value)
		}
	case HolderDied:
		text = appendNumber(text, `,"units":`, e.Units)
	case NoSpace, Quota:
		text = appendNumber(text, `,"wanted":`, e.Wanted)
	case WorkerRestarted:
	}
	return text
}

// encodeDropped is the line in the place of events that a reader missed.
func encodeDropped(count uint64, now time.Time) *line {
	text := append(make([]byte, 0, 96), `{"event":"`+dropped+`","count":`...)
	text = strconv.AppendUint(text, count, 10)
	return &line{text: append(appendTime(text, now), "}\n"...)}
}

func appendTime(text []byte, when time.Time) []byte {
	text = append(text, `,"time":"`...)
	text = when.UTC().AppendFormat(text, timeFormat)
	return append(text, '"')
}

func appendNumber[N int | int64 | uint32 | uint64](text []byte, key string, number N) []byte {
	text = append(text, key...)
	if number < 0 {
		return strconv.AppendInt(text, int64(number), 10)
	}
	return strconv.AppendUint(text, uint64(number), 10)
}

// appendPath appends a path, and its bytes in base64 if they are no UTF-8.
func appendPath(text []byte, key, path string) []byte {
	text = appendString(text, `,"`+key+`":`, path)
	if utf8.ValidString(path) {
		return text
	}
	text = append(text, `,"`+key+`-bytes":"`...)
	text = base64.StdEncoding.AppendEncode(text, []byte(path))
	return append(text, '"')
}

// appendString appends a string in quotes. What a terminal obeys or does not show is written in hexadecimal digits, like what JSON forbids;
// bytes that are no UTF-8 become U+FFFD.
func appendString(text []byte, key, value string) []byte {
	text = append(append(text, key...), '"')
	for _, character := range value {
		switch {
		case character == '"' || character == '\\':
			text = append(text, '\\', byte(character))
		case ' ' <= character && character <= '~' || character > '~' && unicode.IsPrint(character):
			text = utf8.AppendRune(text, character)
		default:
			text = appendHexadecimal(text, character)
		}
	}
	return append(text, '"')
}

func appendHexadecimal(text []byte, character rune) []byte {
	const supplementary, high, low = 0x10000, 0xd800, 0xdc00
	if character >= supplementary {
		character -= supplementary
		text = appendHexadecimal(text, high|character>>10)
		character = low | character&0x3ff
	}
	const digits = "0123456789abcdef"
	return append(text, '\\', 'u', digits[character>>12&15], digits[character>>8&15], digits[character>>4&15], digits[character&15])
}
