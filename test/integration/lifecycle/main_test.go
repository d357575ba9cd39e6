// Package lifecycle_test holds the shmfs program to its contract with the real binary on real mounts: what its commands
// print, the codes they end with, and what is mounted and running before and after.
package lifecycle_test

import (
	"fmt"
	"os"
	"testing"

	"shmfs/test/integration/rig"
)

func TestMain(m *testing.M) {
	code := rig.RunPrivately(m)
	if err := removePublic(); err != nil {
		fmt.Fprintf(os.Stderr, "removing what was prepared for an ordinary user: %v\n", err)
		code = 1
	}
	os.Exit(code)
}
