package table

import (
	"errors"
	"fmt"
	"strings"
)

// Parsed is a table that was read.
type Parsed struct {
	Header []string   // names of columns
	Rows   [][]string // unescaped fields, as many in each as there are columns
}

// Column returns where a column is, -1 if it is not there.
func (p *Parsed) Column(name string) int {
	for i, column := range p.Header {
		if column == name {
			return i
		}
	}
	return -1
}

// Parse reads a table's text. Errors: there is no header, the last line has no end (the text was cut short), a line has more or fewer fields than
// the header, a field is no word that Unescape takes.
func Parse(text []byte) (*Parsed, error) {
	rest := string(text)
	if rest == "" {
		return nil, errors.New("reading a table: it is empty")
	}
	parsed := &Parsed{}
	var fields []string // of all rows, one after the other
	for number := 1; rest != ""; number++ {
		line, after, ended := strings.Cut(rest, "\n")
		if !ended {
			return nil, fmt.Errorf("reading a table: line %d is cut short", number)
		}
		rest = after
		before := len(fields)
		var err error
		if fields, err = appendFields(fields, line); err != nil {
			return nil, fmt.Errorf("reading a table: line %d: %w", number, err)
		}
		row := fields[before:len(fields):len(fields)]
		switch {
		case number == 1 && len(row) == 0:
			return nil, errors.New("reading a table: it has no columns")
		case number == 1:
			parsed.Header = row
		case len(row) != len(parsed.Header):
			return nil, fmt.Errorf("reading a table: line %d has %d fields, and there are %d columns", number, len(row), len(parsed.Header))
		default:
			parsed.Rows = append(parsed.Rows, row)
		}
	}
	return parsed, nil
}

// appendFields appends the fields of one line.
func appendFields(fields []string, line string) ([]string, error) {
	for {
		line = strings.TrimLeft(line, " ")
		if line == "" {
			return fields, nil
		}
		word := line
		if end := strings.IndexByte(line, ' '); end >= 0 {
			word = line[:end]
		}
		line = line[len(word):]
		field, err := Unescape(word)
		if err != nil {
			return fields, err
		}
		fields = append(fields, field)
	}
}
