//go:build crashpoints

package fs

import (
	"context"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// childVariable is in the environment of a process that runs one test for another.
const childVariable = "SHMFS_TEST_CRASH_CHILD"

// inProcesses runs tests by their names, each in a process of its own and some at a time: whoever has died in a test keeps descriptors and
// memory until the process ends.
func inProcesses(t *testing.T, names []string, run func(t *testing.T, name string)) {
	_, child := os.LookupEnv(childVariable)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			if child {
				run(t, name)
				return
			}
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			command := exec.CommandContext(ctx, "/proc/self/exe", "-test.v", "-test.run", onlyThis(t))
			command.Env = append(os.Environ(), childVariable+"=1")
			output, err := command.CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s", err, output)
			} else if !strings.Contains(string(output), "--- PASS: "+t.Name()+" ") {
				t.Errorf("the test was not run:\n%s", output)
			}
		})
	}
}

// onlyThis is a pattern for the test alone.
func onlyThis(t *testing.T) string {
	parts := strings.Split(t.Name(), "/")
	for i, part := range parts {
		parts[i] = "^" + regexp.QuoteMeta(part) + "$"
	}
	return strings.Join(parts, "/")
}
