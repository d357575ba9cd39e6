package main

import (
	"fmt"
	"os/exec"

	"github.com/hashicorp/go-hclog"

	"shmfs/fs/rights"
)

// startServing starts a process that is to serve a mount, with the capabilities that this takes and no others. The limit of open files must
// have been raised: it cannot do that itself any more.
func startServing(command *exec.Cmd) error {
	return rights.Start(command, rights.Serving, func(error) {}) // dropRights tells
}

// dropRights gives up what serving a mount does not take, and tells what could not be given up. There is no way back, also not for what this
// process starts.
func dropRights(log hclog.Logger) {
	if excess, err := rights.Excess(rights.Serving); err != nil || excess != 0 {
		log.Warn("capabilities that are not needed could not be given up", "capabilities", fmt.Sprintf("%#x", uint64(excess)), "error", err)
	}
	if err := rights.Confine(); err != nil {
		log.Warn("system calls that are not needed could not be given up", "error", err)
	}
}
