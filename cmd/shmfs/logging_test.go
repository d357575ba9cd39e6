package main

import (
	"encoding/json"
	"errors"
	"log"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestLibrariesWriteToTheLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	settings := logSettings{level: "info", format: "json", file: path}
	if _, err := settings.open("worker"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	log.Print("[WARN] from a library")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var line map[string]any
	if err := json.Unmarshal(text, &line); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if line["@message"] != "from a library" || line["@level"] != "warn" || line["@module"] != "shmfs.worker.library" {
		t.Errorf("the line is %v", line)
	}
}

func TestLogSettingsSayTheSameAgain(t *testing.T) {
	settings := logSettings{level: "debug", format: "json", file: "relative"}
	if err := settings.check(); err != nil {
		t.Fatal(err)
	}
	directory, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"--log-level", "debug", "--log-format", "json", "--log-file", filepath.Join(directory, "relative")}
	if got := settings.arguments(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestSeverityPassesErrorsOn(t *testing.T) {
	failed := errors.New("failed")
	if n, err := severity(func(string) error { return failed }).Write([]byte("line")); n != 0 || err != failed {
		t.Errorf("%d, %v", n, err)
	}
	var got string
	n, err := severity(func(line string) error { got = line; return nil }).Write([]byte("line"))
	if n != 4 || err != nil || got != "line" {
		t.Errorf("%d, %v, %q", n, err, got)
	}
}
