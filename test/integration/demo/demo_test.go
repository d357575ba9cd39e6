package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"shmfs/test/integration/rig"
)

// demoBinary builds the demonstration where every user may run it, once for all tests.
var demoBinary = sync.OnceValues(func() (string, error) {
	directory, err := os.MkdirTemp("", "shmfs-demo-binary-")
	if err != nil {
		return "", err
	}
	atEnd = append(atEnd, directory)
	if err := os.Chmod(directory, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(directory, "demo")
	command := exec.Command("go", "build", "-o", path, "./test/integration/demo")
	command.Dir = rig.Root()
	if output, err := command.CombinedOutput(); err != nil {
		return "", errors.New(string(output))
	}
	return path, nil
})

// demonstration is a run of the whole program with a temporary directory of its own.
type demonstration struct {
	command   *exec.Cmd
	temporary string
	stdout    bytes.Buffer
	stderr    *bufio.Reader
	mounts    string
}

func startDemo(t *testing.T, arguments ...string) *demonstration {
	t.Helper()
	binary, err := demoBinary()
	if err != nil {
		t.Fatalf("building the demonstration: %v", err)
	}
	d := &demonstration{temporary: t.TempDir()}
	if d.mounts, err = concerningMounts(d.temporary); err != nil {
		t.Fatal(err)
	}
	arguments = append([]string{"-shmfs", rig.Binary(t), "-examples", examples(), "-file", randomFile(t, countedSize)}, arguments...)
	d.command = exec.Command(binary, arguments...)
	d.command.Env = append(os.Environ(), "TMPDIR="+d.temporary)
	d.command.Stdout = &d.stdout
	stderr, err := d.command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	d.stderr = bufio.NewReader(stderr)
	if err := d.command.Start(); err != nil {
		t.Fatal(err)
	}
	return d
}

// readUntil returns what the demonstration says, up to and with the words, or to the end when the words are empty.
func (d *demonstration) readUntil(t *testing.T, words string) string {
	t.Helper()
	var said strings.Builder
	for {
		line, err := d.stderr.ReadString('\n')
		said.WriteString(line)
		if words != "" && strings.Contains(line, words) {
			return said.String()
		}
		if err == io.EOF && words == "" {
			return said.String()
		}
		if err != nil {
			t.Fatalf("the demonstration ended (%v) without saying %q:\n%s", err, words, said.String())
		}
	}
}

// end reads to the end, waits, and returns the exit status. All processes that hold stderr have ended then.
func (d *demonstration) end(t *testing.T) (int, string) {
	t.Helper()
	said := d.readUntil(t, "")
	_ = d.command.Wait() // the status says it
	return d.command.ProcessState.ExitCode(), said
}

// requireNothingLeft checks processes, mounts and files.
func (d *demonstration) requireNothingLeft(t *testing.T) {
	t.Helper()
	requireGone(t, "TMPDIR="+d.temporary)
	if after, err := concerningMounts(d.temporary); err != nil || after != d.mounts {
		t.Errorf("mounts have changed, %v:\n%s\nthey were:\n%s", err, after, d.mounts)
	}
	if left, err := os.ReadDir(d.temporary); err != nil || len(left) > 0 {
		t.Errorf("left in the temporary directory: %v, %v", left, err)
	}
}

func TestDemonstration(t *testing.T) {
	for _, place := range stores {
		t.Run(place.name, func(t *testing.T) {
			preparedPrograms(t)
			d := startDemo(t, "-json", "-runs", "1", "-store", place.kind, "-o", place.options)
			status, said := d.end(t)
			if status != 0 {
				t.Fatalf("exit status %d:\n%s", status, said)
			}
			d.requireNothingLeft(t)
			var result report
			if err := json.Unmarshal(d.stdout.Bytes(), &result); err != nil {
				t.Fatalf("reading the result: %v\n%s", err, d.stdout.String())
			}
			if expected := len(transports("")); len(result.Rows) != expected {
				t.Errorf("%d rows instead of %d", len(result.Rows), expected)
			}
			for _, r := range result.Rows {
				requirePlausible(t, r, result.Size, place.kind == storeShmfs)
			}
		})
	}
}

// countedSize is enough bytes for the calls that carry them to stand out from those by which two runs of an interpreter differ.
const countedSize = 12 << 20

// requirePlausible checks one row. The least number of calls follows from what one call carries at most. What programs call on
// their own account is not quite the same in each run: a hundredth of it is allowed for.
func requirePlausible(t *testing.T, r row, size int64, hasDaemon bool) {
	t.Helper()
	if !r.Equal || r.Bytes != size || r.MegabytesPerSecond <= 0 {
		t.Errorf("implausible: %+v", r)
	}
	shared := r.Transport == "shared memory"
	least := int64(r.Copies) * size / chunk
	if r.Transport == "message queue" {
		least = int64(r.Copies) * size / 8192
	}
	own := int64(r.CallsEmpty) / 100
	if calls := r.callsForBytes(); calls < least-own || calls > 4*least+200+own {
		t.Errorf("%d system calls for %d bytes copied %d times: %+v", calls, size, r.Copies, r)
	}
	if counted := r.DaemonCalls != nil && *r.DaemonCalls > 0; counted != (shared && hasDaemon) {
		t.Errorf("daemon's calls counted: %t: %+v", counted, r)
	}
	if shared != (r.Copies == 2) {
		t.Errorf("copies: %+v", r)
	}
}

func TestInterruption(t *testing.T) {
	preparedPrograms(t)
	for stage, number := range map[string]unix.Signal{
		"mounting shmfs": unix.SIGINT,
		"counting system calls: shared memory (C)": unix.SIGINT,
		"counting system calls: pipe":              unix.SIGHUP,
		"timed run 1":                              unix.SIGINT,
		"timed run 2":                              unix.SIGTERM,
	} {
		t.Run(stage, func(t *testing.T) { interrupt(t, stage, number) })
	}
}

func interrupt(t *testing.T, stage string, number unix.Signal) {
	d := startDemo(t, "-runs", "100000")
	d.readUntil(t, stage)
	if err := d.command.Process.Signal(number); err != nil {
		t.Fatal(err)
	}
	if status, said := d.end(t); status != exitInterrupted {
		t.Errorf("exit status %d instead of %d:\n%s", status, exitInterrupted, said)
	}
	d.requireNothingLeft(t)
	if d.stdout.Len() > 0 {
		t.Errorf("an interrupted run printed a result:\n%s", d.stdout.String())
	}
}

// TestKilled checks that the inner process undoes everything when the outer one cannot ask it to.
func TestKilled(t *testing.T) {
	preparedPrograms(t)
	d := startDemo(t, "-runs", "100000")
	d.readUntil(t, "timed run 1")
	if err := d.command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	d.end(t)
	requireGone(t, "TMPDIR="+d.temporary)
}

func TestTable(t *testing.T) {
	calls, empty := uint64(7), uint64(5)
	shown := report{File: "/the/file", Size: 12, Sum: "abc", Store: storeShmfs, Runs: 3, Method: "looking", Rows: []row{
		{"pipe", "C", 12, 99.6, 4, 30, 10, nil, nil, true},
		{"shared memory", "C", 11, 1, 2, 8, 3, &calls, &empty, false},
	}}
	var text bytes.Buffer
	if err := shown.print(&text, false); err != nil {
		t.Fatal(err)
	}
	for _, words := range [][]string{
		{"pipe", "C", "12", "100", "4", "30", "20", "-", "yes"},
		{"shared", "memory", "C", "11", "1", "2", "8", "5", "7", "(empty:", "5)", "NO"},
	} {
		if !hasLine(text.String(), words) {
			t.Errorf("no line with %q in\n%s", words, text.String())
		}
	}
	if err := shown.check(); err == nil {
		t.Error("an unequal copy was accepted")
	}
}

func hasLine(text string, words []string) bool {
	for line := range strings.Lines(text) {
		if strings.Join(strings.Fields(line), " ") == strings.Join(words, " ") {
			return true
		}
	}
	return false
}

func TestMedian(t *testing.T) {
	for want, values := range map[float64][]float64{5: {5}, 2: {3, 1, 2}, 2.5: {9, 2, 1, 3}} {
		if got := median(values); got != want {
			t.Errorf("median of %v: %v", values, got)
		}
	}
}
