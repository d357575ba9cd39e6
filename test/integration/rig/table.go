package rig

import (
	"testing"

	"shmfs/fs/table"
)

// Rows reads a table of .shmfs: the fields of each row by their columns.
func Rows(t testing.TB, content string) []map[string]string {
	t.Helper()
	parsed, err := table.Parse([]byte(content))
	if err != nil {
		t.Fatalf("%v in:\n%.4000s", err, content)
	}
	var rows []map[string]string
	for _, fields := range parsed.Rows {
		row := make(map[string]string)
		for i, column := range parsed.Header {
			row[column] = fields[i]
		}
		rows = append(rows, row)
	}
	return rows
}
