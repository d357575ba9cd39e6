package inspectcli

import (
	"os"
	"testing"

	"shmfs/test/integration/rig"
)

func TestMain(m *testing.M) {
	os.Exit(rig.RunPrivately(m))
}
