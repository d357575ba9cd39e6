package inspectcost

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestStatsDoNotLookAtEachObject reads the figures of few objects and of very many: it takes as long.
func TestStatsDoNotLookAtEachObject(t *testing.T) {
	objects := amount(20_000, 100_000)
	place := mount(t)
	few := readStats(t, place, 0)
	for i := range 100 {
		must(t, unix.Mkdir(filepath.Join(place, fmt.Sprint("d", i)), 0o755))
	}
	for i := range objects {
		name := fmt.Sprintf("d%d/o%d", i%100, i)
		if i%10 == 0 {
			name = fmt.Sprintf("sem.%d", i)
		}
		must(t, unix.Mknod(filepath.Join(place, name), unix.S_IFREG|0o644, 0))
	}
	many := readStats(t, place, objects)
	requireWithin(t, fmt.Sprintf("reading stats of %d objects, beyond what it takes without, ms", objects), (many-few).Seconds()*1000, 2, 15)
}

// readStats reads the stats, which must count so many objects, again and again, and returns how long that takes as a rule.
func readStats(t *testing.T, place string, objects int) time.Duration {
	t.Helper()
	const reads = 50
	var took []time.Duration
	for range reads {
		began := time.Now()
		text, err := os.ReadFile(info(place, "stats"))
		took = append(took, time.Since(began))
		must(t, err)
		if want := fmt.Sprintf("\nobjects: %d\n", objects); !strings.Contains(string(text), want) {
			t.Fatalf("no %q in\n%s", want, text)
		}
	}
	first := took[0]
	slices.Sort(took)
	t.Logf("of %d objects: the first %v, as a rule %v, the longest %v", objects, first, took[reads/2], took[reads-1])
	return took[reads/2]
}
