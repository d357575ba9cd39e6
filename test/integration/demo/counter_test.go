package main

import (
	"bufio"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"shmfs/test/integration/rig"
)

// countOf runs one program to its end and returns its system calls.
func countOf(t *testing.T, counting counter, arguments ...string) uint64 {
	t.Helper()
	process, err := startProcess(t.Context(), arguments, counting)
	if err != nil {
		t.Fatal(err)
	}
	if err := process.wait(); err != nil {
		t.Fatal(err)
	}
	calls, err := process.count()
	if err != nil {
		t.Fatal(err)
	}
	return calls
}

// counters returns both ways of counting.
func counters(t *testing.T) []counter {
	t.Helper()
	rig.Program(t, "strace")
	directory := t.TempDir()
	var steps undoing
	t.Cleanup(func() {
		if err := steps.undo(nil); err != nil {
			t.Error(err)
		}
	})
	tracing, err := newTracepointCounter(directory, &steps)
	if err != nil {
		t.Fatalf("the kernel's tracepoint (needs root, CONFIG_FTRACE_SYSCALLS and CONFIG_PERF_EVENTS): %v", err)
	}
	return []counter{tracing, straceCounter{directory}}
}

// TestCountersSeeEveryCall lets dd make a known number of calls more, also as a child of another program.
func TestCountersSeeEveryCall(t *testing.T) {
	const more = 1000
	dd := func(count string) string { return "dd if=/dev/zero of=/dev/null bs=1 status=none count=" + count }
	for _, counting := range counters(t) {
		t.Run(counting.method(), func(t *testing.T) {
			for _, end := range []string{"", "; true"} { // with more to do the shell has to make a child
				few := countOf(t, counting, "/bin/sh", "-c", dd("1")+end)
				many := countOf(t, counting, "/bin/sh", "-c", dd(strconv.Itoa(1+more))+end)
				if many-few != 2*more {
					t.Errorf("%d reads and %d writes more were counted as %d", more, more, many-few)
				}
			}
		})
	}
}

// TestCountersAgree allows the difference of the execve itself, which strace sees.
func TestCountersAgree(t *testing.T) {
	var counts []uint64
	for _, counting := range counters(t) {
		counts = append(counts, countOf(t, counting, "/bin/dd", "if=/dev/zero", "of=/dev/null", "bs=1", "count=50", "status=none"))
	}
	if difference := int64(counts[1]) - int64(counts[0]); difference < 0 || difference > 2 {
		t.Errorf("the tracepoint counted %d calls, strace %d", counts[0], counts[1])
	}
}

func TestRunningProcessIsCounted(t *testing.T) {
	counting := counters(t)[0]
	count, err := counting.beginRunning(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	const calls = 500
	for range calls {
		os.Getppid() // a system call each time
	}
	if counted, err := count(); err != nil || counted < calls {
		t.Errorf("%d calls were counted as %d, %v", calls, counted, err)
	}
}

// TestFallback makes the tracepoint unreachable by a file where its file system would be mounted.
func TestFallback(t *testing.T) {
	rig.Program(t, "strace")
	directory := t.TempDir()
	if err := os.WriteFile(filepath.Join(directory, "tracing"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var steps undoing
	counting, err := newCounter(t.Context(), directory, &steps)
	if err != nil || len(steps) > 0 {
		t.Fatalf("no counter (%v), or something to undo: %d", err, len(steps))
	}
	prepared := preparedPrograms(t)
	mountForTest(t, storeTmpfs, "")
	s := setting{File: randomFile(t, countedSize), Runs: 1, Store: storeTmpfs}
	result, err := measure(t.Context(), s, prepared, counting, directory)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(result.Method, "strace") {
		t.Errorf("the report says that calls were counted by %s", result.Method)
	}
	for _, r := range result.Rows {
		requirePlausible(t, r, result.Size, false)
	}
}

// byteCalls are the system calls that copy bytes between a process and the kernel, or within the kernel.
const byteCalls = "trace=read,readv,pread64,preadv,preadv2,write,writev,pwrite64,pwritev,pwritev2,sendto,sendmsg,recvfrom," +
	"recvmsg,mq_timedsend,mq_timedreceive,sendfile,splice,tee,vmsplice,copy_file_range,process_vm_readv,process_vm_writev"

var (
	returned = regexp.MustCompile(`= (\d+)$`)
	queued   = regexp.MustCompile(`mq_timedsend\(\d+, .*, (\d+), \d+, `)
)

// TestCopiesAreTrue compares the copies the table shows with the bytes that the system calls of a run carried.
func TestCopiesAreTrue(t *testing.T) {
	const size = 16 << 20
	prepared := preparedPrograms(t)
	mountForTest(t, storeTmpfs, "")
	source := randomFile(t, size)
	directory := t.TempDir()
	for _, transport := range transports(directory) {
		t.Run(transport.String(), func(t *testing.T) {
			tracing := tracer{t.TempDir()}
			if _, err := transferFile(t.Context(), transport, prepared, source, directory, tracing); err != nil {
				t.Fatal(err)
			}
			copies := float64(tracing.bytes(t)) / size
			if want := float64(transport.copies()); copies < want || copies > want+0.2 { // Python reads its modules too
				t.Errorf("the system calls carried every byte %.3f times, the table says %.0f", copies, want)
			}
		})
	}
}

// tracer is a counter that keeps every call that carries bytes, for bytes to add up.
type tracer struct{ directory string }

func (c tracer) method() string { return "strace" }

func (c tracer) wrap(arguments []string) []string {
	return append([]string{"/bin/sh", "-c", `read -r line && exec strace -f -s 0 -e "$0" -o "` + c.directory + `/$$" -- "$@" </dev/null`,
		byteCalls}, arguments...)
}

func (c tracer) begin(_ int, release *os.File) (func() (uint64, error), error) {
	_, err := release.WriteString("go\n")
	return func() (uint64, error) { return 0, nil }, err
}

func (c tracer) beginRunning(int) (func() (uint64, error), error) { return nil, nil }

func (c tracer) bytes(t *testing.T) (sum int) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(c.directory, "*"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("strace wrote %v, %v", paths, err)
	}
	for _, path := range paths {
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		for lines := bufio.NewScanner(file); lines.Scan(); {
			sum += carried(lines.Text())
		}
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	}
	return sum
}

// carried returns the bytes of one line of strace's output.
func carried(line string) int {
	found := returned.FindStringSubmatch(line)
	if found == nil { // failed, or continued on another line
		return 0
	}
	if strings.Contains(line, "mq_timedsend") {
		found = queued.FindStringSubmatch(line)
	}
	if found == nil {
		return 0
	}
	count, err := strconv.Atoi(found[1])
	if err != nil {
		return 0
	}
	return count
}
