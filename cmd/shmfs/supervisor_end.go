package main

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"shmfs/fs/keep"
)

// ownProcess is this process's number.
var ownProcess = os.Getpid()

func (s *supervisor) signalled(received os.Signal) {
	if received == unix.SIGHUP {
		s.log.Info("reloading", "mountpoint", s.mountpoint, "signal", received.String())
		s.requestReload("")
		return
	}
	if received == unix.SIGUSR2 {
		s.leaveToManager()
		return
	}
	s.log.Info("stopping", "mountpoint", s.mountpoint, "signal", received.String())
	s.stop()
}

// leaveToManager ends all processes of the mount and leaves what it consists of to the service manager, which starts the service again.
func (s *supervisor) leaveToManager() {
	if !s.manager.present() {
		s.log.Warn("there is no service manager that would keep the mount: going on", "mountpoint", s.mountpoint)
		return
	}
	if s.ending {
		return
	}
	s.log.Info("leaving the mount to the service manager", "mountpoint", s.mountpoint)
	s.kept = true
	s.manager.tell(stateStopping)
	s.end(failure(exitLeft, ""))
}

// stop unmounts when it is called first, cuts the mount off when it is called again, and does nothing more after that.
func (s *supervisor) stop() {
	if s.kept {
		return
	}
	s.requests++
	switch s.requests {
	case 1:
		s.manager.tell(stateStopping)
		go func() {
			err := s.detach()
			s.todo <- func() {
				if err != nil && !s.ending {
					s.log.Error("unmounting failed: still serving, a second signal ends the mount at once",
						"mountpoint", s.mountpoint, "error", err)
				}
			}
		}()
	case 2:
		s.cutOff()
	}
}

// cutOff ends the mount at once.
func (s *supervisor) cutOff() {
	s.log.Warn("ending the mount at once: programs that use it lose it", "mountpoint", s.mountpoint)
	if err := abortConnection(s.device); err != nil {
		s.log.Warn("the connection cannot be aborted: leaving", "mountpoint", s.mountpoint, "error", err)
		s.end(nil)
		return
	}
	s.after(leaveLimit, func() { // a thread of the worker may wait inside the kernel, and the others for it
		if !s.ending {
			s.log.Warn("the worker does not end with the mount: killed", "mountpoint", s.mountpoint)
			s.end(nil)
		}
	})
}

// detach has another process take the mount off its path. While it is in use it is only detached, and goes on being served.
func (s *supervisor) detach() error {
	err := startDetach(s.mountpoint)
	if codeOf(err) != exitBusy {
		return err
	}
	// The line is read when the mount has left its path, where fuser finds nothing any more.
	s.log.Warn("in use: detached from its path and served until the last user is gone: "+
		"close its files and leave its directories, or send the signal again to end it at once", "mountpoint", s.mountpoint)
	return startDetach(s.mountpoint, "--lazy")
}

// servedOut is told by a worker that the mount has ended, and what failed, if something did.
func (s *supervisor) servedOut(c *child, failed string) {
	if c != s.worker || s.ending {
		return
	}
	c.ended = true
	var err error
	if failed != "" {
		err = errors.New(failed)
	}
	s.end(err)
}

// end has all workers end, for a reason or because the mount has ended as it should. It is called once at most.
func (s *supervisor) end(reason error) {
	if s.ending {
		return
	}
	s.ending, s.result = true, reason
	for _, c := range []*child{s.standby, s.reload.newWorker()} {
		if c != nil {
			s.dismiss(c)
		}
	}
	s.standby = nil
	if c := s.worker; c != nil && !c.ended {
		c.kill()
	} else if c != nil {
		s.after(leaveLimit, c.kill)
	}
	s.endWhenAlone()
}

// dismiss has a worker end that does not serve.
func (s *supervisor) dismiss(c *child) {
	if c.died {
		return
	}
	s.leaving[c] = true
	s.send(c, keep.Message{Kind: keep.Leave})
	s.after(leaveLimit, c.kill)
}

// endWhenAlone closes the account when the last worker is gone.
func (s *supervisor) endWhenAlone() {
	if !s.ending || s.worker != nil && !s.worker.died || len(s.leaving) > 0 || s.finished {
		return
	}
	s.finished = true
	if s.kept {
		return
	}
	s.removeNote() // the mount is over: nothing of it covers the path
	s.manager.letGoMount()
	err := s.result
	s.holder.Close()
	closeDescriptor(&s.listener)
	err = errors.Join(err, s.connection.Close())
	if s.remains() != nil {
		// Cut off rather than unmounted: what is left at the path would answer everyone with an error.
		if failed := startDetach(s.mountpoint, "--dead"); failed != nil {
			err = errors.Join(err, s.remains())
		}
	}
	if err != nil {
		s.log.Error("serving failed", "mountpoint", s.mountpoint, "error", err)
		s.result = fmt.Errorf("serving %s: %w", s.mountpoint, err)
		return
	}
	s.log.Info("stopped", "mountpoint", s.mountpoint)
}

// remains returns an error when the mount table still shows the mount.
func (s *supervisor) remains() error {
	if s.device == "" || deviceAt(s.mountpoint) != s.device {
		return nil
	}
	return fmt.Errorf("a dead mount stays behind on %s: unmount what covers it, then shmfs umount %s", s.mountpoint, s.mountpoint)
}

// closeDescriptor closes a descriptor that may be negative, and makes it so.
func closeDescriptor(descriptor *int) {
	if *descriptor >= 0 {
		_ = unix.Close(*descriptor)
		*descriptor = -1
	}
}
