package main

import (
	"os"
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
