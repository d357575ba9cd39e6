package faults

import (
	"fmt"
	"os"
	"testing"

	"shmfs/test/integration/rig"
)

// roleVariable makes a copy of the test binary something else: what is in roles.
const roleVariable = "SHMFS_TEST_FAULTS_ROLE"

// roles are what a copy of the test binary can be. Each is given its first argument, and its error is printed.
var roles = map[string]func(argument string) error{
	"client": runClient,
	"filler": runFiller,
	"cycler": runCycler,
	"probe":  runProbe,
}

func TestMain(m *testing.M) {
	if role, is := os.LookupEnv(roleVariable); is {
		if err := roles[role](os.Args[1]); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", role, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(rig.RunPrivately(m))
}
