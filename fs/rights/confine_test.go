package rights

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// confineAndTry makes every call that is given up in threads that were there before and in others, and has a program do it that it starts.
// It fails with the first that is made.
func confineAndTry(program string) error {
	const before, after = 4, 4
	results := make(chan error, before+after)
	var ready sync.WaitGroup
	confined := make(chan struct{})
	try := func() {
		runtime.LockOSThread() // until the end: each has a thread of its own
		ready.Done()
		<-confined
		results <- tryHere()
	}
	ready.Add(before)
	for range before {
		go try()
	}
	ready.Wait()
	if err := Confine(); err != nil {
		return err
	}
	close(confined)
	ready.Add(after)
	for range after {
		go try()
	}
	var failed error
	for range before + after {
		failed = errors.Join(failed, <-results)
	}
	if failed != nil {
		return failed
	}
	output, err := exec.Command(program).CombinedOutput()
	fmt.Printf("started: %s", output)
	return err
}

// tryHere makes the calls in this thread. unshare comes first: it does nothing when it is asked for nothing.
func tryHere() error {
	if _, _, errno := unix.RawSyscall(unix.SYS_UNSHARE, 0, 0, 0); errno != unix.EPERM {
		return fmt.Errorf("unshare is made: %w", errno)
	}
	for _, call := range denied {
		if _, _, errno := unix.RawSyscall6(call, 0, 0, 0, 0, 0, 0); errno != unix.EPERM {
			return fmt.Errorf("call %d is made: %w", call, errno)
		}
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_CLONE3, 0, 0, 0); errno != unix.ENOSYS {
		return fmt.Errorf("clone3 is made: %w", errno)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_GETPID|firstForeign, 0, 0, 0); errno != unix.EPERM {
		return fmt.Errorf("calls of x32 are made: %w", errno)
	}
	for _, flag := range []uintptr{unix.CLONE_NEWNS, unix.CLONE_NEWUSER, unix.CLONE_NEWNET, unix.CLONE_NEWPID} {
		if _, _, errno := unix.RawSyscall6(unix.SYS_CLONE, flag|uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0); errno != unix.EPERM {
			return fmt.Errorf("clone with %#x is made: %w", flag, errno)
		}
	}
	return nil
}

// TestDeniedCallsFail has a process that is confined, and a C program that it starts, make each call that it has given up.
func TestDeniedCallsFail(t *testing.T) {
	program := filepath.Join(t.TempDir(), "calls")
	if output, err := exec.Command("gcc", "-O2", "-Wall", "-Werror", "-o", program, "testdata/calls.c").CombinedOutput(); err != nil {
		t.Fatalf("building testdata/calls.c with gcc: %v: %s", err, output)
	}
	// By itself it shows that these calls are to be had.
	output, err := exec.Command(program).CombinedOutput()
	if text := string(output); err != nil || !strings.Contains(text, "unshare: done\n") || !strings.Contains(text, "ptrace: No such process\n") {
		t.Fatalf("unconfined the program says %q (%v)", text, err)
	}
	command := self("confine", program)
	command.Stdout = nil
	output, err = command.Output()
	if err != nil {
		t.Fatal(err)
	}
	const want = "started: unshare: Operation not permitted\nptrace: Operation not permitted\nmount: Operation not permitted\n" +
		"32-bit getpid: refused\nfork: done\n"
	if string(output) != want {
		t.Errorf("it says\n%s, want\n%s", output, want)
	}
}

// run is what the kernel does with a filter.
func run(program []unix.SockFilter, number, architecture, argument uint32) uint32 {
	data := map[uint32]uint32{numberAt: number, architectureAt: architecture, argumentAt: argument}
	var value uint32
	for at := 0; ; at++ {
		one := program[at]
		holds := false
		switch one.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			value = data[one.K]
			continue
		case unix.BPF_RET | unix.BPF_K:
			return one.K
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			holds = value == one.K
		case unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
			holds = value >= one.K
		case unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K:
			holds = value&one.K != 0
		default:
			panic(fmt.Sprintf("instruction %#x", one.Code))
		}
		if holds {
			at += int(one.Jt)
		} else {
			at += int(one.Jf)
		}
	}
}

func TestFilterDeniesWhatItShouldAndNoMore(t *testing.T) {
	const refused, missing = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM), unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
	program := filter()
	want := map[uint32]uint32{unix.SYS_CLONE3: missing}
	for _, call := range denied {
		if want[uint32(call)] != 0 {
			t.Errorf("call %d is there twice", call)
		}
		want[uint32(call)] = refused
	}
	for number := range uint32(1000) {
		expected := uint32(unix.SECCOMP_RET_ALLOW)
		if special, is := want[number]; is {
			expected = special
		}
		if got := run(program, number, architecture, 0); got != expected {
			t.Errorf("call %d gives %#x, want %#x", number, got, expected)
		}
		const i386, arm = 0x40000003, 0x40000028
		for _, other := range []uint32{i386, arm, 0} {
			if got := run(program, number, other, 0); got != refused {
				t.Errorf("call %d of architecture %#x gives %#x", number, other, got)
			}
		}
		if got := run(program, number|firstForeign, architecture, 0); got != refused {
			t.Errorf("call %d of x32 gives %#x", number, got)
		}
	}
	const thread = unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_THREAD | unix.CLONE_SYSVSEM | unix.CLONE_SETTLS
	const process = unix.CLONE_VM | unix.CLONE_VFORK | unix.CLONE_PIDFD | uint32(unix.SIGCHLD)
	for flags, expected := range map[uint32]uint32{
		thread: unix.SECCOMP_RET_ALLOW, process: unix.SECCOMP_RET_ALLOW, uint32(unix.SIGCHLD) | unix.CLONE_NEWUSER: refused, unix.CLONE_NEWNET: refused,
	} {
		if got := run(program, unix.SYS_CLONE, architecture, flags); got != expected {
			t.Errorf("clone with %#x gives %#x, want %#x", flags, got, expected)
		}
	}
}
