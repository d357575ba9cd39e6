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

	"shmfs/test/integration/rig"

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
			start := d.weighCycled(t)
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

// weighCycled is what the daemon takes when the last of what the cyclers removed is gone: the kernel lets go of it after they have ended.
func (d *daemon) weighCycled(t testing.TB) (w weight) {
	t.Helper()
	objects := strconv.Itoa(clients * (cycledNames - 1)) // each removes its last
	nodes := strconv.Itoa(clients*(cycledNames-1) + 1)   // and the root
	within(t, patience, "what was removed is gone", func() (bool, string) {
		w = d.weigh(t)
		gone := w.figures["objects"] == objects && w.figures["nodes"] == nodes && w.figures["inodes-used"] == nodes && w.figures["handles"] == "0"
		return gone, fmt.Sprintf("%+v", w)
	})
	return w
}

// weight is what a daemon takes.
type weight struct {
	descriptors int // of all its processes
	goroutines  int // of the one that serves
	resident    int // bytes, of the one that serves
	figures     map[string]string
}

// metrics are the figures out of .shmfs/metrics, by their names and labels.
func (d *daemon) metrics(t testing.TB) map[string]string {
	t.Helper()
	text, err := readFile(filepath.Join(d.place, ".shmfs", "metrics"))
	must(t, err)
	figures := map[string]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if space := strings.LastIndexByte(line, ' '); space >= 0 { // a label may have one too
			figures[line[:space]] = line[space+1:]
		}
	}
	return figures
}

// weighed are the stats that must come back to what they were. A backing id keeps its file's inode, which inodes-used has from the store.
var weighed = []string{"objects", "bytes-charged", "inodes-used", "handles", "nodes", "waiters", "event-readers"}

// weighedRows are the tables of the record whose rows must: all but those that keep a row for as many as there once were at a time.
var weighedRows = []string{"nodes", "handles", "openings", "semaphores", "apart", "sent back", "texts", "told", "intents", "creators"}

func (d *daemon) weigh(t testing.TB) weight {
	t.Helper()
	said, err := d.stats()
	must(t, err)
	metrics := d.metrics(t)
	w := weight{figures: map[string]string{}}
	w.goroutines, err = strconv.Atoi(metrics["go_goroutines"])
	must(t, err)
	figure := func(key, value string, found bool) {
		if !found {
			t.Fatalf("the daemon does not say %s", key)
		}
		w.figures[key] = value
	}
	for _, key := range weighed {
		value, found := said[key]
		figure(key, value, found)
	}
	for _, table := range weighedRows {
		value, found := metrics[fmt.Sprintf("shmfs_record_rows{table=%q}", table)]
		figure("rows of "+table, value, found)
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
	w.resident = rig.StatusFigure(t, server, "VmRSS") << 10
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
	for key, value := range w.figures {
		if value != other.figures[key] {
			text += fmt.Sprintf("%s: %s, were %s; ", key, value, other.figures[key])
		}
	}
	return text
}

// cycledNames is how many names a cycler uses, one after the other. The last is removed again.
const cycledNames = 10

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
		path := filepath.Join(asked.Place, fmt.Sprintf("cycled-%d-%d", asked.Number, i%cycledNames))
		if err := cycle(path, i%cycledNames == cycledNames-1); err != nil {
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
