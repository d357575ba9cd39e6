package greed

import (
	"fmt"
	"os"
	"testing"

	"shmfs/test/integration/rig"
)

// roleVariable makes a copy of the test binary a user's process: it is the name of a role.
const roleVariable = "SHMFS_TEST_GREED_ROLE"

func TestMain(m *testing.M) {
	if name := os.Getenv(roleVariable); name != "" {
		if err := play(name, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(rig.RunPrivately(m))
}
