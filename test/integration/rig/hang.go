package rig

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
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
	binary, err := os.Stat(Binary(t))
	if err != nil {
		t.Logf("what hangs: %v", err)
		return
	}
	processes, _ := filepath.Glob("/proc/[0-9]*")
	var report strings.Builder
	var daemons []int
	for _, process := range processes {
		if space, err := os.Readlink(process + "/ns/mnt"); err != nil || space != own {
			continue
		}
		threads, _ := filepath.Glob(process + "/task/[0-9]*")
		for _, thread := range threads {
			fmt.Fprintf(&report, "%s %s: call %s\n%s\n", thread, first(thread+"/comm"), first(thread+"/syscall"), first(thread+"/stack"))
		}
		if runs(process, binary) { // its name is exe: it has started itself anew by /proc/self/exe
			id, _ := strconv.Atoi(filepath.Base(process))
			daemons = append(daemons, id)
		}
	}
	t.Logf("what hangs:\n%s", report.String())
	for _, daemon := range daemons {
		_ = unix.Kill(daemon, unix.SIGQUIT)
		awaitEnd(daemon)
	}
}

// runs says whether a process of /proc runs a program.
func runs(process string, program os.FileInfo) bool {
	found, err := os.Stat(process + "/exe")
	return err == nil && os.SameFile(found, program)
}

// awaitEnd returns when a process has ended, or cannot for ten seconds.
func awaitEnd(process int) {
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); _, _ = unix.Poll(nil, 10) {
		if unix.Kill(process, 0) != nil {
			return
		}
	}
}

// first is what a file of /proc says, or why it does not.
func first(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(content))
}
