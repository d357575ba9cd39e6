package main

import (
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"

	"shmfs/fs/pulse"
)

// ownPulse has a timer pending while a process of a mount does something, which the Go runtime may need. Whoever was waiting beats it.
var ownPulse pulse.Pulse

// prepareProcess gives a process of the mount what serving needs and takes from it what it would hold on to.
func prepareProcess(log hclog.Logger) {
	ownPulse.Beat()
	unix.Umask(0) // the kernel has applied each caller's own
	if err := os.Chdir("/"); err != nil {
		log.Warn("leaving the working directory failed", "error", err)
	}
	limit, err := raiseDescriptorLimit()
	if err != nil {
		log.Warn("raising the limit of open files failed", "limit", limit, "error", err)
	}
	log.Debug("limit of open files", "limit", limit)
}

// raiseDescriptorLimit lets the process open as many files as the kernel allows it: every open object takes one. A limit
// that cannot be raised is no failure; the mount then serves fewer open files.
func raiseDescriptorLimit() (uint64, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	wanted := limit
	if most := descriptorCeiling(); os.Geteuid() == 0 && most > wanted.Max {
		wanted.Max = most
	}
	wanted.Cur = wanted.Max
	err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &wanted)
	if err != nil && wanted.Max != limit.Max { // root without the capability may still go up to its own limit
		wanted.Cur, wanted.Max = limit.Max, limit.Max
		err = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &wanted)
	}
	if err != nil {
		return limit.Cur, err
	}
	return wanted.Cur, nil
}

// descriptorCeiling is the most descriptors the kernel gives any process, 0 when it does not say.
func descriptorCeiling() uint64 {
	text, err := os.ReadFile("/proc/sys/fs/nr_open")
	if err != nil {
		return 0
	}
	most, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return 0
	}
	return most
}

const (
	// grownTable is for how many descriptors a process that is to serve has room from the start: 8 bytes each of the kernel's memory, twice.
	grownTable = 1 << 13

	// firstSpare is below the descriptor that makes room, and above all others that such a process begins with.
	firstSpare = 256
)

// growTable has a command started with room for many descriptors. The kernel makes the table of a process with several threads larger by
// waiting until no processor looks at the old one (expand_fdtable and synchronize_rcu, fs/file.c): milliseconds, on a busy machine even half a minute, beyond
// kill, in whichever call needs the next descriptor. So without this, a worker that takes a mount over does so in the middle of that. The process that is about
// to execute the command has one thread, and waits for nothing. It is called when the command has all its files; closeSpare follows
// in the process.
func growTable(command *exec.Cmd) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	const standard, margin = 3, 64 // descriptors before ExtraFiles; those above the highest that the start takes for a moment
	last := int(min(limit.Cur, grownTable+margin)) - margin - standard
	if last < firstSpare || len(command.ExtraFiles) >= firstSpare-standard {
		return nil
	}
	for len(command.ExtraFiles) < last {
		command.ExtraFiles = append(command.ExtraFiles, nil)
	}
	command.ExtraFiles = append(command.ExtraFiles, command.ExtraFiles[0])
	return nil
}

// closeSpare closes the descriptor that growTable has left. The room stays.
func closeSpare() error { return unix.CloseRange(firstSpare, math.MaxUint32, 0) }
