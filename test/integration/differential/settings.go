package differential

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Environment variables that change a run.
const (
	operationsVariable = "SHMFS_DIFFERENTIAL_OPERATIONS" // calls to make in each configuration
	seedVariable       = "SHMFS_DIFFERENTIAL_SEED"       // seed of the first batch; printed by every run
	replayVariable     = "SHMFS_DIFFERENTIAL_REPLAY"     // a file with a program to run instead of random ones
	ignoreVariable     = "SHMFS_DIFFERENTIAL_IGNORE"     // kinds of failure to look past, such as "list: size differs" or "*: size differs", between semicolons
)

// operationsWanted is how many calls a configuration is to make.
func operationsWanted(t testing.TB, usual int) int {
	t.Helper()
	text := os.Getenv(operationsVariable)
	if text == "" {
		return usual
	}
	wanted, err := strconv.Atoi(text)
	if err != nil || wanted < 1 {
		t.Fatalf("%s=%q is not a positive number", operationsVariable, text)
	}
	return wanted
}

// firstSeed is the seed asked for, or one from the clock. rapid takes 0 to mean a random one, so it is never 0.
func firstSeed(t testing.TB) uint64 {
	t.Helper()
	text := os.Getenv(seedVariable)
	if text == "" {
		return uint64(time.Now().UnixNano())
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil || seed == 0 {
		t.Fatalf("%s=%q is not a positive number", seedVariable, text)
	}
	return seed
}

// ignoredKinds are the failures that whoever runs the test already knows of, and wants to look past to find others.
func ignoredKinds(t testing.TB) map[string]bool {
	t.Helper()
	kinds := make(map[string]bool)
	for kind := range strings.SplitSeq(os.Getenv(ignoreVariable), ";") {
		if kind = strings.TrimSpace(kind); kind != "" {
			t.Logf("IGNORING, because %s says so: %s", ignoreVariable, kind)
			kinds[kind] = true
		}
	}
	return kinds
}

func rerunHint(t testing.TB, seed uint64) string {
	return fmt.Sprintf("%s=%d go test -run '^%s$' ./test/integration/differential", seedVariable, seed, t.Name())
}
