package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"

	"shmfs/fs"
)

// server is the life of one mount in the process that serves it.
type server struct {
	mountpoint string
	options    fs.Options
	log        hclog.Logger
	metrics    string       // address to serve metrics on; empty: none
	ready      func() error // tells who waits for the mount
	stopping   func()       // tells who supervises the process

	filesystem *fs.Filesystem
	device     string // of the mount in the mount table; empty when it is not found there
	signals    chan os.Signal
	served     chan error // what Serve returned
	detached   chan error // what the first attempt to unmount came to
	requests   int        // how often it was asked to stop
}

func newServer(target string, options fs.Options, log hclog.Logger) *server {
	return &server{
		mountpoint: target,
		options:    options,
		log:        log,
		ready:      func() error { return nil },
		stopping:   func() {},
		signals:    make(chan os.Signal, 8),
		served:     make(chan error, 1),
		detached:   make(chan error, 1),
	}
}

// serveInForeground serves the mount in this process until it ends.
func (c *mountCommand) serveInForeground(claimed *claim, options fs.Options) error {
	log, err := c.log.open(true)
	if err != nil {
		return err
	}
	server := newServer(claimed.path, options, log)
	server.metrics = c.metrics
	server.ready = func() error {
		claimed.release()
		server.notify(daemon.SdNotifyReady)
		return nil
	}
	server.stopping = func() { server.notify(daemon.SdNotifyStopping) }
	return server.run()
}

// notify tells systemd of a change, if it runs this process and wants to know.
func (s *server) notify(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		s.log.Warn("telling the service manager failed", "state", state, "error", err)
	}
}

// run mounts, serves and cleans up. It returns nil when the mount ended because someone asked for it.
func (s *server) run() error {
	// A closed standard error must not end the mount; the signals must find it mounted or not begun. They are caught until
	// the process ends: one more than were needed must not kill it on its last steps.
	signal.Ignore(unix.SIGPIPE)
	signal.Notify(s.signals, unix.SIGTERM, unix.SIGINT, unix.SIGHUP)
	s.prepareProcess()
	s.log.Info("starting", "version", fs.BuildVersion().String(), "mountpoint", s.mountpoint, "options", s.options.String())
	filesystem, err := fs.Mount(s.mountpoint, s.options, s.log)
	if err != nil {
		err = mountFailure(s.mountpoint, err)
		s.log.Error("mounting failed", "mountpoint", s.mountpoint, "error", err)
		return err
	}
	s.filesystem, s.device = filesystem, deviceAt(s.mountpoint)
	s.log.Info("mounted", "mountpoint", s.mountpoint)
	go func() { s.served <- filesystem.Serve() }()
	if s.metrics != "" {
		served, err := serveMetrics(s.metrics, filesystem.Metrics(), s.log)
		if err != nil {
			s.log.Error("unmounting: the metrics cannot be served", "error", err)
			_ = s.stop()
			return errors.Join(err, s.watch())
		}
		defer served.close()
	}
	if err := s.ready(); err != nil {
		s.log.Error("nobody waits for the mount any more: unmounting", "error", err)
		_ = s.stop()
	}
	return s.watch()
}

// prepareProcess gives the process what serving needs and takes from it what it would hold on to.
func (s *server) prepareProcess() {
	unix.Umask(0) // the kernel has applied each caller's own
	if err := os.Chdir("/"); err != nil {
		s.log.Warn("leaving the working directory failed", "error", err)
	}
	limit, err := raiseDescriptorLimit()
	if err != nil {
		s.log.Warn("raising the limit of open files failed", "limit", limit, "error", err)
		return
	}
	s.log.Debug("limit of open files", "limit", limit)
}

// watch waits for the end of the mount, and brings it about when a signal asks for it.
func (s *server) watch() error {
	for {
		select {
		case err := <-s.served:
			return s.ended(err)
		case received := <-s.signals:
			s.log.Info("stopping", "mountpoint", s.mountpoint, "signal", received.String())
			if !s.stop() {
				return s.remains()
			}
		case err := <-s.detached:
			if err != nil {
				s.log.Error("unmounting failed: still serving, a second signal ends the mount at once",
					"mountpoint", s.mountpoint, "error", err)
			}
		}
	}
}

// stop unmounts when it is called first, cuts the mount off when it is called again, and does nothing more after that. It
// returns false when the end of this process is the only way left to cut it off.
func (s *server) stop() bool {
	s.requests++
	switch s.requests {
	case 1:
		s.stopping()
		go func() { s.detached <- s.detach() }()
		return true
	case 2:
	default:
		return true // cut off: Serve is about to return
	}
	s.log.Warn("ending the mount at once: programs that use it lose it", "mountpoint", s.mountpoint)
	if err := abortConnection(s.device); err != nil {
		s.log.Warn("the connection cannot be aborted: leaving", "mountpoint", s.mountpoint, "error", err)
		return false
	}
	return true
}

// detach has another process take the mount off its path. While it is in use it is only detached, and goes on being served.
func (s *server) detach() error {
	err := startDetach(s.mountpoint)
	if codeOf(err) != exitBusy {
		return err
	}
	// The line is read when the mount has left its path, where fuser finds nothing any more.
	s.log.Warn("in use: detached from its path and served until the last user is gone: "+
		"close its files and leave its directories, or send the signal again to end it at once", "mountpoint", s.mountpoint)
	return startDetach(s.mountpoint, "--lazy")
}

// ended closes the account when Serve has returned.
func (s *server) ended(err error) error {
	err = errors.Join(err, s.filesystem.Close())
	if s.remains() != nil {
		// Cut off rather than unmounted: what is left at the path would answer everyone with an error.
		if failed := startDetach(s.mountpoint, "--dead"); failed != nil {
			err = errors.Join(err, s.remains())
		}
	}
	if err != nil {
		s.log.Error("serving failed", "mountpoint", s.mountpoint, "error", err)
		return fmt.Errorf("serving %s: %w", s.mountpoint, err)
	}
	s.log.Info("stopped", "mountpoint", s.mountpoint)
	return nil
}

// remains returns an error when the mount table still shows the mount.
func (s *server) remains() error {
	if s.device == "" || deviceAt(s.mountpoint) != s.device {
		return nil
	}
	return fmt.Errorf("a dead mount stays behind on %s: unmount what covers it, then shmfs umount %s", s.mountpoint, s.mountpoint)
}

// deviceAt returns the device number of the topmost shmfs at a path, out of the mount table alone: this process may not
// touch its own mount.
func deviceAt(path string) string {
	mounts, err := mountTable()
	if err != nil {
		return ""
	}
	device := ""
	for _, entry := range mounts {
		if entry.point == path && entry.filesystem == filesystemType {
			device = entry.device
		}
	}
	return device
}

// abortConnection has the kernel answer all requests of a mount with errors from now on.
func abortConnection(device string) error {
	_, connection, found := strings.Cut(device, ":")
	if !found {
		return errors.New("it was not found in the mount table")
	}
	path := "/sys/fs/fuse/connections/" + connection + "/abort"
	if err := os.WriteFile(path, []byte("1"), 0); err != nil {
		return fmt.Errorf("aborting the connection: %w", err)
	}
	return nil
}
