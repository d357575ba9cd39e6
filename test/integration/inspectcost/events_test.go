package inspectcost

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"shmfs/test/integration/rig"

	"golang.org/x/sys/unix"
)

// readers is how many read events.
const readers = 50

// TestReadersSlowNobody creates and unlinks files with and without readers of events, who are told of everything in order, and of how much
// they have missed.
func TestReadersSlowNobody(t *testing.T) {
	const rounds = 3
	count := amount(10_000, 100_000)
	place := mount(t)
	program := calls(t)
	creating := func() time.Duration {
		output := rig.MustRun(t, place, patience, first(t, program, "create", fmt.Sprint(count), place))
		nanoseconds, err := strconv.ParseInt(strings.TrimSpace(output), 10, 64)
		must(t, err)
		return time.Duration(nanoseconds)
	}
	creating()
	alone, watched := time.Hour, time.Hour
	for range rounds {
		alone = min(alone, creating())
		// The readers have the processors that are left: how much of them 50 readers take is their own affair.
		command := exec.Command(rig.Program(t, "nice"), "-n", "19", testBinary(t), place)
		command.Env = append(os.Environ(), readersVariable+"=1")
		reading := start(t, command)
		before := published(t, place)
		watched = min(watched, creating())
		must(t, unix.Mkdir(filepath.Join(place, "end"), 0o755))
		requireReports(t, reading, before, 2*count+1)
		reading.stop()
		must(t, unix.Rmdir(filepath.Join(place, "end")))
	}
	t.Logf("%d creations and as many unlinkings: %v alone, %v with %d readers", count, alone, watched, readers)
	requireWithin(t, "creation with readers against without, times", watched.Seconds()/alone.Seconds(), 1.1, 20)
}

func testBinary(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	must(t, err)
	return path
}

// published is how many events there were so far.
func published(t *testing.T, place string) uint64 {
	t.Helper()
	content, err := os.ReadFile(info(place, "stats"))
	must(t, err)
	_, after, _ := strings.Cut(string(content), "\nevents: ")
	line, _, _ := strings.Cut(after, "\n")
	number, err := strconv.ParseUint(line, 10, 64)
	must(t, err)
	return number
}

// report is what one reader has found.
type report struct {
	Lines, Dropped, Last uint64
	Wrong                string // the first thing that was
}

// requireReports fails the test unless each reader was told of all events that followed, or how many it has missed.
func requireReports(t *testing.T, reading *running, before uint64, events int) {
	t.Helper()
	var dropped uint64
	for range readers {
		if !reading.lines.Scan() {
			t.Fatalf("the readers have ended: %v", reading.lines.Err())
		}
		var one report
		if err := json.Unmarshal(reading.lines.Bytes(), &one); err != nil || one.Wrong != "" {
			t.Fatalf("%s: %v", reading.lines.Text(), err)
		}
		if one.Lines+one.Dropped != uint64(events) || one.Last != before+uint64(events) {
			t.Errorf("a reader was told of %d events and missed %d, the last is %d; want %d, %d", one.Lines, one.Dropped, one.Last, events, before+uint64(events))
		}
		dropped += one.Dropped
	}
	t.Logf("of %d × %d events %d were dropped", readers, events, dropped)
}

// readEvents reads with many readers until something called "end" is created, and prints their reports.
func readEvents(place string) error {
	var descriptors []int
	for range readers {
		descriptor, err := unix.Open(info(place, "events"), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		descriptors = append(descriptors, descriptor)
	}
	fmt.Println("ready")
	var all sync.WaitGroup
	reports := make([]report, readers)
	for i, descriptor := range descriptors {
		all.Go(func() { reports[i] = follow(descriptor) })
	}
	all.Wait()
	for _, one := range reports {
		if err := json.NewEncoder(os.Stdout).Encode(one); err != nil {
			return err
		}
	}
	_, err := os.Stdin.Read(make([]byte, 1))
	_ = err // the input ends
	return nil
}

// follow reads events until the end.
func follow(descriptor int) (found report) {
	there := map[string]bool{}
	block := make([]byte, 128<<10)
	for {
		n, err := unix.Read(descriptor, block)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 || block[n-1] != '\n' {
			found.Wrong = fmt.Sprintf("a read returned %d bytes, %v", n, err)
			return found
		}
		for line := range bytes.Lines(block[:n]) {
			var event struct {
				Seq, Count    uint64
				Event, Object string
			}
			if err := json.Unmarshal(line, &event); err != nil {
				found.Wrong = fmt.Sprintf("%v in %q", err, line)
				return found
			}
			if event.Event == "dropped" {
				found.Dropped += event.Count
				clear(there)
				continue
			}
			if before := found.Last; before != 0 && event.Seq != before+1 && len(there) > 0 {
				found.Wrong = fmt.Sprintf("event %d follows %d", event.Seq, before)
				return found
			}
			found.Lines++
			found.Last = event.Seq
			create := event.Event == "create"
			if is, known := there[event.Object]; known && is == create {
				found.Wrong = fmt.Sprintf("%q is out of order", line)
				return found
			}
			there[event.Object] = create
			if event.Object == "end" {
				return found
			}
		}
	}
}
