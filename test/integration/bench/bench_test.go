package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"shmfs/test/integration/rig"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{5}, 5},
		{[]float64{9, 1}, 5},
		{[]float64{100, 1, 2}, 2},
		{[]float64{4, 1, 100, 2}, 3},
	} {
		before := slices.Clone(c.values)
		if got := median(c.values); got != c.want {
			t.Errorf("median(%v) = %v, want %v", c.values, got, c.want)
		}
		if !slices.Equal(before, c.values) {
			t.Errorf("median reordered %v to %v", before, c.values)
		}
	}
	if got := median(nil); !math.IsNaN(got) {
		t.Errorf("median of nothing = %v, want NaN", got)
	}
	if got := median([]float64{1, math.NaN(), 1}); !math.IsNaN(got) {
		t.Errorf("median with a NaN = %v, want NaN", got)
	}
}

func TestMedianSplitsItsValuesInHalf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(-1e6, 1e6), 1, 40).Draw(t, "values")
		middle, below, above := median(values), 0, 0
		for _, value := range values {
			if value < middle {
				below++
			}
			if value > middle {
				above++
			}
		}
		if below > len(values)/2 || above > len(values)/2 {
			t.Fatalf("median(%v) = %v has %d below and %d above", values, middle, below, above)
		}
	})
}

func TestRatiosAreTakenRunByRun(t *testing.T) {
	// The machine was ten times slower during the last run, for both sides: the ratio must not notice.
	r := newResult([]float64{2, 4, 60}, []float64{1, 2, 30}, []float64{1, 1, 30})
	if want := (spread{2, 2, 2}); r.ratio != want {
		t.Errorf("ratio = %v, want %v", r.ratio, want)
	}
	if want := (spread{1, 0.5, 1}); r.null == nil || *r.null != want {
		t.Errorf("null ratio = %v, want %v", r.null, want)
	}
	if r.target != 4 || r.reference != 2 {
		t.Errorf("medians = %v and %v, want 4 and 2", r.target, r.reference)
	}
	if without := newResult([]float64{1}, []float64{1}, nil); without.null != nil {
		t.Errorf("null ratio = %v without a second reference", without.null)
	}
}

func TestBar(t *testing.T) {
	for _, c := range []struct {
		bar        bar
		ratio      float64
		meets      bool
		text       string
		wantMargin float64
	}{
		{atMost(1.05), 1.05, true, "<= 1.05", 0.05},
		{atMost(1.05), 1.0501, false, "<= 1.05", 0.05},
		{atLeast(0.97), 0.97, true, ">= 0.97", 0.03},
		{atLeast(0.97), 0.9699, false, ">= 0.97", 0.03},
		{between(0.85, 1.15), 0.84, false, "0.85 .. 1.15", 0.15},
		{between(0.85, 1.15), 1.16, false, "0.85 .. 1.15", 0.15},
		{between(0.85, 1.15), 1, true, "0.85 .. 1.15", 0.15},
		{atLeast(1.4), math.NaN(), false, ">= 1.40", 0.4},
		{noBar(), 17, true, "no error", math.Inf(1)},
	} {
		if got := c.bar.meets(c.ratio); got != c.meets {
			t.Errorf("bar %v met by %v = %v, want %v", c.bar, c.ratio, got, c.meets)
		}
		if got := c.bar.String(); got != c.text {
			t.Errorf("bar = %q, want %q", got, c.text)
		}
		if got := c.bar.margin(); got != c.wantMargin && math.Abs(got-c.wantMargin) > 1e-9 {
			t.Errorf("margin of %v = %v, want %v", c.bar, got, c.wantMargin)
		}
	}
}

func TestTableSaysPlainlyWhatFallsShort(t *testing.T) {
	good := newResult([]float64{1}, []float64{1}, []float64{1.2})
	good.key, good.bar = "good", atMost(1.05)
	short := newResult([]float64{2}, []float64{1}, nil)
	short.key, short.bar, short.note = "short", atMost(1.05), "twice as slow"
	broken := result{key: "broken", bar: atMost(1.05), err: errors.New("no mount")}

	var out bytes.Buffer
	if err := printTable(&out, "shmfs", []result{good, short, broken}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ start, want string }{
		{"good ", " met "}, {"good ", "NOISE BEYOND THE BAR"}, {"short ", "2.000 [2.000 .. 2.000]"}, {"short ", "FALLS SHORT"},
		{"short:", "twice as slow"}, {"broken ", "NOT MEASURED"}, {"broken:", "no mount"},
	} {
		if line := lineStarting(out.String(), c.start); !strings.Contains(line, c.want) {
			t.Errorf("line %q does not contain %q in\n%s", c.start, c.want, out.String())
		}
	}
	for want, results := range [][]result{{good}, {good, short}, {short, broken}} {
		if got := exitStatus(results); got != want {
			t.Errorf("exit status of %d results = %d, want %d", len(results), got, want)
		}
	}
}

func lineStarting(text, start string) string {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, start) {
			return line
		}
	}
	return ""
}

func TestCommandLine(t *testing.T) {
	quick, err := parse([]string{"-quick", "-rows", "first-touch,objects-memory", "-target", "tmpfs"})
	if err != nil {
		t.Fatal(err)
	}
	if quick.runs != quickSettings().runs || quick.bytes != quickSettings().bytes || quick.target != "tmpfs" {
		t.Errorf("-quick gives %+v", quick)
	}
	for key, want := range map[string]bool{"first-touch": true, "first-touch-huge": true, "memset": false, "objects-memory": true} {
		if got := quick.wants(key); got != want {
			t.Errorf("row %s wanted = %v, want %v", key, got, want)
		}
	}
	full, err := parse([]string{"-runs", "4"})
	if err != nil || full.runs != 4 || full.bytes != 256<<20 || !full.wants("memset") {
		t.Errorf("-runs 4 gives %+v, %v", full, err)
	}
	for _, wrong := range [][]string{{"-runs", "-1"}, {"-target", "ext4"}, {"-rows", "memsett"}, {"-rows", "memset,"}, {"rest"}} {
		if _, err := parse(wrong); err == nil {
			t.Errorf("%q is accepted", wrong)
		}
	}
}

func TestOrderIsFairToAllSides(t *testing.T) {
	for count := 2; count <= 3; count++ {
		seen := map[string]int{}
		for pass := range 12 {
			turns := order(count, pass, pass%2 == 1)
			if sorted := slices.Sorted(slices.Values(turns)); !slices.Equal(sorted, []int{0, 1, 2}[:count]) {
				t.Errorf("pass %d of %d sides goes %v", pass, count, turns)
			}
			seen[fmt.Sprint(turns)]++
		}
		orders := []int{2: 2, 3: 6}[count]
		for turns, times := range seen {
			if times != 12/orders {
				t.Errorf("order %s comes %d times in 12 passes, want each of %d orders equally often", turns, times, orders)
			}
		}
	}
}

func TestTmpfsOptions(t *testing.T) {
	for options, want := range map[string]string{
		"": "", "commit=lazy": "", "commit=lazy,huge=within_size": "huge=within_size", "nr_inodes=5": "nr_inodes=5",
	} {
		if got := tmpfsOptions(options); got != want {
			t.Errorf("tmpfsOptions(%q) = %q, want %q", options, got, want)
		}
	}
}

func TestSettle(t *testing.T) {
	readings := []time.Duration{0, 1e6, 2e6, 2e6, 3e6, 3e6, 3e6, 9e6}
	taken := 0
	err := settle(t.Context(), func() (time.Duration, error) {
		taken++
		return readings[taken-1], nil
	})
	if err != nil || taken != 7 {
		t.Errorf("settled after %d readings with %v, want after 7: two pauses in a row without work", taken, err)
	}

	gone := errors.New("gone")
	if err := settle(t.Context(), func() (time.Duration, error) { return 0, gone }); !errors.Is(err, gone) {
		t.Errorf("settle = %v, want the error of reading", err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	busy := time.Duration(0)
	err = settle(ctx, func() (time.Duration, error) {
		cancel()
		busy += time.Second
		return busy, nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("settle = %v on a cancelled context", err)
	}
}

func TestDaemonIsFoundByItsMountpoint(t *testing.T) {
	mountpoint := filepath.Join(t.TempDir(), "mountpoint")
	if _, err := findDaemon(mountpoint); err == nil {
		t.Fatal("a daemon is found where none runs")
	}
	command := exec.Command("sh", "-c", "echo ready; read line", "sh", mountpoint)
	input, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = input.Close()
		_ = command.Wait()
	}()
	if _, err := bufio.NewReader(output).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	found, err := findDaemon(mountpoint)
	if err != nil || !slices.Equal(found.processes, []int{command.Process.Pid}) {
		t.Fatalf("found %+v, %v, want process %d", found, err, command.Process.Pid)
	}
	resident, peak, err := found.memory()
	if err != nil || resident == 0 || peak < resident {
		t.Errorf("memory = %d now, %d peak, %v", resident, peak, err)
	}
	if spent, err := found.consumed(); err != nil || spent <= 0 {
		t.Errorf("processor time = %v, %v", spent, err)
	}
}

func TestKernelSaysWhyItFails(t *testing.T) {
	program := compile(t)
	for _, c := range []struct {
		job  job
		want string
	}{
		{job{kernel: "memset", directory: "/nonexistent", bytes: 4096}, "/nonexistent/object-"},
		{job{kernel: "random", directory: t.TempDir(), bytes: 3 * 4096}, "power of two"},
		{job{kernel: "lookup", directory: t.TempDir(), objects: 3, directories: 2}, "evenly"},
		{job{kernel: "unheard-of", directory: t.TempDir()}, "unknown kernel"},
		{job{kernel: "semaphore-ping-pong", directory: "/nonexistent"}, "mounting /nonexistent over /dev/shm"},
	} {
		k, err := startKernel(t.Context(), program, c.job)
		if err == nil {
			t.Errorf("kernel %s starts: %v", c.job.kernel, k.stop())
			continue
		}
		if !strings.Contains(err.Error(), c.want) {
			t.Errorf("kernel %s fails with %q, want %q in it", c.job.kernel, err, c.want)
		}
	}
	missing, err := startKernel(t.Context(), program, job{kernel: "lookup", directory: t.TempDir(), objects: 1, directories: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := missing.pass(); err == nil || !strings.Contains(err.Error(), "looking up") {
		t.Errorf("a pass over missing objects gives %v", err)
	}
}

// TestEveryRow runs each row's kernels once, on small sizes, with tmpfs and with shmfs in the target's place, and requires
// figures; what they are is for bench itself to judge, on a calm machine.
func TestEveryRow(t *testing.T) {
	for _, target := range []string{"tmpfs", "shmfs"} {
		t.Run(target, func(t *testing.T) {
			wanted := options{target: target, settings: settings{
				runs: 1, passes: 1, bytes: 4 << 20, objects: 400, directories: 20, compare: true,
			}}
			if target == "shmfs" {
				wanted.binary = rig.Binary(t)
			}
			base := t.TempDir()
			t.Setenv("TMPDIR", base)
			results, err := measureAll(t.Context(), wanted)
			if err != nil {
				t.Fatal(err)
			}
			if want := len(pairs()) + len(populationKeys()); len(results) != want {
				t.Errorf("%d results, want %d", len(results), want)
			}
			for _, r := range results {
				if r.err != nil {
					t.Errorf("%s: %v", r.key, r.err)
				} else if r.key != "objects-memory" && (!(r.target > 0) || !(r.reference > 0) || !(r.ratio.median > 0)) {
					t.Errorf("%s: target %v, reference %v, ratio %v", r.key, r.target, r.reference, r.ratio)
				}
			}
			requireNothingLeft(t, base, os.Getpid())
		})
	}
}

func TestInterruptionLeavesNothing(t *testing.T) {
	base := t.TempDir()
	program := filepath.Join(t.TempDir(), "bench")
	if output, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("building bench: %v\n%s", err, output)
	}
	// So many runs that they cannot end by themselves before the signal comes.
	command := exec.Command(program, "-quick", "-target", "tmpfs", "-runs", "1000000", "-rows", "first-touch-huge,second-mapping")
	command.Env = append(os.Environ(), "TMPDIR="+base)
	progress, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(progress)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "measuring first-touch-huge") {
		t.Errorf("bench says %q", lines.Text())
	}
	if err := command.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	said := ""
	for lines.Scan() {
		said += lines.Text() + "\n"
	}
	var exit *exec.ExitError
	if err := command.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 2 {
		t.Errorf("bench ends with %v, want exit status 2", err)
	}
	if !strings.Contains(said, "interrupted") {
		t.Errorf("bench does not say that it was interrupted but %q", said)
	}
	requireNothingLeft(t, base, command.Process.Pid)
}

// requireNothingLeft checks what a bench of this process number, with base as its temporary directory, could have left.
func requireNothingLeft(t *testing.T, base string, process int) {
	t.Helper()
	left, err := os.ReadDir(base)
	if err != nil || len(left) != 0 {
		t.Errorf("left in the temporary directory: %v, %v", left, err)
	}
	shared, err := filepath.Glob(fmt.Sprintf("%s/shmfs-bench-%d-*", sharedMemory, process))
	if err != nil || len(shared) != 0 {
		t.Errorf("left in %s: %v, %v", sharedMemory, shared, err)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || strings.Contains(string(mounts), base) {
		t.Errorf("left mounted below %s: %v\n%s", base, err, mounts)
	}
}

func compile(t *testing.T) string {
	t.Helper()
	program, err := compileKernels(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return program
}
