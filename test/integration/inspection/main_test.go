package inspection

import (
	"fmt"
	"os"
	"testing"

	"shmfs/test/integration/rig"
)

// workerVariable makes a copy of the test binary one of the users of TestTruth: it is a worker's seed; or, if it is "hold", somebody who
// has files open and mapped.
const workerVariable = "SHMFS_TEST_INSPECTION_WORKER"

func TestMain(m *testing.M) {
	if seed := os.Getenv(workerVariable); seed != "" {
		err := error(nil)
		if seed == "hold" {
			err = hold(os.Args[1:])
		} else {
			err = work(seed, os.Args[1])
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(rig.RunPrivately(m))
}
