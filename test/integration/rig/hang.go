package rig

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Hang says of every thread in this mount namespace in which system call and where in the kernel it is, and has the daemons write what
// their goroutines do to their logs, which ends them. It is for a mount that answers no more, and touches none.
func Hang(t testing.TB) {
	t.Helper()
	own, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		t.Logf("what hangs: %v", err)
		return
	}
	processes := namespaceMembers(own)
	var report strings.Builder
	for _, process := range processes {
		reportThreads(&report, process)
	}
	t.Logf("what hangs:\n%s", &report)
	tellGoroutines(t, processes)
}

// reportThreads says where the threads of a process are.
func reportThreads(report *strings.Builder, process int) {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/[0-9]*", process))
	for _, thread := range threads {
		fmt.Fprintf(report, "%s %s: call %s\n%s\n", thread, said(thread+"/comm"), said(thread+"/syscall"), said(thread+"/stack"))
	}
}

// tellGoroutines has the daemons among some processes write what their goroutines do, and returns when they have ended. They are told by
// what they run: the name of one that has started itself anew by /proc/self/exe is exe.
func tellGoroutines(t testing.TB, processes []int) {
	t.Helper()
	const most = 10 * time.Second
	daemon, err := os.Stat(Binary(t))
	if err != nil {
		t.Logf("what hangs: %v", err)
		return
	}
	for _, process := range processes {
		runs, err := os.Stat(fmt.Sprintf("/proc/%d/exe", process))
		if err != nil || !os.SameFile(runs, daemon) {
			continue
		}
		_ = unix.Kill(process, unix.SIGQUIT)
		awaitExit(process, most)
	}
}

// said is what a file of /proc says, or why it does not.
func said(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(content))
}
