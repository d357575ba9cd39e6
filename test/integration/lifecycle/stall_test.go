package lifecycle_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// stall is a write to a file from memory that is not there and that nobody brings (userfaultfd(2)). It has the inode's lock, which others
// wait for inside the kernel where no signal reaches them.
type stall struct {
	faults int // descriptor
	memory []byte
	write  chan error
	over   sync.Once
}

// The requests of userfaultfd that are needed, which are the same on all machines, and what they are about.
const (
	faultsAPI      = 0xc018aa3f // UFFDIO_API
	faultsRegister = 0xc020aa00 // UFFDIO_REGISTER
	faultsVersion  = 0xaa       // UFFD_API
	faultsMissing  = 1          // UFFDIO_REGISTER_MODE_MISSING
	faultSize      = 32         // of struct uffd_msg
)

// stallAt begins a write of one zero at the start of a file, and returns when it has the lock. It ends with the test at the latest.
func stallAt(t *testing.T, path string) *stall {
	t.Helper()
	file, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	memory, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		t.Fatal(err)
	}
	faults, _, errno := unix.Syscall(unix.SYS_USERFAULTFD, unix.O_CLOEXEC, 0, 0)
	if errno != 0 {
		t.Fatalf("userfaultfd: %v", errno)
	}
	s := &stall{faults: int(faults), memory: memory, write: make(chan error, 1)}
	t.Cleanup(func() { _ = s.end() })
	start, length := uint64(uintptr(unsafe.Pointer(&memory[0]))), uint64(len(memory))
	s.request(t, faultsAPI, []uint64{faultsVersion, 0, 0})
	s.request(t, faultsRegister, []uint64{start, length, faultsMissing, 0})
	go func() {
		defer unix.Close(file)
		_, err := unix.Pwrite(file, memory[:1], 0)
		s.write <- err
	}()
	message := make([]byte, faultSize)
	if n, err := ignoringSignals(func() (int, error) { return unix.Read(s.faults, message) }); err != nil || n != faultSize {
		t.Fatalf("waiting for the fault: %d bytes, %v", n, err)
	}
	return s
}

func (s *stall) request(t *testing.T, request uintptr, words []uint64) {
	t.Helper()
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(s.faults), request, uintptr(unsafe.Pointer(&words[0]))); errno != 0 {
		t.Fatalf("userfaultfd, request %#x: %v", request, errno)
	}
}

// end has the memory there, and so the write end.
func (s *stall) end() (err error) {
	s.over.Do(func() {
		_ = unix.Close(s.faults)
		err = <-s.write
		_ = unix.Munmap(s.memory)
	})
	return err
}

func ignoringSignals(call func() (int, error)) (int, error) {
	for {
		if n, err := call(); err != unix.EINTR {
			return n, err
		}
	}
}

// awaitStuck returns when a thread of a process waits inside a system call where no signal reaches it.
func awaitStuck(t *testing.T, process int, call uintptr) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		for _, thread := range threadsOf(t, process) {
			text, _ := os.ReadFile(filepath.Join(thread.path, "syscall")) // fails when it has ended
			if thread.state == "D" && strings.HasPrefix(string(text), fmt.Sprint(call, " ")) {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("no thread of process %d is stuck: %v", process, threadsOf(t, process))
		}
	}
}

// requireStopped checks that a killed process is there and that nothing of it runs, or ever will outside the kernel.
func requireStopped(t *testing.T, process int) {
	t.Helper()
	threads := threadsOf(t, process)
	stuck := 0
	for _, one := range threads {
		switch {
		case one.state == "D" && one.killed:
			stuck++
		case !strings.Contains("DZX", one.state): // D too is one that is ending, if it has taken the signal
			t.Errorf("the thread %+v of a worker runs beside the next worker", one)
		}
	}
	if stuck == 0 {
		t.Errorf("no thread of the killed process %d is stuck: %+v", process, threads)
	}
}

// thread is one of a process.
type thread struct {
	path   string
	state  string
	killed bool // it has SIGKILL pending
}

func threadsOf(t *testing.T, process int) (threads []thread) {
	t.Helper()
	paths, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", process))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(filepath.Join(path, "status"))
		if err != nil {
			continue // it has ended
		}
		one := thread{path: path}
		for line := range bytes.Lines(text) {
			key, value, _ := strings.Cut(strings.TrimSpace(string(line)), ":\t")
			switch key {
			case "State":
				one.state = value[:1]
			case "SigPnd":
				var pending uint64
				if _, err := fmt.Sscanf(value, "%x", &pending); err != nil {
					t.Fatal(err)
				}
				one.killed = pending&(1<<(unix.SIGKILL-1)) != 0
			}
		}
		threads = append(threads, one)
	}
	return threads
}

// awaitStopped returns when no thread of a process runs on that was sent SIGSTOP.
func awaitStopped(t *testing.T, process int) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		threads := threadsOf(t, process)
		if !slices.ContainsFunc(threads, func(one thread) bool { return one.state != "T" }) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %d does not stop: %+v", process, threads)
		}
	}
}
