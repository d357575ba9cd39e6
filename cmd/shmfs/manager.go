package main

import (
	"fmt"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"
)

// serviceManager is systemd, or who stands in for it, if it runs this process and wants to know: the environment says so. What it is told
// it is told in order, in the background: it may be slow, and it may itself wait for the mount.
type serviceManager struct {
	log     hclog.Logger
	address string // of its socket; empty: there is none
	outbox  outbox
	nodes   nodeShare
}

func newServiceManager(log hclog.Logger) *serviceManager {
	return &serviceManager{log: log, address: os.Getenv("NOTIFY_SOCKET")}
}

const (
	stateReady     = daemon.SdNotifyReady
	stateStopping  = daemon.SdNotifyStopping
	stateReloading = daemon.SdNotifyReloading
)

const (
	// managerLimit is how long the service manager may take to receive a message.
	managerLimit = 5 * time.Second

	// atOnceLimit is how long it may take to receive one that somebody waits for who must not wait for long.
	atOnceLimit = time.Second
)

// present says whether there is a service manager.
func (m *serviceManager) present() bool { return m.address != "" }

// tell tells of a change.
func (m *serviceManager) tell(state string) {
	if state == stateReloading {
		var now unix.Timespec
		_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // cannot fail
		state += fmt.Sprintf("\nMONOTONIC_USEC=%d", now.Nano()/1000)
	}
	m.send(state)
}

// tellMain tells that another process is the service's main one now.
func (m *serviceManager) tellMain(process int) { m.tell(fmt.Sprintf("MAINPID=%d", process)) }

// send sends a message in the background, with a descriptor if there is one. The descriptor stays the caller's.
func (m *serviceManager) send(state string, descriptors ...int) {
	if !m.present() {
		return
	}
	copies, err := duplicate(descriptors...)
	if err != nil {
		m.log.Warn("telling the service manager failed", "state", state, "error", err)
		return
	}
	m.outbox.put(func() {
		defer closeAll(copies)
		if err := m.sendNow(state, copies, managerLimit); err != nil {
			m.log.Warn("telling the service manager failed", "state", state, "error", err)
		}
	})
}

// sendNow returns when the service manager's socket has the message, or the limit is over (EAGAIN).
func (m *serviceManager) sendNow(state string, descriptors []int, limit time.Duration) error {
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	patience := unix.NsecToTimeval(limit.Nanoseconds())
	if err := unix.SetsockoptTimeval(socket, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &patience); err != nil {
		return err
	}
	var rights []byte
	if len(descriptors) > 0 {
		rights = unix.UnixRights(descriptors...)
	}
	for {
		err := unix.Sendmsg(socket, []byte(state), rights, &unix.SockaddrUnix{Name: m.address}, 0)
		if err != unix.EINTR {
			return err
		}
	}
}

// flush returns when everything is told, or the service manager has taken too long.
func (m *serviceManager) flush() {
	done := make(chan struct{})
	m.outbox.put(func() { close(done) })
	select {
	case <-done:
	case <-time.After(2 * managerLimit):
	}
}
