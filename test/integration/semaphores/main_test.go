package semaphores

import (
	"fmt"
	"os"
	"testing"

	"shmfs/test/integration/rig"
)

// programsVariable names the directory of the compiled programs, which the copy of the test binary in the private mount
// namespace fills at first use and this one removes.
const programsVariable = "SHMFS_TEST_SEMAPHORE_PROGRAMS"

func TestMain(m *testing.M) {
	os.Exit(runWithPrograms(m))
}

func runWithPrograms(m *testing.M) int {
	if os.Getenv(programsVariable) != "" {
		return rig.RunPrivately(m)
	}
	directory, err := os.MkdirTemp("", "shmfs-test-programs-")
	if err == nil {
		err = os.Setenv(programsVariable, directory)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "a directory for the tests' programs: %v\n", err)
		return 1
	}
	code := rig.RunPrivately(m)
	if err := os.RemoveAll(directory); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}
