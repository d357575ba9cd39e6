package quota

import (
	"fmt"
	"os"
	"testing"

	"shmfs/test/integration/rig"
)

// actorVariable makes a copy of the test binary somebody who does what it is told, in the mount that its argument names.
const actorVariable = "SHMFS_TEST_QUOTA_ACTOR"

func TestMain(m *testing.M) {
	if os.Getenv(actorVariable) != "" {
		if err := act(os.Args[1], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(rig.RunPrivately(m))
}
