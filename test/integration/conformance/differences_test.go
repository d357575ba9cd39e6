package conformance

import (
	"maps"
	"slices"
	"testing"
)

// difference is a fact of tmpfs that shmfs cannot have.
type difference struct {
	test   string // the test's full name
	tags   string // the configurations it holds in: all of these tags
	reason string // why it cannot be otherwise
	// What shmfs does there, exactly; the one that fits the test's kind.
	instead        test
	insteadMounted mountTest
}

func differenceFor(name string, c configuration) *difference {
	for i := range differences {
		if d := &differences[i]; d.test == name && c.is(d.tags) {
			return d
		}
	}
	return nil
}

// TestDifferences requires that the table names tests that exist, and says for each what happens instead.
func TestDifferences(t *testing.T) {
	names := slices.Concat(slices.Collect(maps.Keys(tests)), slices.Collect(maps.Keys(mountTests)))
	for _, d := range differences {
		if !slices.Contains(names, d.test) {
			t.Errorf("there is no test %q", d.test)
		}
		if d.reason == "" || d.tags == "" {
			t.Errorf("%s: a difference needs a reason and the configurations it holds in", d.test)
		}
		if (d.instead == nil) == (mountTests[d.test] == nil) || (d.insteadMounted == nil) == (mountTests[d.test] != nil) {
			t.Errorf("%s: a difference needs the one test that says what happens instead", d.test)
		}
	}
}
