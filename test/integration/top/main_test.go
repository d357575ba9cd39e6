package top

import (
	"flag"
	"os"
	"testing"

	"shmfs/test/integration/rig"
)

// rewrite has the golden screens written instead of compared.
var rewrite = flag.Bool("rewrite", false, "write the golden screens anew")

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(rig.RunPrivately(m))
}
