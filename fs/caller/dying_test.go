package caller

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// statusOf is /proc/PID/status as far as signals are concerned, which are given by number.
func statusOf(state string, pending, shared, blocked, ignored, caught []unix.Signal) []byte {
	mask := func(signals []unix.Signal) (bits uint64) {
		for _, signal := range signals {
			bits |= 1 << (signal - 1)
		}
		return bits
	}
	return fmt.Appendf(nil, "Name:\tcat\nState:\t%s\nSigQ:\t0/1\nSigPnd:\t%016x\nShdPnd:\t%016x\nSigBlk:\t%016x\nSigIgn:\t%016x\nSigCgt:\t%016x\n",
		state, mask(pending), mask(shared), mask(blocked), mask(ignored), mask(caught))
}

func TestDiesBy(t *testing.T) {
	type signals = []unix.Signal
	const asleep = "S (sleeping)"
	for name, c := range map[string]struct {
		status []byte
		want   bool
	}{
		"no signal":              {statusOf(asleep, nil, nil, nil, nil, signals{unix.SIGINT}), false},
		"kill":                   {statusOf(asleep, signals{unix.SIGKILL}, nil, nil, nil, nil), true},
		"kill of all threads":    {statusOf(asleep, nil, signals{unix.SIGKILL}, nil, nil, nil), true},
		"handled":                {statusOf(asleep, signals{unix.SIGINT}, nil, nil, nil, signals{unix.SIGINT}), false},
		"not handled":            {statusOf(asleep, signals{unix.SIGQUIT}, nil, nil, nil, signals{unix.SIGINT}), true},
		"not handled, shared":    {statusOf(asleep, nil, signals{unix.SIGABRT}, nil, nil, nil), true},
		"ignored":                {statusOf(asleep, signals{unix.SIGHUP}, nil, nil, signals{unix.SIGHUP}, nil), false},
		"blocked":                {statusOf(asleep, signals{unix.SIGTERM}, nil, signals{unix.SIGTERM}, nil, nil), false},
		"a real-time signal":     {statusOf(asleep, signals{40}, nil, nil, nil, nil), true},
		"one of each":            {statusOf(asleep, signals{unix.SIGINT, unix.SIGUSR1}, nil, nil, nil, signals{unix.SIGINT}), true},
		"harmless by themselves": {statusOf(asleep, signals{unix.SIGCHLD, unix.SIGWINCH, unix.SIGTSTP, unix.SIGURG}, nil, nil, nil, nil), false},
		"ended":                  {statusOf("Z (zombie)", nil, nil, nil, nil, nil), true},
		"no masks that are any":  {[]byte("State:\tS\nSigPnd:\tmany\n"), true},
	} {
		if got := diesBy(c.status); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestDying(t *testing.T) {
	pid := process(t, nil)
	if Dying(uint32(pid)) || Dying(uint32(os.Getpid())) {
		t.Error("a process that nothing happens to is dying")
	}
	if !Dying(0) {
		t.Error("who cannot be looked at is not dying")
	}
	ended := exec.Command("/bin/true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	if !Dying(uint32(ended.Process.Pid)) {
		t.Error("a process that is gone is not dying")
	}
}

// A process that is stopped does not take its signals before it goes on: they are pending.
func TestDyingWithPendingSignals(t *testing.T) {
	command := exec.Command("/bin/sh", "-c", `trap : USR1; echo ready; read line`)
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
		input.Close()
		if err := command.Wait(); !strings.Contains(fmt.Sprint(err), "terminated") {
			t.Errorf("sh ended with %v", err)
		}
	}()
	if _, err := output.Read(make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	pid := command.Process.Pid
	send := func(signal unix.Signal) {
		t.Helper()
		if err := unix.Kill(pid, signal); err != nil {
			t.Fatal(err)
		}
	}
	send(unix.SIGSTOP)
	for deadline := time.Now().Add(30 * time.Second); ; {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("it does not stop: %v\n%s", err, status)
		}
		if strings.Contains(string(status), "T (stopped)") {
			break
		}
	}
	send(unix.SIGUSR1)
	send(unix.SIGCHLD)
	if Dying(uint32(pid)) {
		t.Error("it is dying by a signal that it handles")
	}
	send(unix.SIGTERM)
	if !Dying(uint32(pid)) {
		t.Error("it is not dying by a signal that it does not handle")
	}
	send(unix.SIGCONT)
}
