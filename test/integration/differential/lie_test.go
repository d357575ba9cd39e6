package differential

import (
	"errors"
	"testing"
)

// TestFaultsAreFound proves that the comparison can fail: with one side's workers lying, it finds each lie and shrinks the
// case to a few calls.
func TestFaultsAreFound(t *testing.T) {
	lies := []struct {
		told lie
		most int // calls that the shrunk case may have; the least possible number and some more
	}{
		{lieAppend, 5}, {liePunch, 5}, {lieLinks, 4}, {lieStore, 6}, {lieTimes, 4},
	}
	for _, each := range lies {
		t.Run(string(each.told), func(t *testing.T) {
			p := mountPair(t, Configuration{Name: "liar", Options: mountOptions + ",mode=1777", Tmpfs: true}, each.told)
			// Shrinking ends where no single step helps any more, which may be a little early: it gets a few beginnings.
			const beginnings = 3
			smallest := 0
			for beginning := range uint64(beginnings) {
				seed, err := p.search(searching{firstSeed(t) + beginning*1_000_003, 60000, shrinkTime})
				difference := (*failed)(nil)
				if !errors.As(err, &difference) {
					t.Fatalf("the lie was not found in %d calls: %v", p.calls, err)
				}
				t.Logf("seed %d, %d calls in all, %v\n%s", seed, p.calls, difference, difference.report())
				if smallest = len(difference.made); smallest <= each.most {
					return
				}
			}
			t.Errorf("the last case found has %d calls after shrinking, which is more than %d", smallest, each.most)
		})
	}
}
