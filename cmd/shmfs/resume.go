package main

import (
	"errors"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"shmfs/fs"
)

// goOn supervises, in the foreground, the mount that a service manager has kept. It says false when that can never go on: then nothing of it is
// left, but perhaps a dead mount at the path. What only this process cannot go on with stays kept.
func (c *mountCommand) goOn(path string, left *stored) (bool, error) {
	mistake := c.passOverMistakes()
	c.log.foreground = true
	found, options, reason := left.place(path)
	if reason != nil && !hopeless(reason) {
		return true, failure(exitLeft, "the mount on %s stays kept, but cannot go on: %w", path, reason)
	}
	if reason != nil {
		return false, errors.Join(c.giveUp(path, left, reason), mistake)
	}
	s, err := c.newSupervisor(found.path)
	if err != nil {
		return true, err
	}
	s.log.Warn("all processes of the mount have ended: it goes on", "mountpoint", found.path, "options", options.String())
	if mistake != nil {
		s.log.Error("the command line is wrong: the mount goes on without what is", "mistake", errorLine(mistake))
	}
	s.resumed = true
	s.device, s.connection = found.mount.device, &left.connection
	s.manager.nodes.takeAll(slices.Values(left.nodes.Numbers))
	if err := s.holder.Obey(&left.nodes); err != nil {
		return true, err
	}
	if c.metrics != "" {
		if s.listener, err = listenForMetrics(c.metrics); err != nil {
			s.log.Error("the metrics cannot be served", "error", err)
			s.listener = -1 // the mount matters more
		}
	}
	s.findNote(found.mount)
	s.ready = func() error {
		s.manager.tell(stateReady)
		return nil
	}
	return true, s.run()
}

// passOverMistakes does without what the command line says wrongly, and returns what that is: a mount that is in use matters more, and has
// the options that it had.
func (c *mountCommand) passOverMistakes() error {
	wrongLog := c.log.check()
	if wrongLog != nil {
		c.log = logSettings{level: "info", format: "text"}
	}
	wrongMetrics := c.checkMetrics()
	if wrongMetrics != nil {
		c.metrics = ""
	}
	_, wrongOptions := fs.ParseOptions(strings.Join(c.options, ","))
	return errors.Join(wrongLog, wrongMetrics, wrongOptions)
}

// giveUp has what cannot go on kept no more.
func (c *mountCommand) giveUp(path string, left *stored, reason error) error {
	log, err := c.log.open("supervisor")
	if err != nil {
		return err
	}
	log.Warn("the mount that the service manager has kept cannot go on: another is made", "mountpoint", path, "reason", reason)
	manager := newServiceManager(log)
	manager.nodes.takeAll(slices.Values(left.nodes.Numbers))
	manager.letGoMount()
	manager.flush()
	left.close()
	return nil
}

// broken says whether the kernel has ended the connection of a device.
func broken(device int) bool {
	state := []unix.PollFd{{Fd: int32(device)}}
	n, err := unix.Poll(state, 0)
	return err == nil && n > 0 && state[0].Revents&unix.POLLERR != 0
}

// findNote finds the note that was made of the mount.
func (s *supervisor) findNote(of mount) {
	file, err := within(func() (*os.File, error) {
		found, err := noteOf(of)
		if err != nil {
			return nil, err
		}
		return os.OpenFile(found.path, os.O_WRONLY|unix.O_NOFOLLOW, 0)
	})
	if err != nil {
		s.log.Debug("no note of the mount", "error", err)
		return
	}
	s.note = file
}
