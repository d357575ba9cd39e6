package table

import (
	"bytes"
	"strconv"
	"time"
)

// Alignment is the side of a column where its fields are lined up.
type Alignment int

const (
	Left  Alignment = iota
	Right           // for numbers
)

// Column describes a column.
type Column struct {
	Name  string // one word
	Align Alignment
}

// widest is the most cells that a column is made wide for. A longer field pushes what follows it to the right, rather than that one
// user's name of 4,000 bytes makes every line of everybody's table as long.
const widest = 64

// timeFormat is RFC 3339 in UTC with all nanoseconds, so that times sort as text and take the same room.
const timeFormat = "2006-01-02T15:04:05.000000000Z"

// Table is a table in the making: rows are as many fields as there are columns.
type Table struct {
	columns []Column // immutable
	widths  []int    // of the widest field of each column so far, in cells of a terminal, up to widest
	words   []byte   // escaped fields, each followed by a space, rows one after the other
	fields  int      // in words
	beyond  int      // bytes in words beyond the cells they take; never negative
}

// New returns a table without rows. There must be at least one column.
func New(columns ...Column) *Table {
	t := &Table{columns: columns, widths: make([]int, len(columns))}
	for i, column := range columns {
		t.widths[i] = min(cells([]byte(column.Name)), widest)
	}
	return t
}

// Grow makes room for as many rows more of about as many bytes each, all fields together.
func (t *Table) Grow(rows, bytesEach int) {
	t.words = append(make([]byte, 0, len(t.words)+rows*bytesEach), t.words...)
}

// Append appends one or several rows, all fields of them.
func (t *Table) Append(fields ...string) {
	for _, field := range fields {
		t.Add(field)
	}
}

// Add appends a field, which may have any bytes.
func (t *Table) Add(field string) {
	from := len(t.words)
	t.words = AppendEscaped(t.words, field)
	t.end(from, cells(t.words[from:]))
}

// AddUint appends a number.
func (t *Table) AddUint(number uint64) {
	from := len(t.words)
	t.words = strconv.AppendUint(t.words, number, 10)
	t.end(from, len(t.words)-from)
}

// AddInt appends a number that may be negative.
func (t *Table) AddInt(number int64) {
	from := len(t.words)
	t.words = strconv.AppendInt(t.words, number, 10)
	t.end(from, len(t.words)-from)
}

// AddMode appends permission bits, four octal digits.
func (t *Table) AddMode(mode uint32) {
	from := len(t.words)
	t.words = append(t.words, byte('0'+mode>>9&7), byte('0'+mode>>6&7), byte('0'+mode>>3&7), byte('0'+mode&7))
	t.end(from, len(t.words)-from)
}

// AddRange appends two addresses as /proc does, hexadecimal with a dash between them.
func (t *Table) AddRange(start, end uint64) {
	from := len(t.words)
	t.words = strconv.AppendUint(t.words, start, 16)
	t.words = append(t.words, '-')
	t.words = strconv.AppendUint(t.words, end, 16)
	t.end(from, len(t.words)-from)
}

// AddTime appends a time, in UTC with nanoseconds; the zero time is an empty field.
func (t *Table) AddTime(when time.Time) {
	if when.IsZero() {
		t.Add("")
		return
	}
	from := len(t.words)
	t.words = when.UTC().AppendFormat(t.words, timeFormat)
	t.end(from, len(t.words)-from)
}

// end ends the word that begins at an offset and takes as many cells.
func (t *Table) end(from, width int) {
	column := t.fields % len(t.columns)
	t.widths[column] = max(t.widths[column], min(width, widest))
	t.beyond += max(0, len(t.words)-from-min(width, widest))
	t.words = append(t.words, ' ')
	t.fields++
}

// Rows is the number of whole rows.
func (t *Table) Rows() int { return t.fields / len(t.columns) }

// Rendering makes the text of a table.
type Rendering struct {
	table *Table
	words []byte // still to be written
	rows  int    // still to be written
	text  []byte
}

// Render begins the text with the names of the columns. Nothing must be appended to the table from then on.
func (t *Table) Render() *Rendering {
	line := len(t.columns)
	for _, width := range t.widths {
		line += width
	}
	names := make([]byte, 0, line)
	for _, column := range t.columns {
		names = append(append(names, column.Name...), ' ')
	}
	r := &Rendering{table: t, words: t.words, rows: t.Rows()}
	r.text = make([]byte, 0, line*(r.rows+1)+t.beyond+len(names))
	r.line(names)
	return r
}

// Next writes as many rows more, or those that are left; false when there were none.
func (r *Rendering) Next(rows int) bool {
	rows = min(rows, r.rows)
	words := r.words
	for range rows {
		words = r.line(words)
	}
	r.words, r.rows = words, r.rows-rows
	return rows > 0
}

// Text is what was written so far, whole lines.
func (r *Rendering) Text() []byte { return r.text }

// Text is the whole table's text, in one go.
func (t *Table) Text() []byte {
	rendering := t.Render()
	rendering.Next(t.Rows())
	return rendering.Text()
}

// line writes one row and returns the words behind it.
func (r *Rendering) line(words []byte) []byte {
	last := len(r.table.columns) - 1
	for i, column := range r.table.columns {
		length := bytes.IndexByte(words, ' ')
		word := words[:length]
		words = words[length+1:]
		padding := r.table.widths[i] - cells(word)
		if column.Align == Right {
			r.pad(padding)
		}
		r.text = append(r.text, word...)
		if i == last {
			break
		}
		if column.Align == Left {
			r.pad(padding)
		}
		r.text = append(r.text, ' ')
	}
	r.text = append(r.text, '\n')
	return words
}

func (r *Rendering) pad(padding int) {
	const spaces = "                                                                " // widest of them
	if padding > 0 {
		r.text = append(r.text, spaces[:padding]...)
	}
}
