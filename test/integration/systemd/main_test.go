package systemd

import (
	"fmt"
	"os"
	"testing"
	"time"

	"shmfs/test/integration/rig"
)

// patience is how long anything may take that must not hang, on a machine that does other work besides.
const patience = 60 * time.Second

// partVariable makes a copy of the test binary a client in the machine.
const partVariable = "SHMFS_TEST_SYSTEMD_PART"

// parts are what such a copy does.
var parts = map[string]func(directory string) error{"user": use, "holder": holdMany, "stranger": tryEverything}

func TestMain(m *testing.M) {
	if part := os.Getenv(partVariable); part != "" {
		if err := parts[part](os.Args[1]); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(rig.RunPrivately(m))
}

// must fails the test if a call failed.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
