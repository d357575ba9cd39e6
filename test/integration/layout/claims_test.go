package layout

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"shmfs/test/integration/rig"
)

// claims is where what is promised stands, each with the tests that hold it.
const claims = "docs/security.md"

// held is the end of a claim: the tests, by directory and name, separated by commas.
var held = regexp.MustCompile(`\[([^\]]+)\]$`)

// TestEveryClaimHasATest fails for a claim without a test, or with one that is not in the source.
func TestEveryClaimHasATest(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(rig.Root(), claims))
	if err != nil {
		t.Fatal(err)
	}
	promised, _, ends := strings.Cut(string(text), "\n## What is not promised\n")
	if !ends {
		t.Errorf("%s does not say what is not promised", claims)
	}
	found, checked := 0, map[string]bool{}
	for line := range strings.Lines(promised) {
		claim, is := strings.CutPrefix(strings.TrimSpace(line), "- ")
		if !is {
			continue
		}
		found++
		tests := held.FindStringSubmatch(claim)
		if tests == nil {
			t.Errorf("no test holds this claim: %s", claim)
			continue
		}
		for _, name := range strings.Split(tests[1], ", ") {
			if known, before := checked[name]; before && known {
				continue
			}
			checked[name] = isTest(t, name)
			if !checked[name] {
				t.Errorf("there is no %s, which should hold this claim: %s", name, claim)
			}
		}
	}
	if found < 30 || len(checked) < 40 {
		t.Errorf("%s has %d claims with %d tests", claims, found, len(checked))
	}
}

// isTest says whether a directory's tests have a function: fs/TestX is TestX in a test file in fs.
func isTest(t *testing.T, name string) bool {
	t.Helper()
	directory, function := filepath.Split(name)
	files, err := filepath.Glob(filepath.Join(rig.Root(), directory, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\nfunc "+function+"(") {
			return true
		}
	}
	return false
}
