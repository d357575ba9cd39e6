package rig

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Daemon is the processes of one mount.
type Daemon struct {
	Supervisor int // whom signals are for, and who holds what the mount consists of
	Worker     int // who answers the kernel
	Restarts   int // how often a worker has died
}

// DaemonOf asks a mount for its processes.
func DaemonOf(t testing.TB, mountpoint string) Daemon {
	t.Helper()
	found, err := AskDaemon(mountpoint)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// AskDaemon is DaemonOf for a mount that may be none.
func AskDaemon(mountpoint string) (Daemon, error) {
	text, err := os.ReadFile(filepath.Join(mountpoint, ".shmfs", "stats"))
	if err != nil {
		return Daemon{}, err
	}
	return ParseDaemon(string(text))
}

// ParseDaemon finds the processes in what the file stats of a mount holds.
func ParseDaemon(text string) (found Daemon, err error) {
	for key, into := range map[string]*int{
		"supervisor-pid": &found.Supervisor, "worker-pid": &found.Worker, "worker-restarts": &found.Restarts,
	} {
		_, after, _ := strings.Cut("\n"+text, "\n"+key+": ")
		value, _, _ := strings.Cut(after, "\n")
		if *into, err = strconv.Atoi(value); err != nil {
			return Daemon{}, fmt.Errorf("%s is %q in the stats of a mount:\n%s", key, value, text)
		}
	}
	return found, nil
}

// Kill ends all processes of the mount, none of which can go on then, and returns when they are gone.
func (d Daemon) Kill(t testing.TB) {
	t.Helper()
	supervisor, worker := watch(t, d.Supervisor), watch(t, d.Worker)
	defer unix.Close(supervisor)
	defer unix.Close(worker)
	d.StopSupervisor(t) // it starts no worker then in the place of the one that dies
	for _, process := range []int{worker, supervisor} {
		if err := unix.PidfdSendSignal(process, unix.SIGKILL, nil, 0); err != nil {
			t.Fatalf("killing a process of the mount: %v", err)
		}
		if !ended(process, grace) {
			t.Fatal("a killed process of the mount does not end")
		}
	}
}

// StopSupervisor stops the supervisor, and returns when none of its threads runs.
func (d Daemon) StopSupervisor(t testing.TB) {
	t.Helper()
	if err := unix.Kill(d.Supervisor, unix.SIGSTOP); err != nil {
		t.Fatalf("stopping the supervisor: %v", err)
	}
	awaitStopped(t, d.Supervisor)
}

func watch(t testing.TB, process int) int {
	t.Helper()
	descriptor, err := unix.PidfdOpen(process, 0)
	if err != nil {
		t.Fatalf("watching process %d: %v", process, err)
	}
	return descriptor
}

// ended reports whether a process ends within the limit.
func ended(descriptor int, limit time.Duration) bool {
	for deadline := time.Now().Add(limit); ; {
		ready, err := unix.Poll([]unix.PollFd{{Fd: int32(descriptor), Events: unix.POLLIN}}, int(max(time.Until(deadline), 0).Milliseconds()))
		if !errors.Is(err, unix.EINTR) {
			return ready > 0
		}
	}
}

// awaitStopped returns when all threads of a process have stopped: the signal is on its way to them when it is sent.
func awaitStopped(t testing.TB, process int) {
	t.Helper()
	for deadline := time.Now().Add(grace); ; time.Sleep(time.Millisecond) {
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", process))
		stopped := 0
		for _, file := range files {
			if text, err := os.ReadFile(file); err == nil && strings.Contains(string(text), ") T ") {
				stopped++
			}
		}
		if stopped == len(files) && stopped > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %d does not stop: %d of its %d threads have", process, stopped, len(files))
		}
	}
}
