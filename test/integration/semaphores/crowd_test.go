package semaphores

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

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
			cutOff()
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
		cutOff()
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

// putWord and getWord are the longs of an object that C programs map.
func putWord(memory []byte, index, value int) {
	binary.NativeEndian.PutUint64(memory[8*index:], uint64(value))
}

func getWord(memory []byte, index int) int { return int(binary.NativeEndian.Uint64(memory[8*index:])) }
