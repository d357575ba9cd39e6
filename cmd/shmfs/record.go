package main

import (
	"slices"
	"strconv"
	"strings"

	"shmfs/fs/table"
)

// numericKeys are the keys of the mount's texts whose values are whole numbers.
var numericKeys = []string{
	"inode", "size", "charged", "resident", "huge", "blocks", "uid", "gid", "links", "creator-pid", "opens", "mappers",
	"value", "waiters", "held", "initial", "pid", "bytes", "units",
}

// sizeKeys are those of them that are bytes.
var sizeKeys = []string{"size", "charged", "resident", "huge", "bytes"}

// listKeys are the keys of lines of which there may be several, each a record.
var listKeys = []string{"mapper", "open", "holder"}

// escapedKeys are the keys whose values are escaped as in the mount's tables, unless they are in quotes.
var escapedKeys = []string{"name", "target", "user", "group", "creator-command", "creator-cgroup"}

// addValue adds what stands under a key: null for a dash, and a number where there is to be one.
func (o *jsonObject) addValue(key, value string) {
	switch {
	case value == "-":
		o.add(key, nil)
	case slices.Contains(numericKeys, key):
		o.addField(key, numberKind, value)
	default:
		o.addText(key, plainValue(key, value))
	}
}

// plainValue takes off what makes a name fit for a line.
func plainValue(key, value string) string {
	if text, err := strconv.Unquote(value); err == nil && strings.HasPrefix(value, `"`) {
		return text
	}
	if !slices.Contains(escapedKeys, key) {
		return value
	}
	if text, err := table.Unescape(value); err == nil {
		return text
	}
	return value
}

// parseRecord reads the value of a line such as "mapper: pid 4711, user root, command \"bash\", bytes 4096": words with a
// value each, which may be in quotes. What it cannot read stands whole under the key text.
func parseRecord(text string) *jsonObject {
	record := &jsonObject{}
	for rest := text; ; {
		key, after, found := strings.Cut(rest, " ")
		value, further := firstValue(after)
		if !found || key == "" || value == "" {
			whole := &jsonObject{}
			whole.addText("text", text)
			return whole
		}
		record.addValue(key, value)
		if further == "" {
			return record
		}
		rest = further
	}
}

// firstValue splits a value, which ends with a comma and a space, from what follows it.
func firstValue(text string) (value, rest string) {
	quoted, err := strconv.QuotedPrefix(text)
	if err != nil || !strings.HasPrefix(text, `"`) {
		value, rest, _ = strings.Cut(text, ", ")
		return value, rest
	}
	rest, found := strings.CutPrefix(text[len(quoted):], ", ")
	if !found && rest != "" {
		return "", "" // no value ends so
	}
	return quoted, rest
}
