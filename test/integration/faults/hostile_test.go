package faults

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"shmfs/test/integration/rig"

	"golang.org/x/sys/unix"
)

// hostileRoles are what hostile clients do, see testdata/hostile.c.
var hostileRoles = []string{"scribble", "operate", "operate", "shrink", "look", "look", "moves", "moves", "loops", "floods", "signals", "stops", "traces"}

// hostileUser is who the hostile clients are, all of them: users are limited one by one.
const hostileUser = 30001

// TestHostileClients has clients do what they can against the daemon, together, while another user's probe looks how long it takes to answer.
func TestHostileClients(t *testing.T) {
	const bar = 100 * time.Millisecond
	seconds := setting(t, "HOSTILE_SECONDS", 5, 600)
	d := mountDaemon(t, "require-passthrough,size=512M,nr_inodes=100k")
	before, err := d.stats()
	must(t, err)
	for name, content := range map[string]string{"sem.hostile": "2\n", "sem.quiet": "2\n", "shrinking": ""} {
		must(t, os.WriteFile(filepath.Join(d.place, name), []byte(content), 0o666))
		must(t, unix.Chmod(filepath.Join(d.place, name), 0o666))
	}
	probe := startMember(t, d.place, "probe", firstUser, order{Place: d.place})
	probe.ready(t)
	server, err := d.server()
	must(t, err)
	prefer(t, server)
	prefer(t, probe.command.Process.Pid)
	program := compile(t, "hostile")
	var commands []*exec.Cmd
	for number, role := range hostileRoles {
		command := exec.Command(program, role, d.place, strconv.Itoa(seconds), strconv.Itoa(number))
		command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: hostileUser, Gid: hostileUser}}
		commands = append(commands, command)
	}
	for i, ended := range rig.Run(t, d.place, time.Duration(seconds)*time.Second+2*patience, commands...) {
		if ended.Err != nil {
			t.Errorf("%s: %v\n%s%s", hostileRoles[i], ended.Err, ended.Stdout, ended.Stderr)
			continue
		}
		count, err := strconv.Atoi(strings.TrimSpace(ended.Stdout))
		must(t, err)
		t.Logf("%s: %d times", hostileRoles[i], count)
		if count == 0 {
			t.Errorf("%s has done nothing", hostileRoles[i])
		}
	}
	var found checkup
	must(t, probe.input.Close())
	must(t, probe.result(&found, patience))
	if found.Wrong != "" {
		t.Error(found.Wrong)
	}
	for name, took := range found.Times {
		t.Logf("the probe: %v", took)
		if !strict() { // of so few calls the longest may be the machine's fault
			requireWithin(t, "99 % of the answers to "+name, took.quantile(0.99), bar)
			continue
		}
		requireWithin(t, "the longest answer to "+name, took.Longest.took(), bar)
	}
	d.requireSettled(t, 0)
	d.requireEmptied(t, before)
}

// compile builds a C program of testdata, where every user may run it.
func compile(t testing.TB, name string) string {
	t.Helper()
	directory := place(t)
	path := filepath.Join(directory, name)
	t.Cleanup(func() { must(t, unix.Unlink(path)) })
	source := filepath.Join(rig.Root(), "test/integration/faults/testdata", name+".c")
	rig.MustRun(t, "", patience, exec.Command(rig.Program(t, "gcc"), "-O2", "-Wall", "-Wextra", "-Werror", "-o", path, source))
	return path
}

// prefer lets a process have a processor before the machine's other load, so that what is measured is not how long it waits for one. A
// better nice value does that only in part: where sessions are scheduled as groups (sched(7), autogroup) it says nothing to others', and one
// that was given to the groups was seen to be ignored for more than a second.
func prefer(t testing.TB, process int) {
	t.Helper()
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", process))
	must(t, err)
	for _, thread := range threads { // what they start inherits it
		id, err := strconv.Atoi(thread.Name())
		must(t, err)
		if err := preferThread(t, id); err != nil && err != unix.ESRCH {
			t.Fatalf("giving thread %d of process %d priority: %v", id, process, err)
		}
	}
}

func preferThread(t testing.TB, thread int) error {
	attributes := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: 1}
	err := unix.SchedSetAttr(thread, &attributes, 0)
	if err != unix.EPERM {
		return err
	}
	t.Log("the machine gives nobody real-time priority: what is measured is also how long is waited for a processor")
	return unix.Setpriority(unix.PRIO_PROCESS, thread, -10)
}
