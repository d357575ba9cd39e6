//go:build crashpoints

package fs

import (
	"context"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	// childVariable has the names, in lines, of those that a process runs for another.
	childVariable = "SHMFS_TEST_CRASH_CHILD"

	// namesPerProcess are so many that their dead leave descriptors enough for the living, of 20,000.
	namesPerProcess = 6
)

// inProcesses runs tests by their names, some in one process and some processes at a time: whoever has died in a test keeps descriptors and memory
// until the process ends.
func inProcesses(t *testing.T, names []string, run func(t *testing.T, name string)) {
	if mine, child := os.LookupEnv(childVariable); child {
		for name := range strings.SplitSeq(mine, "\n") {
			t.Run(name, func(t *testing.T) { run(t, name) })
		}
		return
	}
	for some := range slices.Chunk(names, namesPerProcess) {
		t.Run(some[0]+" to "+some[len(some)-1], func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
			defer cancel()
			top, _, _ := strings.Cut(t.Name(), "/")
			command := exec.CommandContext(ctx, "/proc/self/exe", "-test.v", "-test.run", "^"+regexp.QuoteMeta(top)+"$")
			command.Env = append(os.Environ(), childVariable+"="+strings.Join(some, "\n"))
			output, err := command.CombinedOutput()
			if passed := strings.Count(string(output), "    --- PASS: "+top+"/"); err != nil || passed < len(some) {
				t.Errorf("%v: of %q %d have passed\n%s", err, some, passed, output)
			}
		})
	}
}
