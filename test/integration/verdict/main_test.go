package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// stream is what `go test -json` prints of a run.
func stream(t *testing.T, events ...event) *strings.Reader {
	t.Helper()
	var text strings.Builder
	for _, one := range events {
		if err := json.NewEncoder(&text).Encode(one); err != nil {
			t.Fatal(err)
		}
	}
	return strings.NewReader(text.String())
}

// TestFailures has a failure told by how it begins, however long the log behind it is, and its parent not at all.
func TestFailures(t *testing.T) {
	var events []event
	says := func(test, format string, arguments ...any) {
		events = append(events, event{Action: "output", Package: "p", Test: test, Output: fmt.Sprintf(format, arguments...) + "\n"})
	}
	says("TestAll", "=== RUN   TestAll")
	says("TestAll/one", "=== RUN   TestAll/one")
	says("TestAll/one", "    one_test.go:7: the reason")
	for line := range 100 {
		says("TestAll/one", "    log line %d, %s", line, strings.Repeat("long ", 100))
	}
	says("TestAll/one", "    --- FAIL: TestAll/one (1.00s)")
	says("TestAll", "--- FAIL: TestAll (1.00s)")
	for _, test := range []string{"TestAll/one", "TestAll", ""} {
		events = append(events, event{Action: "fail", Package: "p", Test: test})
	}
	v := verdict{output: map[string][]string{}}
	var printed strings.Builder
	if err := v.read(stream(t, events...), &printed); err != nil {
		t.Fatal(err)
	}
	if v.failed != 2 || v.passed != 0 || !v.broken {
		t.Errorf("%d failed, %d passed, want 2 and 0", v.failed, v.passed)
	}
	if !strings.Contains(printed.String(), "log line 99") {
		t.Error("not everything that the test said was printed")
	}
	if len(v.failures) != 1 {
		t.Fatalf("%d failures are told, want one: %q", len(v.failures), v.failures)
	}
	if want := "FAILED p TestAll/one\n    one_test.go:7: the reason\n    log line 0, "; !strings.HasPrefix(v.failures[0], want) {
		t.Errorf("the failure is told as %q, want it to begin with %q", v.failures[0], want)
	}
	if length := len(v.failures[0]); length > 3000 {
		t.Errorf("the failure is told in %d bytes", length)
	}
}

// TestSums counts what has passed, failed and was skipped, packages not among them.
func TestSums(t *testing.T) {
	v := verdict{output: map[string][]string{}}
	var printed strings.Builder
	err := v.read(stream(t,
		event{Action: "pass", Package: "p", Test: "TestGood"},
		event{Action: "output", Package: "p", Test: "TestLazy", Output: "    lazy_test.go:3: not here\n"},
		event{Action: "skip", Package: "p", Test: "TestLazy"},
		event{Action: "pass", Package: "p", Elapsed: 1.5},
	), &printed)
	if err != nil {
		t.Fatal(err)
	}
	if v.passed != 1 || v.failed != 0 || v.skipped != 1 || v.broken {
		t.Errorf("%d passed, %d failed, %d skipped, want 1, 0 and 1", v.passed, v.failed, v.skipped)
	}
	if want := "SKIPPED p TestLazy\n    lazy_test.go:3: not here\npass p 1.5s\n"; printed.String() != want {
		t.Errorf("it printed %q, want %q", printed.String(), want)
	}
}
