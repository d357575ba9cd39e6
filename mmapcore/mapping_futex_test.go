package mmapcore

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// futexWays are the two ways of waiting. Each test of both must hold for both.
var futexWays = map[string]func(t *testing.T){
	"futex_waitv": requireFutexWaitAny,
	"slices":      denyFutexWaitAny,
}

// requireFutexWaitAny makes it an error that the kernel has no futex_waitv(2): no test may take the other way unnoticed.
func requireFutexWaitAny(t *testing.T) {
	real := kernel.futexWaitAny
	replace(t, &kernel.futexWaitAny, func(waiters []futexWaiter, deadline *unix.Timespec) (int, error) {
		woken, err := real(waiters, deadline)
		if err == unix.ENOSYS || err == unix.EPERM {
			t.Errorf("futex_waitv (Linux 5.16 and later): %v", err)
		}
		return woken, err
	})
}

func denyFutexWaitAny(t *testing.T) {
	replace(t, &kernel.futexWaitAny, func([]futexWaiter, *unix.Timespec) (int, error) { return -1, unix.ENOSYS })
}

// onEachFutexWay runs a test with a mapping of one page on each kind of file.
func onEachFutexWay(t *testing.T, test func(t *testing.T, region *Region, mapping *Mapping)) {
	for name, prepare := range futexWays {
		t.Run(name, func(t *testing.T) {
			onEachBacking(t, func(t *testing.T, region *Region) {
				prepare(t)
				wantNoError(t, "Resize", region.Resize(pageSize))
				test(t, region, mapRegion(t, region, int(pageSize), ReadWrite))
			})
		})
	}
}

// waitUntilAsleep returns when so many threads of this process sleep in a futex of their own making, not the Go runtime's.
func waitUntilAsleep(t *testing.T, mapping *Mapping, count int) {
	t.Helper()
	start := uintptr(unsafe.Pointer(unsafe.SliceData(mapping.memory)))
	deadline := time.Now().Add(time.Minute)
	for asleep(t, start) < count {
		if time.Now().After(deadline) {
			t.Fatalf("%d threads are asleep, want %d", asleep(t, start), count)
		}
		runtime.Gosched()
	}
}

// asleep counts the threads in futex_waitv(2), or in futex(2) on a word of the page at start.
func asleep(t *testing.T, start uintptr) (count int) {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		content, err := os.ReadFile("/proc/self/task/" + task.Name() + "/syscall")
		if err != nil {
			continue // the thread has ended
		}
		var number int
		var address uintptr
		if n, _ := fmt.Sscanf(string(content), "%d 0x%x", &number, &address); n != 2 {
			continue // it is running
		}
		inPage := address >= start && address < start+uintptr(pageSize)
		if number == unix.SYS_FUTEX_WAITV || (number == unix.SYS_FUTEX && inPage) {
			count++
		}
	}
	return count
}

func TestFutexWaitReturnsWhatTheKernelSays(t *testing.T) {
	onEachFutexWay(t, func(t *testing.T, region *Region, mapping *Mapping) {
		wantNoError(t, "Store32", mapping.Store32(4, 7))
		wantError(t, "another value", mapping.FutexWait(4, 8, NoTimeout), unix.EAGAIN)
		wantError(t, "no time", mapping.FutexWait(4, 7, 0), unix.ETIMEDOUT)
		start := time.Now()
		wantError(t, "some time", mapping.FutexWait(4, 7, 50*time.Millisecond), unix.ETIMEDOUT)
		if took := time.Since(start); took < 50*time.Millisecond {
			t.Errorf("waited only %v", took)
		}
		if woken, err := mapping.FutexWake(4, 1); woken != 0 || err != nil {
			t.Errorf("woke %d, %v", woken, err)
		}
		readOnly := mapRegion(t, region, int(pageSize), ReadOnly)
		wantError(t, "read-only", readOnly.FutexWait(4, 7, 0), unix.ETIMEDOUT)
		wantNoError(t, "FutexWake when read-only", second(readOnly.FutexWake(4, 1)))
		wantNoError(t, "Resize", region.Resize(0))
		wantError(t, "past the end", mapping.FutexWait(4, 7, NoTimeout), ErrFault)
		wantError(t, "FutexWake past the end", second(mapping.FutexWake(4, 1)), ErrFault)
	})
}

func TestFutexWakesAsManyAsAsked(t *testing.T) {
	onEachFutexWay(t, func(t *testing.T, region *Region, mapping *Mapping) {
		other := mapRegion(t, region, int(pageSize), ReadWrite)
		results := make(chan error, 3)
		for range 3 {
			go func() { results <- mapping.FutexWait(8, 0, time.Minute) }()
		}
		waitUntilAsleep(t, mapping, 3)
		woken := 0
		for _, count := range []int{1, 2} {
			// Between two slices a waiter is not asleep for a moment, so it may take more than one try.
			for before := woken; woken-before < count; {
				n, err := other.FutexWake(8, count-(woken-before))
				wantNoError(t, "FutexWake", err)
				woken += n
			}
			for range count {
				wantNoError(t, "FutexWait", <-results)
			}
			if left := 3 - woken; left > 0 {
				waitUntilAsleep(t, mapping, left)
			}
		}
	})
}

func TestCancellationEndsWaits(t *testing.T) {
	onEachFutexWay(t, func(t *testing.T, region *Region, mapping *Mapping) {
		cancellation := NewCancellation()
		if cancellation.Canceled() {
			t.Error("canceled from the start")
		}
		results, others := make(chan error, 2), make(chan error, 1)
		for range 2 {
			go func() { results <- mapping.FutexWaitCancelable(8, 0, NoTimeout, cancellation) }()
		}
		go func() { others <- mapping.FutexWaitCancelable(16, 0, NoTimeout, NewCancellation()) }()
		waitUntilAsleep(t, mapping, 3)
		cancellation.Cancel()
		cancellation.Cancel()
		for range 2 {
			err := <-results
			wantError(t, "canceled wait", err, ErrCanceled)
			wantError(t, "canceled wait", err, unix.ECANCELED)
		}
		wantError(t, "later wait", mapping.FutexWaitCancelable(8, 0, NoTimeout, cancellation), ErrCanceled)
		wantNoError(t, "Store32", mapping.Store32(16, 1))
		for woken := 0; woken == 0; {
			n, err := mapping.FutexWake(16, 1)
			wantNoError(t, "FutexWake", err)
			if woken = n; len(others) > 0 {
				break // it was between two slices and saw the new value
			}
		}
		if err := <-others; err != nil {
			wantError(t, "the other's wait", err, unix.EAGAIN)
		}
	})
}

// Cancel at any moment of a wait's start is noticed.
func TestCancellationRacesWithTheWait(t *testing.T) {
	onEachFutexWay(t, func(t *testing.T, region *Region, mapping *Mapping) {
		for range 30 {
			cancellation := NewCancellation()
			var done sync.WaitGroup
			done.Go(func() {
				if err := mapping.FutexWaitCancelable(8, 0, NoTimeout, cancellation); err == nil {
					t.Error("the wait was not canceled")
				}
			})
			cancellation.Cancel()
			done.Wait()
		}
	})
}

func TestUnmapEndsWaits(t *testing.T) {
	onEachFutexWay(t, func(t *testing.T, region *Region, mapping *Mapping) {
		results := make(chan error, 2)
		go func() { results <- mapping.FutexWait(8, 0, NoTimeout) }()
		go func() { results <- mapping.FutexWaitCancelable(8, 0, NoTimeout, NewCancellation()) }()
		waitUntilAsleep(t, mapping, 2)
		wantNoError(t, "Unmap", mapping.Unmap())
		for range 2 {
			wantError(t, "FutexWait", <-results, ErrClosed)
		}
	})
}

// When the kernel names the cancellation, a wake of the word may have come with it. Somebody else must get it.
func TestCanceledWaitPassesAWakeOn(t *testing.T) {
	checkNothingLeft(t)
	region := newRegion(t, openMemfd(t))
	wantNoError(t, "Resize", region.Resize(pageSize))
	mapping := mapRegion(t, region, int(pageSize), ReadWrite)
	cancellation := NewCancellation()
	replace(t, &kernel.futexWaitAny, func(waiters []futexWaiter, _ *unix.Timespec) (int, error) {
		cancellation.Cancel()
		return len(waiters) - 1, nil
	})
	var shared []unsafe.Pointer
	real := kernel.futexWake
	replace(t, &kernel.futexWake, func(word unsafe.Pointer, count int, private bool) (int, error) {
		if !private {
			shared = append(shared, word)
		}
		return real(word, count, private)
	})
	wantError(t, "wait", mapping.FutexWaitCancelable(8, 0, NoTimeout, cancellation), ErrCanceled)
	if len(shared) != 1 || shared[0] != mapping.address(8) {
		t.Errorf("woke %v, want one waiter at %v", shared, mapping.address(8))
	}
}

// futexPeer waits on, or wakes, the word at 8 of a file that it maps.
const futexPeer = `
import ctypes, mmap, os, sys
number, path, role = int(sys.argv[1]), sys.argv[2], sys.argv[3]
memory = mmap.mmap(os.open(path, os.O_RDWR), 4096)
word = ctypes.c_uint32.from_buffer(memory, 8)
libc = ctypes.CDLL(None, use_errno=True)
def futex(operation, value):
    return libc.syscall(ctypes.c_long(number), ctypes.byref(word), ctypes.c_long(operation), ctypes.c_long(value), None, None, ctypes.c_long(0))
print("ready", flush=True)
if role == "waiter":
    while word.value == 0:
        futex(0, 0)
    print("woken", word.value, flush=True)
else:
    sys.stdin.readline()
    word.value = 2
    print("woke", futex(1, 1), flush=True)
`

// startFutexPeer starts another process that has mapped the region's file.
func startFutexPeer(t *testing.T, region *Region, role string) (tell io.Writer, lines *bufio.Scanner) {
	t.Helper()
	peer := exec.Command("python3", "-c", futexPeer, fmt.Sprint(unix.SYS_FUTEX), descriptorPath(region), role)
	stdin, err := peer.StdinPipe()
	wantNoError(t, "pipe", err)
	stdout, err := peer.StdoutPipe()
	wantNoError(t, "pipe", err)
	peer.Stderr = os.Stderr
	if err := peer.Start(); err != nil {
		t.Fatalf("starting python3 (install it): %v", err)
	}
	t.Cleanup(func() {
		_ = peer.Process.Kill()
		_ = peer.Wait()
	})
	lines = bufio.NewScanner(stdout)
	if !lines.Scan() || lines.Text() != "ready" {
		t.Fatalf("the peer says %q", lines.Text())
	}
	return stdin, lines
}

func TestFutexWakesAnotherProcess(t *testing.T) {
	onEachBacking(t, func(t *testing.T, region *Region) {
		wantNoError(t, "Resize", region.Resize(pageSize))
		mapping := mapRegion(t, region, int(pageSize), ReadWrite)
		_, lines := startFutexPeer(t, region, "waiter")
		// The word keeps its value until the peer is known to sleep.
		deadline := time.Now().Add(time.Minute)
		for {
			woken, err := mapping.FutexWake(8, 1)
			wantNoError(t, "FutexWake", err)
			if woken == 1 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("the other process never slept")
			}
			runtime.Gosched()
		}
		wantNoError(t, "Store32", mapping.Store32(8, 5))
		wantNoError(t, "FutexWake", second(mapping.FutexWake(8, 1)))
		if !lines.Scan() || lines.Text() != "woken 5" {
			t.Errorf("the peer says %q", lines.Text())
		}
	})
}

func TestFutexIsWokenByAnotherProcess(t *testing.T) {
	onEachBacking(t, func(t *testing.T, region *Region) {
		wantNoError(t, "Resize", region.Resize(pageSize))
		mapping := mapRegion(t, region, int(pageSize), ReadWrite)
		tell, lines := startFutexPeer(t, region, "waker")
		result := make(chan error, 1)
		go func() { result <- mapping.FutexWait(8, 0, time.Minute) }()
		waitUntilAsleep(t, mapping, 1)
		_, err := io.Copy(tell, strings.NewReader("wake\n"))
		wantNoError(t, "telling the peer", err)
		wantNoError(t, "FutexWait", <-result)
		if value, err := mapping.Load32(8); value != 2 || err != nil {
			t.Errorf("the word is %d, %v", value, err)
		}
		if !lines.Scan() || lines.Text() != "woke 1" {
			t.Errorf("the peer says %q", lines.Text())
		}
	})
}
