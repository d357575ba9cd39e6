package faults

import (
	"os"
	"strconv"
	"testing"
	"time"
)

// patience is how long anything may take that must not hang.
const patience = time.Minute

// strict says whether the bars hold as they stand, and the numbers are the full ones.
func strict() bool { return os.Getenv("SHMFS_FAULTS_STRICT") == "1" }

// setting is a number that the environment may give as SHMFS_FAULTS_NAME; otherwise it is the usual one, or under SHMFS_FAULTS_STRICT the full
// one.
func setting(t testing.TB, name string, usual, full int) int {
	t.Helper()
	text := os.Getenv("SHMFS_FAULTS_" + name)
	if text == "" {
		if strict() {
			return full
		}
		return usual
	}
	number, err := strconv.Atoi(text)
	if err != nil || number < 1 {
		t.Fatalf("SHMFS_FAULTS_%s=%q is no positive number", name, text)
	}
	return number
}

// firstSeed is what the clients' choices begin with.
func firstSeed(t testing.TB) uint64 {
	t.Helper()
	seed := setting(t, "SEED", int(time.Now().UnixNano()%1e9)+1, int(time.Now().UnixNano()%1e9)+1)
	t.Logf("seed %d", seed)
	return uint64(seed)
}

// leniency is how many times its bar a figure may be.
func leniency() float64 {
	if strict() {
		return 1
	}
	return 3
}

// requireWithin fails the test if a time is above its bar.
func requireWithin(t testing.TB, what string, took, bar time.Duration) {
	t.Helper()
	t.Logf("%s: %v (bar %v)", what, took.Round(10*time.Microsecond), bar)
	if float64(took) > leniency()*float64(bar) {
		t.Errorf("%s: %v, more than %g times %v", what, took, leniency(), bar)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
