package faults

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestNothingStaysOfCycles has clients open, map and close again and again. When they are gone the daemon is as it was before.
func TestNothingStaysOfCycles(t *testing.T) {
	const (
		growth = 0.05            // of the resident memory
		idle   = 5 * time.Minute // until memory that is free was given back: the runtime looks every two minutes
	)
	cycles := setting(t, "CYCLES", 500, 10_000)
	for _, commit := range []string{"strict", "lazy"} {
		t.Run(commit, func(t *testing.T) {
			d := mountDaemon(t, "require-passthrough,size=256M,commit="+commit)
			before, err := d.stats()
			must(t, err)
			runCyclers(t, d, min(cycles, 500)) // what is made once and kept
			start := d.weigh(t)
			runCyclers(t, d, cycles)
			within(t, idle, "the daemon is as before", func() (bool, string) {
				end := d.weigh(t)
				instead := end.beyond(start)
				if limit := (1 + growth*leniency()) * float64(start.resident); float64(end.resident) > limit {
					instead += fmt.Sprintf("%d KiB are resident, were %d; ", end.resident>>10, start.resident>>10)
				}
				return instead == "", instead
			})
			t.Logf("before: %+v, after: %+v", start, d.weigh(t))
			d.requireSettled(t, 0)
			d.requireEmptied(t, before)
		})
	}
}

func runCyclers(t *testing.T, d *daemon, cycles int) {
	t.Helper()
	var cyclers []*member
	for number := range clients {
		cyclers = append(cyclers, startMember(t, d.place, "cycler", 0, cycling{d.place, number, cycles}))
	}
	for _, one := range cyclers {
		var wrong string
		must(t, one.result(&wrong, 10*patience))
		if wrong != "" {
			t.Fatal(wrong)
		}
	}
}

// weight is what a daemon takes.
type weight struct {
	descriptors int // of all its processes
	goroutines  int // of the one that serves
	resident    int // bytes, of the one that serves
	figures     map[string]string
}

// metric is a figure out of .shmfs/metrics that has no labels.
func (d *daemon) metric(t testing.TB, name string) float64 {
	t.Helper()
	text, err := readFile(filepath.Join(d.place, ".shmfs", "metrics"))
	must(t, err)
	for line := range strings.Lines(text) {
		if value, found := strings.CutPrefix(line, name+" "); found {
			number, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			must(t, err)
			return number
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

// weighed are the stats that must come back to what they were. A daemon that has no such line has none of that.
var weighed = []string{"objects", "bytes-charged", "inodes-used", "handles", "nodes", "event-readers", "backing-ids", "records"}

func (d *daemon) weigh(t testing.TB) weight {
	t.Helper()
	said, err := d.stats()
	must(t, err)
	w := weight{figures: map[string]string{}, goroutines: int(d.metric(t, "go_goroutines"))}
	for _, key := range weighed {
		w.figures[key] = said[key]
	}
	server, err := d.server()
	must(t, err)
	processes := []int{server}
	if supervisor, err := strconv.Atoi(said["supervisor-pid"]); err == nil {
		processes = append(processes, supervisor)
	}
	for _, process := range processes {
		entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", process))
		must(t, err)
		w.descriptors += len(entries)
	}
	w.resident = resident(t, server)
	return w
}

// beyond says in what one weight exceeds another, apart from memory.
func (w weight) beyond(other weight) string {
	text := ""
	if w.descriptors > other.descriptors {
		text += fmt.Sprintf("%d descriptors, were %d; ", w.descriptors, other.descriptors)
	}
	if w.goroutines > other.goroutines {
		text += fmt.Sprintf("%d goroutines, were %d; ", w.goroutines, other.goroutines)
	}
	for _, key := range weighed {
		if w.figures[key] != other.figures[key] {
			text += fmt.Sprintf("%s: %s, were %s; ", key, w.figures[key], other.figures[key])
		}
	}
	return text
}

// resident is the memory of a process, in bytes.
func resident(t testing.TB, process int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", process))
	must(t, err)
	_, after, found := strings.Cut(string(text), "VmRSS:")
	kibibytes := 0
	if _, err := fmt.Sscan(after, &kibibytes); !found || err != nil {
		t.Fatalf("process %d says nothing of VmRSS: %v", process, err)
	}
	return kibibytes << 10
}

// cycling is what a cycler is to do.
type cycling struct {
	Place  string
	Number int
	Cycles int
}

// runCycler opens, maps, touches and closes so often, and says what was wrong.
func runCycler(argument string) error {
	var asked cycling
	if err := json.Unmarshal([]byte(argument), &asked); err != nil {
		return fmt.Errorf("reading the order: %w", err)
	}
	wrong := ""
	for i := range asked.Cycles {
		path := filepath.Join(asked.Place, fmt.Sprintf("cycled-%d-%d", asked.Number, i%10))
		if err := cycle(path, i%10 == 9); err != nil {
			wrong = fmt.Sprintf("cycler %d, cycle %d: %v", asked.Number, i, err)
			break
		}
	}
	return json.NewEncoder(os.Stdout).Encode(wrong)
}

// cycle opens a file, which it makes if it is not there, maps it, and removes it if asked while it is mapped.
func cycle(path string, remove bool) error {
	descriptor, err := unix.Open(path, unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return fmt.Errorf("opening: %w", err)
	}
	if err := unix.Ftruncate(descriptor, 3*page); err != nil {
		return fmt.Errorf("setting the size: %w", err)
	}
	memory, err := unix.Mmap(descriptor, 0, 3*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("mapping: %w", err)
	}
	memory[0]++
	memory[2*page]++
	if remove {
		err = unix.Unlink(path)
	}
	return errors.Join(err, unix.Close(descriptor), unix.Munmap(memory))
}
