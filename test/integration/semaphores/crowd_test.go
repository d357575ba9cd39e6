package semaphores

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"shmfs/test/integration/rig"

	"golang.org/x/sys/unix"
)

// TestCrowd lets thousands of threads wait by text: what they cost, that signals reach them, and that a forced unmount
// ends them all.
func TestCrowd(t *testing.T) {
	const sample, memoryBar, releaseBar = 100, 150 << 20, 30 * time.Second
	count, places := setting(t, "SHMFS_SEMAPHORE_WAITERS", 10_000, 10_000), passthrough
	if raced(t) {
		count, places = min(count, 2000), places[:1]
	}
	for _, place := range places {
		t.Run(place.name, func(t *testing.T) {
			place.mountForAbort(t)
			path := sem("crowd")
			glibc.agent(t).create(path, 0)
			daemon := daemonProcess(t)
			before := rig.StatusFigure(t, daemon, "VmRSS") << 10
			start := time.Now()
			c := startCrowd(t, path, count)
			eventually(t, "all wait", func() (bool, any) { s := look(t, path); return s.waiters == itoa(count), s })
			t.Logf("%d wait after %v", count, time.Since(start).Round(time.Millisecond))
			more := rig.StatusFigure(t, daemon, "VmRSS")<<10 - before
			t.Logf("the daemon has %d KiB more, %d bytes a waiter", more>>10, more/count)
			if more > memoryBar && !raced(t) {
				t.Errorf("the daemon has %d MiB more, want %d", more>>20, memoryBar>>20)
			}
			requireIdle(t, map[string]int{"the daemon": daemon})
			start = time.Now()
			c.order("interrupt %d", sample)
			if got, want := c.answer(patience), fmt.Sprintf("%d %d", sample, unix.EINTR); got != want {
				t.Errorf("interrupted waits returned %q, want %q", got, want)
			}
			t.Logf("%d were interrupted in %v", sample, time.Since(start).Round(time.Millisecond))
			eventually(t, "those are counted no more", func() (bool, any) {
				s := look(t, path)
				return s.waiters == itoa(count-sample) && s.value == "0", s
			})
			start = time.Now()
			c.order("end")
			_ = unix.Unmount(rig.SharedMemory, unix.MNT_FORCE) // EBUSY at first: they still have it open
			answer := c.answer(releaseBar)
			t.Logf("%s (number, errno) were released in %v", answer, time.Since(start).Round(time.Millisecond))
			requireAllFailed(t, answer, count-sample)
		})
	}
}

// mountForAbort mounts the place for a test that ends with a forced unmount. At the test's end the mount and its daemon must
// have gone by themselves.
func (p place) mountForAbort(t *testing.T) {
	t.Helper()
	logFile := filepath.Join(t.TempDir(), "shmfs.log")
	mount := exec.Command(rig.Binary(t), "mount", "--log-file", logFile, "-o", p.options, rig.SharedMemory)
	if output, err := mount.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", mount, err, output)
	}
	daemon := rig.DaemonOf(t, rig.SharedMemory).Supervisor // which ends last
	t.Cleanup(func() {
		if t.Failed() {
			cutOff(t)
		}
		eventually(t, "the daemon has ended", func() (bool, any) {
			err := unix.Kill(daemon, 0)
			return errors.Is(err, unix.ESRCH), err
		})
		if listed, err := os.ReadFile("/proc/self/mountinfo"); err != nil || strings.Contains(string(listed), " "+rig.SharedMemory+" ") {
			t.Errorf("%s is still mounted, %v", rig.SharedMemory, err)
			_ = unix.Unmount(rig.SharedMemory, unix.MNT_DETACH)
		}
	})
}

// crowd is a process with many threads that wait (testdata/crowd.c).
type crowd struct {
	t       *testing.T
	orders  io.Writer
	answers chan string // closed when the process ends
}

// startCrowd returns when all threads are started. At the test's end the process is gone.
func startCrowd(t *testing.T, path string, count int) *crowd {
	t.Helper()
	command := exec.Command(glibc.program(t, "crowd"), path, itoa(count))
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var stderr strings.Builder
	command.Stderr = &stderr
	orders, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	lines, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	c := &crowd{t: t, orders: orders, answers: make(chan string, 8)}
	ended := make(chan struct{})
	go func() {
		scanner := bufio.NewScanner(lines)
		for scanner.Scan() {
			c.answers <- strings.TrimSpace(scanner.Text())
		}
		close(c.answers)
		_ = command.Wait() // it is killed
		close(ended)
	}()
	t.Cleanup(func() {
		_ = unix.Kill(-command.Process.Pid, unix.SIGKILL)
		select {
		case <-ended:
		case <-time.After(patience):
			cutOff(t)
			t.Errorf("the crowd was killed and is not gone after %v", patience)
			return
		}
		if stderr.Len() > 0 {
			t.Errorf("the crowd says %q", &stderr)
		}
	})
	if got := c.answer(2 * time.Minute); got != "started" {
		t.Fatalf("the crowd says %q", got)
	}
	return c
}

func (c *crowd) order(format string, arguments ...any) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c.orders, format+"\n", arguments...); err != nil {
		c.t.Fatal(err)
	}
}

// answer returns the next line.
func (c *crowd) answer(most time.Duration) string {
	c.t.Helper()
	select {
	case line, running := <-c.answers:
		if !running {
			c.t.Fatal("the crowd has ended by itself")
		}
		return line
	case <-time.After(most):
		cutOff(c.t)
		c.t.Fatalf("the crowd does not answer within %v", most)
		return ""
	}
}

// requireAllFailed fails unless an answer of the crowd's says that so many waits failed, and none succeeded.
func requireAllFailed(t *testing.T, answer string, want int) {
	t.Helper()
	got := 0
	for fields := strings.Fields(answer); len(fields) >= 2; fields = fields[2:] {
		var count, errno int
		if _, err := fmt.Sscan(fields[0]+" "+fields[1], &count, &errno); err != nil || errno == 0 {
			t.Errorf("the crowd says %q, %v", answer, err)
		}
		got += count
	}
	if got != want {
		t.Errorf("%d waits failed, want %d: %q", got, want, answer)
	}
}
