package inspection

import (
	"fmt"
	"slices"
	"testing"

	"shmfs/test/integration/rig"

	"golang.org/x/sys/unix"
)

// compareQuota compares what each user is said to hold with all inodes, of which those without a name count for as long as somebody has
// them open or mapped.
func (r *truth) compareQuota(t *testing.T) {
	t.Helper()
	type holding struct{ bytes, objects int64 }
	held := map[uint32]holding{}
	named, nameless := r.inodes()
	for _, inodes := range []map[uint64]unix.Stat_t{named, nameless} {
		for _, stat := range inodes {
			one := held[stat.Uid]
			held[stat.Uid] = holding{one.bytes + r.charge(&stat), one.objects + 1}
		}
	}
	var want []string
	for uid, one := range held {
		bytes := fmt.Sprint(one.bytes)
		if !r.strict {
			bytes = ""
		}
		want = append(want, fmt.Sprintf("%d %s %d", uid, bytes, one.objects))
	}
	slices.Sort(want)
	var said []string
	for timeout := timeIn(patience); !timeout(); _, _ = unix.Poll(nil, 5) {
		said = nil
		for _, one := range rig.Rows(t, text(t, r.mount, "quota")) {
			said = append(said, fmt.Sprintf("%s %s %s", one["UID"], one["BYTES"], one["OBJECTS"]))
		}
		slices.Sort(said)
		if slices.Equal(said, want) { // what was let go of comes back when the kernel has told of it
			return
		}
	}
	t.Errorf("quota has %q, want %q", said, want)
}
