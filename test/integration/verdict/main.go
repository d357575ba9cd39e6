// Command verdict reads `go test -json` and prints what matters: a line for each package, everything a failed test said, the sum, and in the
// end once more how each failure begins, since a daemon's log may stand between that and the end. It fails when a test failed, was skipped,
// or when none ran.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// event is one line of `go test -json` (go doc test2json).
type event struct {
	Action     string
	Package    string
	ImportPath string
	Test       string
	Output     string
	Elapsed    float64
}

// verdict is what has been read so far.
type verdict struct {
	passed, failed, skipped int
	broken                  bool                // a package failed outside its tests
	output                  map[string][]string // of each test, by package and name
	failures                []string            // how each begins
}

func main() {
	v := verdict{output: map[string][]string{}}
	if err := v.read(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "verdict:", err)
		os.Exit(1)
	}
	fmt.Printf("%d passed, %d failed, %d skipped\n", v.passed, v.failed, v.skipped)
	for _, failure := range v.failures {
		fmt.Print(failure)
	}
	if v.failed > 0 || v.skipped > 0 || v.broken || v.passed == 0 {
		os.Exit(1)
	}
}

func (v *verdict) read(from io.Reader, to io.Writer) error {
	for decoder := json.NewDecoder(from); ; {
		var e event
		if err := decoder.Decode(&e); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("reading test events: %w", err)
		}
		v.take(e, to)
	}
}

func (v *verdict) take(e event, to io.Writer) {
	key := e.Package + " " + e.Test
	switch e.Action {
	case "output":
		v.output[key] = append(v.output[key], e.Output)
	case "build-output":
		fmt.Fprint(to, e.Output)
	case "build-fail":
		v.broken = true
	case "pass":
		v.end(e, &v.passed, to)
	case "skip":
		if e.Test != "" {
			fmt.Fprintf(to, "SKIPPED %s %s\n%s", e.Package, e.Test, strings.Join(v.output[key], ""))
		}
		v.end(e, &v.skipped, to)
	case "fail":
		v.broken = v.broken || e.Test == ""
		fmt.Fprintf(to, "%s", strings.Join(v.output[key], ""))
		if said := beginning(v.output[key]); said != "" {
			v.failures = append(v.failures, fmt.Sprintf("FAILED %s\n%s", key, said))
		}
		v.end(e, &v.failed, to)
	}
}

// beginning is what a test said first: some lines, and of each as much as a screen is wide. It is empty for one that failed by its subtests only.
func beginning(output []string) string {
	const most, wide = 12, 200
	var said []string
	for line := range strings.Lines(strings.Join(output, "")) {
		line = strings.TrimSuffix(line, "\n")
		if framing := strings.TrimSpace(line); strings.HasPrefix(framing, "=== ") || strings.HasPrefix(framing, "--- ") || framing == "FAIL" {
			continue
		}
		if said = append(said, line[:min(len(line), wide)]+"\n"); len(said) == most {
			break
		}
	}
	return strings.Join(said, "")
}

// end counts a finished test, or prints the line of a finished package.
func (v *verdict) end(e event, count *int, to io.Writer) {
	delete(v.output, e.Package+" "+e.Test)
	if e.Test != "" {
		*count++
		return
	}
	fmt.Fprintf(to, "%-4s %s %.1fs\n", e.Action, e.Package, e.Elapsed)
}
