package inspectcost

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"shmfs/test/integration/rig"

	"golang.org/x/sys/unix"
)

// TestObjectsHoldNobodyUp reads the table of very many objects again and again, while calls of somebody else are timed.
func TestObjectsHoldNobodyUp(t *testing.T) {
	objects := amount(20_000, 100_000)
	place := mount(t)
	program := calls(t)
	for i := range 100 {
		must(t, unix.Mkdir(filepath.Join(place, fmt.Sprint("d", i)), 0o755))
	}
	for i := range objects {
		must(t, unix.Mknod(filepath.Join(place, fmt.Sprintf("d%d/o%d", i%100, i)), unix.S_IFREG|0o644, 0))
	}
	probe := func() (longest, thousandth time.Duration) {
		var count int
		output := rig.MustRun(t, place, patience, first(t, program, "probe", fmt.Sprint(amount(4, 15)), place, fmt.Sprint(objects)))
		if _, err := fmt.Sscan(output, (*int64)(&longest), (*int64)(&thousandth), &count); err != nil {
			t.Fatalf("%v in %q", err, output)
		}
		t.Logf("longest of %d calls %v, of a thousand one longer than %v", count, longest, thousandth)
		return longest, thousandth
	}
	probe() // what is made at first use is made
	alone, _ := probe()
	script := fmt.Sprintf("echo ready; while :; do cat '%s' >/dev/null || exit 1; done", info(place, "objects"))
	reading := start(t, exec.Command("sh", "-c", script))
	beside, _ := probe()
	reading.stop()
	requireWithin(t, fmt.Sprintf("longest call while objects of %d is read, beyond what it is without, ms", objects), (beside-alone).Seconds()*1000, 20, 2000)
}
