package main

import (
	"fmt"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"
)

// serviceManager is systemd, or who stands in for it, if it runs this process and wants to know: the environment says so.
type serviceManager struct {
	log hclog.Logger
}

func newServiceManager(log hclog.Logger) *serviceManager { return &serviceManager{log: log} }

const (
	stateReady     = daemon.SdNotifyReady
	stateStopping  = daemon.SdNotifyStopping
	stateReloading = daemon.SdNotifyReloading
)

// tell tells of a change.
func (m *serviceManager) tell(state string) {
	if state == stateReloading {
		var now unix.Timespec
		_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // cannot fail
		state += fmt.Sprintf("\nMONOTONIC_USEC=%d", now.Nano()/1000)
	}
	if _, err := daemon.SdNotify(false, state); err != nil {
		m.log.Warn("telling the service manager failed", "state", state, "error", err)
	}
}

// tellMain tells that another process is the service's main one now.
func (m *serviceManager) tellMain(process int) { m.tell(fmt.Sprintf("MAINPID=%d", process)) }
