package main

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"shmfs/fs/table"
)

// fieldKind is what the fields of a column are, which decides how they are shown, sorted and written as JSON.
type fieldKind int

const (
	textKind fieldKind = iota
	numberKind
	sizeKind // bytes
	timeKind // RFC 3339
	ageKind  // seconds
)

// fieldKinds are the kinds of the columns that are no texts.
var fieldKinds = map[string]fieldKind{
	"SIZE": sizeKind, "BYTES": sizeKind, "BYTES-LIMIT": sizeKind, "CHARGED": sizeKind, "RESIDENT": sizeKind, "MAPPED": sizeKind,
	"UID": numberKind, "GID": numberKind, "LINKS": numberKind, "OPENS": numberKind, "INODE": numberKind,
	"OBJECTS": numberKind, "OBJECTS-LIMIT": numberKind, "PID": numberKind, "CREATOR-PID": numberKind, "OPEN": numberKind, "RANGES": numberKind,
	"MODIFIED": timeKind, "SINCE": timeKind, "CREATED": timeKind,
	"AGE": ageKind,
}

// tableView is how a table is to be shown.
type tableView struct {
	json       bool
	noHeadings bool
	bytes      bool
	columns    string // separated by commas; empty: the usual ones
	order      string // a column, with a dash before it for descending; empty: as the table is
}

// addFlags adds the flags that every command has that prints a table.
func (v *tableView) addFlags(command *cobra.Command) {
	flags := command.Flags()
	flags.BoolVar(&v.json, "json", false, "print an array of JSON objects")
	flags.BoolVar(&v.noHeadings, "noheadings", false, "leave out the line with the columns' names")
	flags.BoolVarP(&v.bytes, "bytes", "b", false, "print sizes in bytes and times in full")
	flags.StringVarP(&v.columns, "output", "o", "", "columns to print, separated by commas, or all")
	flags.StringVar(&v.order, "sort", "", "column to sort by, with - before it for descending order")
}

// show writes a table. usual are the columns that are shown unless others are asked for. JSON has all of them unless some are asked
// for.
func (v *tableView) show(output io.Writer, all *table.Parsed, usual ...string) error {
	if v.json && v.columns == "" {
		usual = all.Header
	}
	shown, err := v.chosen(all, usual)
	if err != nil {
		return err
	}
	if err := v.sort(all); err != nil {
		return err
	}
	if v.json {
		return writeRowsJSON(output, all, shown)
	}
	return v.write(output, all, shown)
}

// chosen returns where the columns are that are to be shown.
func (v *tableView) chosen(all *table.Parsed, usual []string) ([]int, error) {
	switch {
	case strings.EqualFold(v.columns, "all"):
		usual = all.Header
	case v.columns != "":
		usual = strings.Split(v.columns, ",")
	}
	places := make([]int, len(usual))
	for i, name := range usual {
		var err error
		if places[i], err = columnOf(all, name); err != nil {
			return nil, err
		}
	}
	return places, nil
}

// columnOf finds a column by its name in capital or small letters.
func columnOf(all *table.Parsed, name string) (int, error) {
	if place := all.Column(strings.ToUpper(strings.TrimSpace(name))); place >= 0 {
		return place, nil
	}
	return -1, failure(exitUsage, "there is no column %q: there are %s", name, strings.Join(all.Header, ","))
}

// sort puts the rows in the order asked for; rows that are equal in it stay as they are.
func (v *tableView) sort(all *table.Parsed) error {
	if v.order == "" {
		return nil
	}
	name, descending := strings.CutPrefix(v.order, "-")
	place, err := columnOf(all, name)
	if err != nil {
		return err
	}
	kind := fieldKinds[all.Header[place]]
	slices.SortStableFunc(all.Rows, func(a, b []string) int {
		order := compareFields(kind, a[place], b[place])
		if descending {
			return -order
		}
		return order
	})
	return nil
}

// compareFields compares numbers as such; what is no number comes before them. Times in RFC 3339 and UTC are ordered as texts are.
func compareFields(kind fieldKind, a, b string) int {
	if kind == textKind || kind == timeKind {
		return strings.Compare(a, b)
	}
	first, firstErr := strconv.ParseFloat(a, 64)
	second, secondErr := strconv.ParseFloat(b, 64)
	switch {
	case firstErr != nil && secondErr != nil:
		return strings.Compare(a, b)
	case firstErr != nil:
		return -1
	case secondErr != nil:
		return 1
	case first < second:
		return -1
	case first > second:
		return 1
	}
	return 0
}

// write writes the table for people.
func (v *tableView) write(output io.Writer, all *table.Parsed, shown []int) error {
	columns, kinds := make([]table.Column, len(shown)), make([]fieldKind, len(shown))
	for i, place := range shown {
		columns[i].Name, kinds[i] = all.Header[place], fieldKinds[all.Header[place]]
		if kinds[i] != textKind && kinds[i] != timeKind {
			columns[i].Align = table.Right
		}
		if v.noHeadings {
			columns[i].Name = "-" // a name that is cut off takes no room
		}
	}
	if len(columns) == 0 {
		return nil
	}
	text := table.New(columns...)
	for _, row := range all.Rows {
		for i, place := range shown {
			text.Add(v.field(kinds[i], row[place]))
		}
	}
	lines := string(text.Text())
	if v.noHeadings {
		_, lines, _ = strings.Cut(lines, "\n")
	}
	_, err := io.WriteString(output, lines)
	return err
}

// field writes a field for people.
func (v *tableView) field(kind fieldKind, field string) string {
	if v.bytes {
		return field
	}
	switch kind {
	case sizeKind:
		if bytes, err := strconv.ParseInt(field, 10, 64); err == nil {
			return humanSize(bytes)
		}
	case timeKind:
		return shortTime(field)
	case ageKind:
		if seconds, err := strconv.ParseFloat(field, 64); err == nil {
			return humanAge(seconds)
		}
	}
	return field
}

// writeRowsJSON writes the rows as an array of objects, one a line.
func writeRowsJSON(output io.Writer, all *table.Parsed, shown []int) error {
	buffer := bufio.NewWriter(output)
	separator := "["
	for _, row := range all.Rows {
		element := jsonObject{}
		for _, place := range shown {
			element.addField(strings.ToLower(all.Header[place]), fieldKinds[all.Header[place]], row[place])
		}
		text, err := element.text()
		if err != nil {
			return err
		}
		fmt.Fprintf(buffer, "%s%s", separator, text)
		separator = ",\n"
	}
	if len(all.Rows) == 0 {
		fmt.Fprint(buffer, "[")
	}
	fmt.Fprintln(buffer, "]")
	return buffer.Flush()
}
