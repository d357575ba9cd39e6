package inspection

import (
	"fmt"
	"os"
	"testing"

	"shmfs/test/integration/rig"
)

// workerVariable makes a copy of the test binary one of the users of TestTruth: it is a worker's seed.
const workerVariable = "SHMFS_TEST_INSPECTION_WORKER"

func TestMain(m *testing.M) {
	if seed := os.Getenv(workerVariable); seed != "" {
		if err := work(seed, os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(rig.RunPrivately(m))
}
